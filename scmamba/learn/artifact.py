"""Fitted annotators, integrators and predictors on disk: one format, no pickle."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._files import atomic_folder
from scmamba._read import read_json
from scmamba.models import CellModel, SequenceModel, load, save
from scmamba.models.checkpoint.hashed import ARRAYS, Arrays, HashedFolder
from scmamba.models.checkpoint.kinds import told_kind
from scmamba.models.hub.repository import local_folder
from scmamba.models.sequence.networks import ABOUT as NETWORK
from scmamba.models.sequence.networks import load_network, save_network
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer

FORMAT_VERSION = 2
"""Version 1 had networks under other names, and no training history."""
NETWORKS, TOKENIZER = "networks", "nucleotides.json"
_OLD_NETWORKS = ("models", "model")


@dataclass(frozen=True)
class Saved:
    """What a folder holds.

    Attributes
    ----------
    content
        Settings.
    arrays
        Arrays by name.
    networks
        Networks, in order.
    history
        Training curve, one row per epoch; empty in format version 1.
    tokenizer
        Tokenizer of the networks of a predictor, or None.
    version
        Version of the format that was read.
    """

    content: dict[str, Any]
    arrays: Arrays
    networks: tuple[Any, ...]
    history: pd.DataFrame
    tokenizer: NucleotideTokenizer | None
    version: int


@dataclass(frozen=True)
class Artifact:
    """One kind of saved folder: settings as JSON, arrays, networks, and hashes of all of them.

    Attributes
    ----------
    kind
        Kind of what is saved: ``"annotator"``, ``"integrator"`` or ``"predictor"``.
    """

    kind: str

    @property
    def settings(self) -> str:
        """Name of the JSON file."""
        return f"{self.kind}.json"

    def is_at(self, path: str | os.PathLike[str]) -> bool:
        """Whether a folder, or a repository ``hf://owner/name``, seems to hold one."""
        return (local_folder(path) / self.settings).is_file()

    def save(
        self,
        path: str | os.PathLike[str],
        content: Mapping[str, Any],
        arrays: Mapping[str, npt.NDArray[Any]],
        networks: Sequence[Any],
        history: pd.DataFrame,
        tokenizer: NucleotideTokenizer | None = None,
    ) -> Path:
        """Write a folder atomically.

        Parameters
        ----------
        path
            New, empty, or a folder of the same kind, which is replaced.
        content
            Settings, as JSON holds them.
        arrays
            Arrays by name.
        networks
            Cell models, models of sequences or networks on them.
        history
            Training curve, one row per epoch.
        tokenizer
            Tokenizer of networks that do not hold their own.

        Raises
        ------
        ScmambaError
            The folder holds other files or cannot be written.
        """
        whole = {**content, "n_networks": len(networks), "history": _table(history)}
        names = frozenset({self.settings, ARRAYS, NETWORKS, TOKENIZER, *_OLD_NETWORKS})
        with atomic_folder(Path(path), replaces=names) as folder:
            for i, network in enumerate(networks):
                _save_network(network, folder / NETWORKS / str(i))
            if tokenizer is not None:
                tokenizer.to_json(folder / TOKENIZER)
            others = () if tokenizer is None else (TOKENIZER,)
            HashedFolder(self.kind, self.settings, FORMAT_VERSION, others).write(
                folder, whole, arrays
            )
        return Path(path)

    @contextmanager
    def reading(self, path: str | os.PathLike[str]) -> Iterator[Saved]:
        """Read a folder of this format version or an older one.

        Whatever fails while the content is used counts as damage to the folder.

        Raises
        ------
        ScmambaError
            The folder is missing, of another kind or a newer format, changed or damaged.
        """
        folder = local_folder(path)
        if not self.is_at(folder):
            told = told_kind(folder)
            raise ScmambaError(
                f"{folder} holds no {self.kind}: {self.settings} is missing; give a folder that "
                f"save() of a fitted {self.kind} wrote{f'. {told}' if told else ''}"
            )
        version = read_json(folder / self.settings).get("format_version")
        known = 1 if version == 1 else FORMAT_VERSION
        has_tokenizer = (folder / TOKENIZER).is_file()
        others = (TOKENIZER,) if has_tokenizer else ()
        with HashedFolder(self.kind, self.settings, known, others).reading(folder) as (
            content,
            arrays,
        ):
            yield Saved(
                content,
                arrays,
                tuple(_load_network(one) for one in _network_folders(folder, content)),
                _from_table(content.pop("history", {})),
                NucleotideTokenizer.from_json(folder / TOKENIZER) if has_tokenizer else None,
                known,
            )


def flattened(prefix: str, part: Any) -> dict[str, npt.NDArray[Any]]:
    """Return the fields of a dataclass of arrays as ``prefix.field``."""
    return {f"{prefix}.{f.name}": np.asarray(getattr(part, f.name)) for f in fields(part)}


def unflattened(kind: type[Any], prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    """Return the dataclass that :func:`flattened` took apart."""
    return kind(**{f.name: arrays[f"{prefix}.{f.name}"] for f in fields(kind)})


def _save_network(network: Any, folder: Path) -> None:
    if isinstance(network, (CellModel, SequenceModel)):
        save(network, folder)
    else:
        save_network(network, folder)


def _load_network(folder: Path) -> Any:
    return load_network(folder) if (folder / NETWORK).is_file() else load(folder)


def _network_folders(folder: Path, content: Mapping[str, Any]) -> list[Path]:
    """Where the networks are; format version 1 had one folder ``model``, or ``models``."""
    if (folder / "model").is_dir():
        return [folder / "model"]
    old = folder / "models"
    parent = old if old.is_dir() else folder / NETWORKS
    n = content["n_networks"] if "n_networks" in content else len(list(parent.iterdir()))
    return [parent / str(i) for i in range(n)]


def _table(history: pd.DataFrame) -> dict[str, list[Any]]:
    """Return a table as JSON holds it; missing values become None."""
    columns = {"epoch": history.index, **dict(history.items())}
    return {
        str(name): [None if pd.isna(value) else value for value in column.tolist()]
        for name, column in columns.items()
    }


def _from_table(content: Mapping[str, list[Any]]) -> pd.DataFrame:
    columns = {name: column for name, column in content.items() if name != "epoch"}
    index = pd.Index(content.get("epoch", []), name="epoch")
    return pd.DataFrame(columns, index=index)
