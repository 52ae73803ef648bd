"""Loading of models: registered names, folders of scmamba, and published layouts."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import torch

from scmamba._arguments import near_names
from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._read import read_json
from scmamba.models.cell.model import CellModel
from scmamba.models.cell.published import is_published, load_published
from scmamba.models.checkpoint.format import CONFIG, WEIGHTS, is_own, unchanged
from scmamba.models.checkpoint.kinds import told_kind
from scmamba.models.checkpoint.reading import load_own
from scmamba.models.device import resolve_device
from scmamba.models.fetching import fetch
from scmamba.models.hub.locks import read_lock
from scmamba.models.hub.registry import REGISTRY, SC_MAMBA2, Entry, find, say_license
from scmamba.models.hub.repository import fetch_repository, is_address, local_folder
from scmamba.models.hub.sequences import OF_THEIR_SOURCE, HubEntry, published_terms
from scmamba.models.sequence.config import SequenceConfig
from scmamba.models.sequence.model import SequenceModel
from scmamba.models.sequence.published import is_published_sequence, load_published_sequence
from scmamba.models.shipped import ShippedModel, find_shipped, shipped_models


def load(
    name_or_folder: str | os.PathLike[str],
    *,
    device: str | torch.device | None = None,
    allow_missing_heads: bool = True,
    **changes: Any,
) -> CellModel | SequenceModel:
    """Load a model by name, or from a folder in the format of scmamba or a published layout.

    Parameters
    ----------
    name_or_folder
        Name of a model inside the package (:func:`scmamba.models.list`), registered name of a
        published model (downloaded once, then cached), folder, or ``"hf://owner/name"`` (or
        ``"hf://owner/name@revision"``), a repository on the hub, fetched once at its newest commit.
    device
        Device of the model; None for ``settings.device``.
    allow_missing_heads
        Whether heads of a cell model without matching weights start at random (seeded by
        ``settings.seed``), which is reported. With False they are an error; missing weights of the
        backbone always are.
    **changes
        Fields of :class:`CellConfig` or :class:`SequenceConfig` to change, such as
        ``n_classes=12`` or ``max_length=4096``.

    Returns
    -------
    The model in evaluation mode, a :class:`SequenceModel` for DNA and mRNA. Its ``report`` lists
    matched and missing weights.

    Raises
    ------
    ScmambaError
        If no model is found, a file is damaged or was changed, or the backbone does not match.

    Examples
    --------
    >>> import tempfile
    >>> from scmamba.models import CellModel, load, preset, save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = save(CellModel(preset("mini", n_genes=100, n_layer=1)), folder)
    ...     model = load(folder, n_classes=3)
    >>> model.report.fresh[-1]
    'heads.class.out.bias'
    """
    where = resolve_device(device)
    options = {"allow_missing_heads": allow_missing_heads, **changes}
    name, folder = str(name_or_folder), Path(name_or_folder)
    if is_address(name_or_folder):
        folder = fetch_repository(name)
    if folder.is_dir():
        model = _load_folder(folder, options)
    elif (card := find_shipped(name)) is not None:
        model = _load_shipped(card, options)
    elif (known := find(name)) is not None:
        model = _load_registered(known, options)
    else:
        raise ScmambaError(
            f"{name!r} is neither a folder nor a known name; give a folder with {CONFIG} and "
            f"{WEIGHTS} (or args.json, vocab.json and best_model.pt), or a name; "
            f"{near_names(name, [*_backbones(), *REGISTRY])}"
        )
    if (report := model.report) is not None:
        # Members of saved results are complete models of our own, loaded several at a time.
        own = folder.is_dir() and report.complete and is_own(folder)
        level = logging.WARNING if report.started_at_random else logging.INFO
        logger.log(logging.DEBUG if own else level, "%s", report)
    return model.to(where)


def is_sequence_model(name_or_folder: str | os.PathLike[str]) -> bool:
    """Whether a registered name or folder is a DNA or mRNA model; nothing is downloaded."""
    folder = local_folder(name_or_folder)
    if not folder.is_dir():
        return isinstance(find(str(name_or_folder)), HubEntry)
    if is_published_sequence(folder):
        return True
    return is_own(folder) and read_json(folder / CONFIG).get("kind") == SequenceConfig.kind


def _load_shipped(card: ShippedModel, options: dict[str, Any]) -> CellModel:
    """Load a model of the package; its files are compared with the hash of its card."""
    if card.kind != "backbone":
        raise ScmambaError(
            f"{card.name!r} is an annotator, not a model alone; annotate cells with it by "
            f"scmamba.tasks.annotate(adata, model={card.name!r}), or load it by "
            f"scmamba.tasks.Annotator.load({card.name!r})"
        )
    model = load_own(card.check(), **options)
    assert isinstance(model, CellModel)
    model.name, model.license = card.name, card.license
    return model


def _backbones() -> list[str]:
    return [card.name for card in shipped_models() if card.kind == "backbone"]


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
    model.name, model.license = known.name, known.terms(lock.get("licence"))
    say_license(known.name, model.license)
    return model


def _load_folder(folder: Path, options: dict[str, Any]) -> CellModel | SequenceModel:
    model: CellModel | SequenceModel
    if is_published_sequence(folder):
        model = _load_sequence(folder, options)
        model.license = published_terms(model.config.family)
    elif is_own(folder):
        model = load_own(folder, **options)
    else:
        return _load_release(folder, options)
    if model.license not in (None, OF_THEIR_SOURCE):
        say_license(str(folder), str(model.license))
    return model


def _load_release(folder: Path, options: dict[str, Any]) -> CellModel:
    if is_published(folder):
        model = load_published(folder, **options)
        model.license = f"that of its source; {SC_MAMBA2.code_license}"
        say_license(str(folder), model.license)
        return model
    names = sorted(p.name for p in folder.iterdir())
    if told := told_kind(folder):
        raise ScmambaError(f"{told}; models.load reads models alone")
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
