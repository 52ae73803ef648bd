"""What is known of a model without loading it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from scmamba._errors import ScmambaError
from scmamba.models.cell import n_parameters
from scmamba.models.checkpoint import CONFIG, WEIGHTS, is_own, read_config
from scmamba.models.config import PRESETS, CellConfig, preset
from scmamba.models.download import MODEL, RECORD, SHIPPED, cache_folder, read_lock
from scmamba.models.published import is_published, read_published
from scmamba.models.registry import REGISTRY, SC_MAMBA2, Entry


@dataclass(frozen=True)
class ModelInfo:
    """Size, terms, source and state of verification of a model.

    Attributes
    ----------
    name
        As asked for.
    n_parameters
        Weights.
    size
        Bytes on disk; None where nothing was fetched yet.
    licence
        Terms of the weights.
    source
        Where they come from.
    verification
        Begins with ``"unverified"``, ``"checked"`` or ``"locked"``.
    config
        Sizes; of a model not fetched yet, the published ones.
    """

    name: str
    n_parameters: int
    size: int | None
    licence: str
    source: str
    verification: str
    config: CellConfig

    def __str__(self) -> str:
        size = "not fetched yet" if self.size is None else f"{self.size / 2**20:.1f} MiB on disk"
        c = self.config
        return "\n".join(
            [
                f"{self.name}: {self.n_parameters / 1e6:.1f} M parameters, {size}",
                f"  structure: {c.n_layer} layers, d_model {c.d_model}, d_state {c.d_state}, "
                f"headdim {c.headdim}, {c.n_genes} genes and special tokens",
                f"  licence: {self.licence}",
                f"  source: {self.source}",
                f"  verification: {self.verification}",
            ]
        )


def info(name: str | os.PathLike[str]) -> ModelInfo:
    """Say what is known of a model; nothing is fetched and no weights are loaded.

    Parameters
    ----------
    name
        A registered name, the name of a preset, or a folder with a model.

    Raises
    ------
    ScmambaError
        None of these.
    """
    if str(name) in REGISTRY:
        return _registered(REGISTRY[str(name)])
    if str(name) in PRESETS:
        config = preset(str(name))
        return ModelInfo(
            name=str(name),
            n_parameters=n_parameters(config),
            size=None,
            licence="none needed: random weights",
            source="a preset of scmamba, to be trained",
            verification="unverified: nothing to verify",
            config=config,
        )
    folder = Path(name)
    if folder.is_dir() and is_own(folder):
        return _own(folder)
    if folder.is_dir() and is_published(folder):
        return _published(folder)
    raise ScmambaError(
        f"{str(name)!r} is no folder with a model and no known name; known: "
        f"{', '.join([*REGISTRY, *PRESETS])}"
    )


def _registered(entry: Entry) -> ModelInfo:
    root, lock = cache_folder(entry), read_lock(entry)
    fetched = (root / MODEL / CONFIG).is_file()
    config = read_config(root / MODEL)[0] if fetched else entry.expected
    if lock is None:
        state = "unverified: no file of it was seen yet, so there is no sha256 to hold it to"
    elif (SHIPPED / f"{entry.name}.json").is_file():
        state = "locked: sha256 of every file ships with scmamba"
    else:
        state = "checked by the record's checksums, sha256 of every file locked in the cache"
    return ModelInfo(
        name=entry.name,
        n_parameters=n_parameters(config),
        size=_size(root / RECORD, root / MODEL) if fetched else None,
        licence=entry.terms((lock or {}).get("licence")),
        source=f"https://doi.org/{(lock or {}).get('doi') or entry.doi}",
        verification=state,
        config=config,
    )


def _own(folder: Path) -> ModelInfo:
    config, saved = read_config(folder)
    about = saved["about"]
    return ModelInfo(
        name=folder.name,
        n_parameters=n_parameters(config),
        size=_size(folder),
        licence=str(about.get("licence") or "not said where it was saved"),
        source=f"https://doi.org/{about['doi']}" if about.get("doi") else str(folder),
        verification=f"locked: {CONFIG} holds the sha256 of {WEIGHTS}",
        config=config,
    )


def _published(folder: Path) -> ModelInfo:
    config = read_published(folder).config
    return ModelInfo(
        name=folder.name,
        n_parameters=n_parameters(config),
        size=_size(folder),
        licence=f"that of its source; {SC_MAMBA2.code_licence}",
        source=str(folder),
        verification="unverified: a folder of the published layout, without a lock",
        config=config,
    )


def _size(*folders: Path) -> int:
    return sum(p.stat().st_size for f in folders for p in f.rglob("*") if p.is_file())
