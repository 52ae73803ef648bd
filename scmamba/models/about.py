"""Information about a model that does not require loading it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scmamba._errors import ScmambaError
from scmamba.models.cell.config import CellConfig
from scmamba.models.cell.encoder import EncoderConfig
from scmamba.models.cell.model import n_parameters
from scmamba.models.cell.presets import PRESETS, preset
from scmamba.models.cell.published import is_published, read_published
from scmamba.models.checkpoint.format import CONFIG, WEIGHTS, is_own, read_config
from scmamba.models.hub.locks import MODEL, RECORD, cache_folder, is_shipped, read_lock
from scmamba.models.hub.registry import REGISTRY, SC_MAMBA2, Entry, find
from scmamba.models.hub.sequences import HubEntry
from scmamba.models.sequence.config import SEQUENCE_PRESETS, SequenceConfig, sequence_preset
from scmamba.models.sequence.model import n_sequence_parameters
from scmamba.models.sequence.published import is_published_sequence, read_sequence_config
from scmamba.models.shipped import ShippedModel, find_shipped, shipped_models


@dataclass(frozen=True)
class ModelInfo:
    """Size, license, source and verification of a model; see :func:`info`.

    Attributes
    ----------
    name
        Name of the model or of its folder.
    n_parameters
        Number of parameters; None if it is not published and the model was not fetched yet.
    size
        Size on disk in bytes; None if the model was not fetched yet.
    license
        License of the weights.
    source
        Address or folder of the weights.
    verification
        State of verification; begins with ``"unverified"``, ``"checked"`` or ``"locked"``.
    config
        Configuration; before a model is fetched, the published one, or None if it is unknown, and
        of an annotator.
    labels
        Cell types that an annotator knows.
    limits
        What a model inside the package does not do.

    Examples
    --------
    >>> from scmamba.models import info
    >>> model = info("mini")
    >>> model.size is None, model.config.encoder.n_layer
    (True, 2)
    """

    name: str
    n_parameters: int | None
    size: int | None
    license: str
    source: str
    verification: str
    config: CellConfig | SequenceConfig | None
    labels: tuple[str, ...] = ()
    limits: str = ""

    def __str__(self) -> str:
        """Return the information as text, one line per item."""
        size = "not fetched yet" if self.size is None else f"{self.size / 2**20:.1f} MiB on disk"
        n = self.n_parameters
        count = "number of parameters not known yet" if n is None else f"{n / 1e6:.1f} M parameters"
        lines = [
            f"{self.name}: {f'{len(self.labels)} cell types' if self.labels else count}, {size}",
            f"  structure: {_structure(self.config)}",
            f"  license: {self.license}",
            f"  source: {self.source}",
            f"  verification: {self.verification}",
        ]
        if self.labels:
            lines[1] = f"  cell types: {', '.join(self.labels)}"
        if self.limits:
            lines.append(f"  limits: {self.limits}")
        return "\n".join(lines)


def info(name: str | os.PathLike[str]) -> ModelInfo:
    """Return information about a model; nothing is downloaded and no weights are loaded.

    Parameters
    ----------
    name
        Registered name, name of a preset, or folder with a model.

    Returns
    -------
    Size, license, source and verification.

    Raises
    ------
    ScmambaError
        If ``name`` is none of these.

    Examples
    --------
    >>> from scmamba.models import info
    >>> print(info("base"))
    base: 20.3 M parameters, not fetched yet
      structure: 8 layers, d_model 256, d_state 64, headdim 64, 60530 genes and special tokens
      license: none needed: random weights
      source: a preset of scmamba, to be trained
      verification: unverified: nothing to verify
    """
    folder = Path(name)
    if not folder.is_dir() and (card := find_shipped(name)) is not None:
        return _inside(card)
    if isinstance(known := find(str(name)), HubEntry):
        return _on_hub(known)
    if known is not None:
        return _on_zenodo(known)
    if str(name) in (*PRESETS, *SEQUENCE_PRESETS):
        cell = str(name) in PRESETS
        config = preset(str(name)) if cell else sequence_preset(str(name))
        return _info(
            str(name),
            config,
            None,
            license="none needed: random weights",
            source="a preset of scmamba, to be trained",
            verification="unverified: nothing to verify",
        )
    if folder.is_dir() and is_own(folder):
        return _own(folder)
    if folder.is_dir() and (is_published(folder) or is_published_sequence(folder)):
        return _published(folder)
    raise ScmambaError(
        f"{str(name)!r} is neither a folder with a model nor a known name; known: "
        f"{', '.join([*_names(), *REGISTRY, *PRESETS, *SEQUENCE_PRESETS])}"
    )


def _info(
    name: str, config: CellConfig | SequenceConfig | None, size: int | None, **texts: Any
) -> ModelInfo:
    return ModelInfo(name, _count(config), size, config=config, **texts)


def _count(config: CellConfig | SequenceConfig | None) -> int | None:
    if config is None:
        return None
    if isinstance(config, CellConfig):
        return n_parameters(config)
    return n_sequence_parameters(config)


def _structure(config: CellConfig | SequenceConfig | None) -> str:
    if config is None:
        return "known from config.json once it is fetched"
    c = config.encoder if isinstance(config, CellConfig) else config
    start = f"{c.n_layer} layers, d_model {c.d_model}, d_state {c.d_state}, "
    if isinstance(c, EncoderConfig):
        return f"{start}headdim {c.headdim}, {c.n_genes} genes and special tokens"
    assert isinstance(config, SequenceConfig)
    strands = ", reverse-complement equivariant" if config.rc == "ps" else ""
    length = f", at most {config.max_length} tokens" if config.max_length else ""
    return (
        f"{config.family}: {start}{config.direction} {config.mixer}{strands}, "
        f"{config.vocab_size} ids{length}"
    )


def _names() -> list[str]:
    return [card.name for card in shipped_models()]


def _inside(card: ShippedModel) -> ModelInfo:
    """Describe a model of the package; an annotator has no configuration of a network."""
    config = read_config(card.folder)[0] if card.kind == "backbone" else None
    return _info(
        card.name,
        config,
        card.size,
        license=card.license,
        source=f"{card.kind} inside scmamba ({', '.join(card.tissues)}), made by: {card.recipe}",
        verification="locked: its card holds the sha256 of all files",
        labels=card.labels,
        limits=card.limits,
    )


def _on_zenodo(entry: Entry) -> ModelInfo:
    root, lock = cache_folder(entry.name), read_lock(entry.name)
    fetched = (root / MODEL / CONFIG).is_file()
    return _info(
        entry.name,
        read_config(root / MODEL)[0] if fetched else entry.expected,
        _size(root / RECORD, root / MODEL) if fetched else None,
        license=entry.terms((lock or {}).get("licence")),
        source=f"https://doi.org/{(lock or {}).get('doi') or entry.doi}",
        verification=_state(entry.name, lock, "checked by the record's checksums"),
    )


def _on_hub(entry: HubEntry) -> ModelInfo:
    folder, lock = cache_folder(entry.name) / RECORD, read_lock(entry.name) or {}
    fetched = is_published_sequence(folder)
    commit = lock.get("commit") or "the commits of its files"
    source = f"https://huggingface.co/{entry.repo}"
    if entry.modelscope is not None:
        source += f", or https://www.modelscope.cn/models/{entry.modelscope}"
    return _info(
        entry.name,
        read_sequence_config(folder, entry.max_length) if fetched else entry.expected,
        _size(folder) if fetched else None,
        license=entry.terms(lock.get("licence")),
        source=source,
        verification=_state(entry.name, lock, f"checked: {lock.get('source')} at {commit}"),
    )


def _state(name: str, lock: dict[str, Any] | None, checked: str) -> str:
    if not lock:
        return "unverified: not fetched yet, so there is no sha256 to compare with"
    if is_shipped(name):
        return "locked: sha256 of every file ships with scmamba"
    return f"{checked}, sha256 of every file locked in the cache"


def _own(folder: Path) -> ModelInfo:
    config, saved = read_config(folder)
    about = saved["about"]
    return _info(
        folder.name,
        config,
        _size(folder),
        license=str(about.get("licence") or "not stated when it was saved"),
        source=f"https://doi.org/{about['doi']}" if about.get("doi") else str(folder),
        verification=f"locked: {CONFIG} holds the sha256 of {WEIGHTS}",
    )


def _published(folder: Path) -> ModelInfo:
    of_cells = is_published(folder)
    terms = "that of its source"
    return _info(
        folder.name,
        read_published(folder).config if of_cells else read_sequence_config(folder),
        _size(folder),
        license=f"{terms}; {SC_MAMBA2.code_license}" if of_cells else terms,
        source=str(folder),
        verification="unverified: a folder of the published layout, without a lock",
    )


def _size(*folders: Path) -> int:
    return sum(p.stat().st_size for f in folders for p in f.rglob("*") if p.is_file())
