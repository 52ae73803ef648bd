"""Short texts that stand for what decides a call's results: models, cells, files, parameters."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import joblib
import torch
from anndata import AnnData

from scmamba.models import CellModel


def digest(**parts: Any) -> str:
    """Return one short text that stands for the parameters of a call, made of plain values.

    Examples
    --------
    >>> from scmamba.jobs import digest
    >>> digest(seed=0, task="embed") == digest(task="embed", seed=0), len(digest(seed=0))
    (True, 16)
    """
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def identity(thing: Any) -> str:
    """Return a text that stands for a model, an AnnData, a file, or whatever has a short name.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.jobs import identity
    >>> cells = scmamba.datasets.synthetic(5, 8)
    >>> identity(cells) == identity(cells.copy())
    True
    """
    if isinstance(thing, CellModel):
        weights = {name: stored.detach().cpu() for name, stored in thing.state_dict().items()}
        plain = {name: t.reshape(-1).view(torch.uint8).numpy() for name, t in weights.items()}
        genes = None if thing.vocab is None else thing.vocab.tokens
        return str(joblib.hash((repr(thing.config), genes, plain)))
    if isinstance(thing, AnnData):
        if thing.isbacked:
            return f"{file_stamp(Path(str(thing.filename)))} {joblib.hash(thing.obs)}"
        raw = None if thing.raw is None else (thing.raw.X, thing.raw.var)
        return str(joblib.hash((thing.X, raw, dict(thing.layers), thing.obs, thing.var)))
    if isinstance(thing, (str, os.PathLike)) and Path(thing).exists():
        return file_stamp(Path(thing))
    return str(thing)


def file_stamp(path: Path) -> str:
    """Return the path, size and last change of a file; of a folder, its newest file counts."""
    newest = max((one.stat().st_mtime_ns for one in _files(path)), default=0)
    return f"{path.absolute()} {file_size(path)} {newest}"


def file_size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    return sum(one.stat().st_size for one in _files(path))


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
