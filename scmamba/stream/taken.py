"""Consecutive cells of a source, with those attributes of an AnnData that expression needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from scmamba.stream.source import CellSource


def layer_place(name: object) -> str:
    """Return the name of a layer among the matrices of a source."""
    return f"layers['{name}']"


@dataclass(frozen=True)
class TakenCells:
    """Cells of some rows; matrices are read when accessed."""

    source: CellSource
    rows: slice

    @property
    def name(self) -> str:
        """Name of the source in messages."""
        return self.source.name

    @property
    def obs_names(self) -> pd.Index:
        """Names of the cells."""
        return self.source.obs.index[self.rows]

    @property
    def var(self) -> pd.DataFrame:
        """Annotations of the genes."""
        return self.source.var

    @property
    def X(self) -> Any:
        """The matrix ``X``, or None."""
        return self.source.rows("X", self.rows) if "X" in self.source.matrices else None

    @property
    def layers(self) -> Mapping[str, Any]:
        """Layers by name."""
        return _Layers(self.source, self.rows)

    @property
    def raw(self) -> _Raw | None:
        """The matrix ``raw.X`` and its genes, or None."""
        return _Raw(self.source, self.rows) if "raw.X" in self.source.matrices else None


@dataclass(frozen=True)
class _Raw:
    source: CellSource
    rows: slice

    @property
    def X(self) -> Any:
        return self.source.rows("raw.X", self.rows)

    @property
    def var(self) -> pd.DataFrame:
        return self.source.raw_var


class _Layers(Mapping[str, Any]):
    def __init__(self, source: CellSource, rows: slice) -> None:
        self.source, self.rows = source, rows

    def __getitem__(self, name: str) -> Any:
        return self.source.rows(layer_place(name), self.rows)

    def __contains__(self, name: object) -> bool:
        return layer_place(name) in self.source.matrices

    def __iter__(self) -> Iterator[str]:
        start, end = layer_place("|").split("|")
        places = (place for place in self.source.matrices if place.startswith(start))
        return (place[len(start) : -len(end)] for place in places)

    def __len__(self) -> int:
        return sum(1 for _ in self)
