"""Prior knowledge of genes: which gene sets they share."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba.tokens.cells.gene_table import Identity, human_genes

_SHIPPED = Path(__file__).with_name("human_gene_sets.npz")
_LARGEST = 300
"""Gene sets of more genes say little about each of them."""


@dataclass(frozen=True)
class GeneSets:
    """Features of genes: inverse-frequency weights of the gene sets that contain them.

    Attributes
    ----------
    rows
        Row of each gene in ``features``.
    features
        (n_genes, n_sets) weights, CSR; each row has length 1.
    is_human
        Whether the genes are human symbols, so that earlier symbols, Ensembl ids and symbols in
        another case (mouse genes) are found too.

    Examples
    --------
    >>> sets = GeneSets.of({"interferon": ["STAT1", "STAT2", "IRF9"], "cycle": ["CDK1", "CCNB1"]})
    >>> sets.similarity(["STAT1"], ["STAT2", "CDK1"]).round(2).tolist()
    [[1.0, 0.0]]
    """

    rows: Mapping[str, int]
    features: sparse.csr_matrix
    is_human: bool = False

    @staticmethod
    def of(sets: Mapping[str, Iterable[str]]) -> GeneSets:
        """Make features from sets by name; sets of one gene or over 300 genes are left out.

        Weights are ``log(n_genes / size of the set)`` (tf-idf).

        Raises
        ------
        ScmambaError
            If no set is left.
        """
        kept = [sorted({str(gene) for gene in genes}) for genes in sets.values()]
        kept = [genes for genes in kept if 2 <= len(genes) <= _LARGEST]
        if not kept:
            raise ScmambaError(
                f"none of the {len(sets)} gene sets has 2 to {_LARGEST} genes; give smaller sets"
            )
        genes = sorted({gene for one in kept for gene in one})
        place = {gene: i for i, gene in enumerate(genes)}
        rows = [place[gene] for one in kept for gene in one]
        columns = [i for i, one in enumerate(kept) for _ in one]
        member = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), (len(genes), len(kept)))
        return GeneSets(place, _weighted(member))

    @staticmethod
    @lru_cache(maxsize=1)
    def human() -> GeneSets:
        """Return the human gene sets of the package: Hallmark, Reactome, GO (MSigDB 2025)."""
        with np.load(_SHIPPED) as table:
            genes, indptr, indices = (table[name] for name in ("genes", "indptr", "indices"))
            shape = (len(genes), int(table["n_sets"]))
        ones = np.ones(len(indices))
        member = sparse.csr_matrix((ones, indices.astype(np.int32), indptr.astype(np.int32)), shape)
        rows = {str(gene): i for i, gene in enumerate(genes)}
        return GeneSets(rows, _weighted(member), is_human=True)

    @staticmethod
    def read(path: str | os.PathLike[str]) -> GeneSets:
        """Read gene sets from a GMT file, plain or gzipped.

        Raises
        ------
        ScmambaError
            If the file is missing or has no tab-separated sets.
        """
        file = Path(path)
        if not file.is_file():
            raise ScmambaError(f"there is no file {file}; give the path of a GMT file")
        with (gzip.open if file.suffix == ".gz" else open)(file, "rt", encoding="utf-8") as lines:
            rows = [line.rstrip("\n").split("\t") for line in lines if line.strip()]
        if not rows or any(len(row) < 3 for row in rows):
            raise ScmambaError(
                f"{file} is no GMT file: each line holds a name, a description and genes, "
                "separated by tabs"
            )
        return GeneSets.of({row[0]: filter(None, row[2:]) for row in rows})

    def known(self, names: Sequence[str]) -> npt.NDArray[np.bool_]:
        """(n,) whether each gene is in a set."""
        return np.array([self._row(name) is not None for name in names], bool)

    def is_gene(self, name: str) -> bool:
        """Whether a name is a gene, be it in a set or not."""
        return self._row(name) is not None or (self.is_human and identified(name) is not None)

    def similarity(self, names: Sequence[str], others: Sequence[str]) -> npt.NDArray[Any]:
        """(n, n_others) cosine of the features of genes, in [0, 1]; 0 for genes in no set."""
        return (self._of(names) @ self._of(others).T).toarray()

    def _of(self, names: Sequence[str]) -> sparse.csr_matrix:
        found = [(i, row) for i, name in enumerate(names) if (row := self._row(name)) is not None]
        at, rows = np.array(found, np.int64).reshape(-1, 2).T
        place = sparse.csr_matrix(
            (np.ones(len(rows)), (at, rows)), (len(names), self.features.shape[0])
        )
        return place @ self.features

    def _row(self, name: str) -> int | None:
        row = self.rows.get(name)
        if row is None and self.is_human and (identity := identified(name)) is not None:
            row = _human_rows().get(identity.gene)
        return row


def identified(name: str) -> Identity | None:
    """Human gene of a name; aliases, which drugs and labels share by chance, do not count."""
    identity = human_genes().identify(name)
    return identity if identity is not None and identity.rank <= 2 else None


@lru_cache(maxsize=1)
def _human_rows() -> dict[int, int]:
    """Row of the shipped gene sets by gene of the shipped gene table."""
    rows = GeneSets.human().rows
    found = {symbol: identified(symbol) for symbol in rows}
    return {one.gene: rows[symbol] for symbol, one in found.items() if one is not None}


def _weighted(member: sparse.csr_matrix) -> sparse.csr_matrix:
    """Inverse-frequency weights, rows scaled to length 1."""
    n_genes = np.asarray(member.sum(0)).ravel()
    found = member @ sparse.diags(np.log(member.shape[0] / np.maximum(n_genes, 1)))
    length = np.sqrt(np.asarray(found.power(2).sum(1)).ravel())
    return (sparse.diags(1 / np.where(length > 0, length, 1)) @ found).tocsr()
