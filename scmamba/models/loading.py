"""One ``load`` for every source: a registered name, our own format, the published layout."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.models import download
from scmamba.models.cell import CellModel
from scmamba.models.checkpoint import CONFIG, WEIGHTS, is_own, load_own, save
from scmamba.models.device import resolve_device
from scmamba.models.published import is_published, load_published
from scmamba.models.registry import REGISTRY, SC_MAMBA2, Entry, entry, say_licence


def load(
    name_or_folder: str | os.PathLike[str],
    *,
    device: str | torch.device | None = None,
    allow_missing_heads: bool = True,
    **changes: Any,
) -> CellModel:
    """Load a model by registry name, or from a folder of our format or of the published one.

    Parameters
    ----------
    name_or_folder
        A name that :func:`scmamba.models.info` knows (fetched once, then cached), or a folder.
    device
        Where to put it; None: ``settings.device``.
    allow_missing_heads
        Heads without weights of their shape start at random (seeded by ``settings.seed``) and
        are reported. False makes them an error, like a backbone weight.
    **changes
        Fields of :class:`CellConfig` to set otherwise, ``n_classes=12`` for example.

    Returns
    -------
    The model in evaluation mode, its ``report`` saying what was matched and missed.

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
    elif name in REGISTRY:
        fetch(name)
        model = load_own(_copy(REGISTRY[name]), **options)
        model.name = name
        known = download.read_lock(REGISTRY[name]) or {}
        say_licence(name, REGISTRY[name].terms(known.get("licence")))
    else:
        raise ScmambaError(
            f"{name!r} is no folder and no known name; give a folder with {CONFIG} and {WEIGHTS} "
            f"(or args.json, vocab.json and best_model.pt), or one of: {', '.join(REGISTRY)}"
        )
    if (report := model.report) is not None:
        (logger.warning if report.started_at_random else logger.info)(str(report))
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
        Where Zenodo is; None: ``SCMAMBA_ZENODO_URL`` in the environment, else Zenodo itself.
    lock
        Write the sha256 of every file of the record there, as JSON. The record is then asked
        again, and files in the cache are checked by its checksums.

    Returns
    -------
    The folder of its safetensors copy, in our own format.

    Raises
    ------
    ScmambaError
        No such name, a download fails, or a file is not what the record or the lock says.
    """
    wanted = entry(name)
    copy = _copy(wanted)
    if lock is not None:
        download.write_lock(wanted, Path(lock), base_url=base_url)
    if not copy.is_dir():
        files = download.fetch(wanted, base_url=base_url)
        with download.published_folder(wanted, files) as folder:
            model = load_published(folder)
        known, report = download.read_lock(wanted) or {}, model.report
        assert report is not None
        about = {
            "name": name,
            "doi": known.get("doi"),
            "licence": known.get("licence"),
            "sha256": model.sha256,
            "left_out": list(report.unused),
            "notes": list(report.notes),
        }
        save(model, copy, about=about)
    return copy


def _copy(of: Entry) -> Path:
    return download.cache_folder(of) / download.MODEL


def _load_folder(folder: Path, options: dict[str, Any]) -> CellModel:
    if is_own(folder):
        return load_own(folder, **options)
    if is_published(folder):
        model = load_published(folder, **options)
        say_licence(str(folder), f"that of its source; {SC_MAMBA2.code_licence}")
        return model
    names = sorted(p.name for p in folder.iterdir())
    raise ScmambaError(
        f"{folder} holds no model: give a folder with {CONFIG} and {WEIGHTS}, or one of the "
        "published layout with args.json, vocab.json and best_model.pt. "
        f"Found: {', '.join(names[:10]) or 'nothing'}"
    )
