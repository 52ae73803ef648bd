"""Our own format on disk: written whole or not at all, read only if nothing was changed.

A folder of ours holds ``config.json``, ``model.safetensors`` and, where genes are named,
``vocab.json``. The first carries the format version and the sha256 of the other two.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from scmamba._errors import ScmambaError
from scmamba._version import __version__
from scmamba.models._files import atomic_folder, read_json, sha256
from scmamba.models.cell import CellModel
from scmamba.models.config import CellConfig
from scmamba.models.published import is_published
from scmamba.models.report import LoadReport
from scmamba.models.tensors import read_tensors
from scmamba.models.weights import fill
from scmamba.nn.lora import merged_state_dict
from scmamba.tokens.vocab import Vocab

CONFIG, VOCAB, WEIGHTS = "config.json", "vocab.json", "model.safetensors"
_ABOUT = "saved"  # the part of config.json that is not the configuration


def save(
    model: CellModel, folder: str | os.PathLike[str], *, about: Mapping[str, Any] | None = None
) -> Path:
    """Write a model, whole or not at all; low-rank parts are merged into their matrices.

    Parameters
    ----------
    model
        To be saved; it stays as it is.
    folder
        A new or empty folder, or one that holds a saved model, which is replaced.
    about
        Where the weights come from (plain values for JSON), kept beside the configuration.

    Returns
    -------
    The folder.

    Raises
    ------
    ScmambaError
        The folder cannot be written or holds other files.
    """
    folder = Path(folder)
    with atomic_folder(folder, replaces=frozenset({CONFIG, VOCAB, WEIGHTS})) as temporary:
        state = {k: t.detach().cpu().contiguous() for k, t in merged_state_dict(model).items()}
        save_file(state, temporary / WEIGHTS)
        if model.vocab is not None:
            model.vocab.to_json(temporary / VOCAB)
        saved = {
            "scmamba": __version__,
            "files": {path.name: sha256(path) for path in sorted(temporary.iterdir())},
            "about": dict(about or {}),
        }
        content = {**model.config.to_dict(), _ABOUT: saved}
        (temporary / CONFIG).write_text(json.dumps(content, indent=1), encoding="utf-8")
    return folder


def is_own(folder: Path) -> bool:
    """Whether ``folder`` claims to be of our own format."""
    return (folder / CONFIG).is_file() and not is_published(folder)


def read_config(folder: Path) -> tuple[CellConfig, dict[str, Any]]:
    """Configuration of a folder of our format, and what :func:`save` noted: files and about."""
    content = read_json(folder / CONFIG)
    saved = content.pop(_ABOUT, None)
    config = CellConfig.from_dict(content)
    files = saved.get("files") if isinstance(saved, dict) else None
    if not isinstance(files, dict) or WEIGHTS not in files or set(files) - {WEIGHTS, VOCAB}:
        raise ScmambaError(
            f"{folder / CONFIG} should list {WEIGHTS} and perhaps {VOCAB} with their sha256; "
            "copy the whole folder again or save the model again"
        )
    about = saved.get("about")
    return config, {"files": files, "about": about if isinstance(about, dict) else {}}


def load_own(folder: Path, *, allow_missing_heads: bool = True, **changes: Any) -> CellModel:
    """Read a folder that :func:`save` wrote, on the CPU; see :func:`scmamba.models.load`."""
    config, saved = read_config(folder)
    files, about = saved["files"], saved["about"]
    for name, expected in files.items():
        _unchanged(folder / name, expected)
    tensors, _ = read_tensors(folder / WEIGHTS)
    filled = fill(
        config.replace(**changes),
        tensors,
        source=str(folder),
        allow_missing_heads=allow_missing_heads,
    )
    model = filled.model
    if VOCAB in files:
        model.vocab = _vocab(folder / VOCAB, config)
    model.report = LoadReport(
        source=str(folder),
        n_matched=filled.n_matched,
        n_weights=filled.n_weights,
        n_genes=config.n_genes if model.vocab is None else len(model.vocab),
        fresh=filled.fresh,
        mismatched=filled.mismatched,
        unused=(*sorted(set(tensors) - set(model.state_dict())), *about.get("left_out", ())),
        notes=tuple(about.get("notes", ())),
    )
    model.name, model.sha256 = folder.name, files[WEIGHTS]
    return model


def _unchanged(path: Path, expected: object) -> None:
    if not path.is_file():
        raise ScmambaError(f"{path} is missing; copy the whole folder or save the model again")
    if (found := sha256(path)) != expected:
        raise ScmambaError(
            f"{path} was truncated or changed since it was saved: its sha256 is {found}, "
            f"{CONFIG} says {expected}; copy it again"
        )


def _vocab(path: Path, config: CellConfig) -> Vocab:
    vocab = Vocab.from_json(path)
    if len(vocab) > config.n_genes:
        raise ScmambaError(
            f"{path} names {len(vocab)} tokens, but the model has n_genes={config.n_genes}"
        )
    return vocab
