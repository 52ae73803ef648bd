"""The 18 classification tasks of the Nucleotide Transformer, downloaded and verified by hash."""

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
    """Classification task of the Nucleotide Transformer benchmark.

    Attributes
    ----------
    name
        Name of the task, and of its folder in the repository.
    category
        Category: ``"promoter"``, ``"enhancer"``, ``"splice site"`` or ``"histone"``.
    length
        Approximate length of the sequences, in nucleotides.
    classes
        Number of classes.

    Examples
    --------
    >>> from scmamba.datasets import nucleotide_transformer_tasks
    >>> task = nucleotide_transformer_tasks()["splice_sites_all"]
    >>> task.category, task.classes
    ('splice site', 3)
    """

    name: str
    category: str
    length: int
    classes: int


def nucleotide_transformer_tasks() -> dict[str, NTTask]:
    """Return the 18 tasks by name.

    Examples
    --------
    >>> from scmamba.datasets import nucleotide_transformer_tasks
    >>> len(nucleotide_transformer_tasks())
    18
    """
    return {name: NTTask(name, **entry) for name, entry in _manifest()["tasks"].items()}


def nucleotide_transformer(
    task: str,
    *,
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    progressbar: bool = True,
) -> dict[str, pd.DataFrame]:
    """Download one of the 18 classification tasks of the Nucleotide Transformer's first release.

    Files are cached. The hashes of the first download are stored in ``lock.json`` next to them, and
    later downloads are verified against it.

    Parameters
    ----------
    task
        Name of a task; see :func:`nucleotide_transformer_tasks`.
    folder
        Folder of downloaded files; None for ``datasets/nucleotide_transformer`` in
        ``scmamba.settings.cache_dir``.
    base_url
        Address of Hugging Face or a mirror; None uses ``HF_ENDPOINT`` in the environment, else
        huggingface.co.
    progressbar
        Whether to show the progress of downloads.

    Returns
    -------
    Tables ``"train"`` and ``"test"`` with the columns ``sequence`` and ``label`` (int), indexed by
    record name.

    Raises
    ------
    ScmambaError
        If there is no such task, a download fails, or a file has changed or cannot be read.

    References
    ----------
    Dalla-Torre et al., Nucleotide Transformer, Nature Methods 2025.

    Examples
    --------
    >>> from scmamba.datasets import nucleotide_transformer
    >>> tables = nucleotide_transformer("promoter_tata")  # doctest: +SKIP
    >>> tables["train"].columns.tolist()  # doctest: +SKIP
    ['sequence', 'label']
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
            "license": manifest["license"],
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
        raise ScmambaError(
            f"{path} is not JSON ({error}); delete it to download the files again"
        ) from error
    return found


def _read(path: Path, n_classes: int) -> pd.DataFrame:
    """Read a FASTA file with headers ``>name|label``."""
    names: list[str] = []
    labels: list[int] = []
    parts: list[list[str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(">"):
            name, _, label = line[1:].strip().rpartition("|")
            if not label.isdigit() or int(label) >= n_classes:
                raise ScmambaError(
                    f"{path}: the record {line[:80]!r} should end with '|' and a class from 0 to "
                    f"{n_classes - 1}; this version cannot read the file: save the task as csv "
                    "(sequence,label) and pass its folder"
                )
            names.append(name)
            labels.append(int(label))
            parts.append([])
        elif names:
            parts[-1].append(line.strip())
    if not names:
        raise ScmambaError(f"{path} holds no sequence; delete it and download it again")
    sequences = ["".join(part) for part in parts]
    return pd.DataFrame({"sequence": sequences, "label": labels}, pd.Index(names, name="name"))
