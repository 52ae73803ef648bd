"""The 18 tasks of the Nucleotide Transformer, fetched by a manifest and locked by hash."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
import pooch

from scmamba._errors import ScmambaError
from scmamba._files import atomic
from scmamba._settings import settings
from scmamba.datasets.fetch import fetch

SPLITS = ("train", "test")
_LOCK = "lock.json"


@dataclass(frozen=True)
class NTTask:
    """One of the tasks.

    Attributes
    ----------
    name
        Its folder in the repository.
    category
        ``"promoter"``, ``"enhancer"``, ``"splice site"`` or ``"histone"``.
    length
        Nucleotides of a sequence, about.
    classes
        How many there are.
    """

    name: str
    category: str
    length: int
    classes: int


def nucleotide_transformer_tasks() -> dict[str, NTTask]:
    """The tasks by name, in the order of the manifest."""
    return {name: NTTask(name, **entry) for name, entry in _manifest()["tasks"].items()}


def nucleotide_transformer(
    task: str,
    *,
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    progressbar: bool = True,
) -> dict[str, pd.DataFrame]:
    """Fetch one of the 18 classification tasks of the Nucleotide Transformer's first release.

    Files are kept, and what the first download gave is noted in ``lock.json`` beside them: later
    ones are held against it.

    Parameters
    ----------
    task
        One of :func:`nucleotide_transformer_tasks`.
    folder
        Where files are kept; None: ``datasets/nucleotide_transformer`` in
        ``scmamba.settings.cache_dir``.
    base_url
        Where Hugging Face is; None: ``HF_ENDPOINT`` in the environment, else itself.
    progressbar
        Show how far a download is.

    Returns
    -------
    ``"train"`` and ``"test"``: tables with the columns ``sequence`` and ``label`` (int), indexed
    by the record's name.

    Raises
    ------
    ScmambaError
        There is no such task, a download fails, or a file is not what it was or cannot be read.
    """
    manifest, tasks = _manifest(), nucleotide_transformer_tasks()
    if task not in tasks:
        raise ScmambaError(f"task={task!r}; allowed: {', '.join(tasks)}")
    cache_dir = Path(settings.cache_dir) / "datasets" / "nucleotide_transformer"
    target = cache_dir if folder is None else Path(folder)
    url = (base_url or os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")
    lock, tables = _read_lock(target / _LOCK), {}
    for split in SPLITS:
        name, file = f"{task}/{split}", manifest["files"][split]
        where = f"{manifest['repo']}/resolve/{manifest['revision']}/{task}/{file}"
        entry = {
            "url": f"{url}/datasets/{where}",
            "sha256": lock.get(name),
            "licence": manifest["licence"],
        }
        path = fetch(name, {name: entry}, folder=target, progressbar=progressbar)
        if name not in lock:
            lock[name] = pooch.file_hash(str(path))
            with atomic(target / _LOCK) as temporary:
                temporary.write_text(json.dumps(lock, indent=1), encoding="utf-8")
        tables[split] = _read(path, tasks[task].classes)
    return tables


@cache
def _manifest() -> dict[str, Any]:
    text = (files("scmamba.datasets") / "nucleotide_transformer.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def _read_lock(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ScmambaError(f"{path} is not JSON ({error}); delete it to fetch anew") from error
    return found


def _read(path: Path, n_classes: int) -> pd.DataFrame:
    """FASTA with ``>name|label`` above each sequence."""
    names: list[str] = []
    labels: list[int] = []
    parts: list[list[str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(">"):
            name, _, label = line[1:].strip().rpartition("|")
            if not label.isdigit() or int(label) >= n_classes:
                raise ScmambaError(
                    f"{path}: the record {line[:80]!r} should end with '|' and a class from 0 to "
                    f"{n_classes - 1}; the file is not of the layout that this version reads: save "
                    "the task as csv (sequence,label) and give its folder"
                )
            names.append(name)
            labels.append(int(label))
            parts.append([])
        elif names:
            parts[-1].append(line.strip())
    if not names:
        raise ScmambaError(f"{path} holds no sequence; delete it and fetch it again")
    sequences = ["".join(part) for part in parts]
    return pd.DataFrame({"sequence": sequences, "label": labels}, pd.Index(names, name="name"))
