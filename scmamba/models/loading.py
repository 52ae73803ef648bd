"""One ``load`` for every source: a registered name, our own format, the published layouts."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch

from scmamba._errors import ScmambaError
from scmamba._files import locked, writable, write_json
from scmamba._log import logger
from scmamba._read import read_json
from scmamba.models.cell.model import CellModel
from scmamba.models.cell.published import is_published, load_published
from scmamba.models.checkpoint.format import CONFIG, WEIGHTS, is_own, load_own, save, unchanged
from scmamba.models.device import resolve_device
from scmamba.models.hub import download, huggingface
from scmamba.models.hub.locks import LOCK, MODEL, RECORD, cache_folder, read_lock
from scmamba.models.hub.registry import REGISTRY, SC_MAMBA2, Entry, entry, find, say_licence
from scmamba.models.hub.remote import make_room
from scmamba.models.hub.sequences import OF_THEIR_SOURCE, HubEntry, published_terms
from scmamba.models.sequence.config import SequenceConfig
from scmamba.models.sequence.model import SequenceModel
from scmamba.models.sequence.published import is_published_sequence, load_published_sequence

_WAIT = 12 * 3600.0
"""Seconds to wait for another process that fetches the same model."""


def load(
    name_or_folder: str | os.PathLike[str],
    *,
    device: str | torch.device | None = None,
    allow_missing_heads: bool = True,
    **changes: Any,
) -> CellModel | SequenceModel:
    """Load a model by registry name, or from a folder of our format or of a published one.

    Parameters
    ----------
    name_or_folder
        A name that :func:`scmamba.models.info` knows (fetched once, then cached), or a folder.
    device
        Where to put it; None: ``settings.device``.
    allow_missing_heads
        Heads of a cell model without weights of their shape start at random (seeded by
        ``settings.seed``) and are reported. False makes them an error, like a backbone weight.
    **changes
        Fields of :class:`CellConfig` or :class:`SequenceConfig` to set otherwise, ``n_classes=12``
        or ``max_length=4096`` for example.

    Returns
    -------
    The model in evaluation mode, its ``report`` saying what was matched and missed; a
    :class:`SequenceModel` for DNA and mRNA.

    Raises
    ------
    ScmambaError
        Nothing is there, a file is damaged or was changed, or the backbone does not fit.
    """
    where = resolve_device(device)
    options = {"allow_missing_heads": allow_missing_heads, **changes}
    name, folder = str(name_or_folder), Path(name_or_folder)
    if folder.is_dir():
        model = _load_folder(folder, options)
    elif (known := find(name)) is not None:
        model = _load_registered(known, options)
    else:
        raise ScmambaError(
            f"{name!r} is no folder and no known name; give a folder with {CONFIG} and {WEIGHTS} "
            f"(or args.json, vocab.json and best_model.pt), or one of: {', '.join(REGISTRY)}"
        )
    if (report := model.report) is not None:
        # Members of saved results are complete models of our own, loaded several at a time.
        own = folder.is_dir() and report.complete and is_own(folder)
        level = logging.WARNING if report.started_at_random else logging.INFO
        logger.log(logging.DEBUG if own else level, "%s", report)
    return model.to(where)


def fetch(
    name: str, *, base_url: str | None = None, lock: str | os.PathLike[str] | None = None
) -> Path:
    """Fetch a registered model into the cache, unless it is there.

    Parameters
    ----------
    name
        A registered name.
    base_url
        Where Zenodo or Hugging Face is; None: as the environment says (``SCMAMBA_ZENODO_URL``;
        ``SCMAMBA_HUB_URL``, ``HF_ENDPOINT``), else itself.
    lock
        Write the sha256 of every file there, as JSON, and for a model on a hub its commit. The
        source is then asked again, and files in the cache are checked by its checksums.

    Returns
    -------
    A folder with the model: of the published layout (from a hub), or its copy in our own format.

    Raises
    ------
    ScmambaError
        No such name, a download fails, or a file is not what the source or the lock says.
    """
    wanted = entry(name)
    root, target = cache_folder(wanted.name), writable(lock) if lock is not None else None
    folder = root / (RECORD if isinstance(wanted, HubEntry) else MODEL)
    if target is None and _is_there(root, folder):
        return folder
    make_room(root.parent, 0)
    with locked(root, wait=_WAIT):  # another process may be fetching the same model
        there = _is_there(root, folder)
        if isinstance(wanted, HubEntry):
            if target is not None or not there:
                huggingface.fetch(wanted, base_url=base_url)
        elif target is not None or not there:
            files = download.fetch(wanted, base_url=base_url)
            if not there:
                _copy(wanted, files, folder)
    if target is not None:
        write_json(target, read_json(root / LOCK))
    return folder


def _is_there(root: Path, folder: Path) -> bool:
    return folder.is_dir() and (root / LOCK).is_file()


def is_sequence_model(name_or_folder: str | os.PathLike[str]) -> bool:
    """Whether a registered name or a folder stands for a DNA or mRNA model; nothing is fetched."""
    folder = Path(name_or_folder)
    if not folder.is_dir():
        return isinstance(find(str(name_or_folder)), HubEntry)
    if is_published_sequence(folder):
        return True
    return is_own(folder) and read_json(folder / CONFIG).get("kind") == SequenceConfig.kind


def _copy(wanted: Entry, files: list[Path], folder: Path) -> None:
    """Write what Zenodo's record holds in our own format."""
    with download.published_folder(wanted, files) as published:
        model = load_published(published)
    known, report = read_lock(wanted.name) or {}, model.report
    assert report is not None
    about = {
        "name": wanted.name,
        "doi": known.get("doi"),
        "licence": known.get("licence"),
        "sha256": model.sha256,
        "left_out": list(report.unused),
        "notes": list(report.notes),
    }
    save(model, folder, about=about)


def _load_registered(known: Entry | HubEntry, options: dict[str, Any]) -> CellModel | SequenceModel:
    folder = fetch(known.name)
    lock = read_lock(known.name) or {}
    model: CellModel | SequenceModel
    if isinstance(known, HubEntry):
        for file, said in lock["files"].items():
            unchanged(folder / file, said["sha256"], f"the lock of {known.name}")
        model = _load_sequence(folder, options, default_length=known.max_length)
    else:
        model = load_own(folder, **options)
    model.name, model.licence = known.name, known.terms(lock.get("licence"))
    say_licence(known.name, model.licence)
    return model


def _load_folder(folder: Path, options: dict[str, Any]) -> CellModel | SequenceModel:
    model: CellModel | SequenceModel
    if is_published_sequence(folder):
        model = _load_sequence(folder, options)
        model.licence = published_terms(model.config.family)
    elif is_own(folder):
        model = load_own(folder, **options)
    else:
        return _load_release(folder, options)
    if model.licence not in (None, OF_THEIR_SOURCE):
        say_licence(str(folder), str(model.licence))
    return model


def _load_release(folder: Path, options: dict[str, Any]) -> CellModel:
    if is_published(folder):
        model = load_published(folder, **options)
        model.licence = f"that of its source; {SC_MAMBA2.code_licence}"
        say_licence(str(folder), model.licence)
        return model
    names = sorted(p.name for p in folder.iterdir())
    raise ScmambaError(
        f"{folder} holds no model: give a folder with {CONFIG} and {WEIGHTS}, or one of the "
        "published layout with args.json, vocab.json and best_model.pt. "
        f"Found: {', '.join(names[:10]) or 'nothing'}"
    )


def _load_sequence(
    folder: Path, options: dict[str, Any], *, default_length: int = 0
) -> SequenceModel:
    changes = {name: value for name, value in options.items() if name != "allow_missing_heads"}
    return load_published_sequence(folder, default_length=default_length, **changes)
