"""Table of human genes shipped with the package, and look-ups from names to genes."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import NamedTuple

_ENSEMBL = re.compile(r"ENSG0*(\d+)(\.\d+)?(_PAR_Y)?", re.IGNORECASE)
AMBIGUOUS = -1


class Identity(NamedTuple):
    """A gene (its row in the table) and the kind of name that identified it.

    ``rank``: 0 for its symbol or main Ensembl id, 1 for another Ensembl id or different case, 2 for
    a previous symbol, 3 for an alias.
    """

    gene: int
    rank: int


def ensembl_number(name: str) -> int | None:
    """Return 198851 for ENSG00000198851 or ENSG00000198851.17, None for anything else."""
    found = _ENSEMBL.fullmatch(name)
    return int(found[1]) if found else None


def fold(name: str) -> str:
    """Return ``name`` in upper case, with ``-`` for the ``.`` and ``_`` that tools write."""
    return name.upper().replace(".", "-").replace("_", "-")


def unique(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Map each key to its value, or to AMBIGUOUS where it has several."""
    found: dict[str, int] = {}
    for key, value in pairs:
        if found.setdefault(key, value) != value:
            found[key] = AMBIGUOUS
    return found


class GeneTable:
    """Human genes: symbol, Ensembl ids, previous symbols and aliases.

    Parameters
    ----------
    rows
        The five columns of the table for each gene: symbol, main Ensembl number (may be empty),
        other Ensembl numbers, previous symbols and aliases, the last three joined by ``|``.
    """

    def __init__(self, rows: list[list[str]]) -> None:
        self._symbol = {row[0]: gene for gene, row in enumerate(rows)}
        self._main = {int(row[1]): gene for gene, row in enumerate(rows) if row[1]}
        self._other = {
            int(number): gene for gene, row in enumerate(rows) for number in _split(row[2])
        }
        self._folded = unique((fold(symbol), gene) for symbol, gene in self._symbol.items())
        self._previous = unique(
            (fold(name), gene) for gene, row in enumerate(rows) for name in _split(row[3])
        )
        self._alias = unique(
            (fold(name), gene) for gene, row in enumerate(rows) for name in _split(row[4])
        )

    @property
    def symbols(self) -> list[str]:
        """Symbols of the genes that have one main Ensembl id."""
        main = set(self._main.values())
        return [symbol for symbol, gene in self._symbol.items() if gene in main]

    def identify(self, name: str) -> Identity | None:
        """Return the gene that ``name`` refers to, or None where there is none or more than one.

        A current symbol takes precedence over another gene's previous symbol of the same name, and
        a previous symbol over an alias: data sets use once official names more often than aliases.
        """
        if (gene := self._symbol.get(name)) is not None:
            return Identity(gene, 0)
        if (number := ensembl_number(name)) is not None:
            if (gene := self._main.get(number)) is not None:
                return Identity(gene, 0)
            gene = self._other.get(number)
            return None if gene is None else Identity(gene, 1)
        folded = fold(name)
        for names, rank in ((self._folded, 1), (self._previous, 2), (self._alias, 3)):
            if (gene := names.get(folded)) is not None:
                return None if gene == AMBIGUOUS else Identity(gene, rank)
        return None


def _split(cell: str) -> list[str]:
    return cell.split("|") if cell else []


@cache
def human_genes() -> GeneTable:
    """Return the table shipped with the package; it is read once."""
    path = resources.files("scmamba.tokens.cells") / "table" / "human_genes.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return GeneTable([line.split("\t") for line in lines[2:]])
