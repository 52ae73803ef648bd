"""Cells of a job, read by a model: what knock-outs and gene networks start from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._arguments import nearest
from scmamba._errors import ScmambaError
from scmamba.jobs import Job
from scmamba.pp.expression import Expression
from scmamba.stream.expressions import Expressions
from scmamba.tasks._cell_models import CellReader, ReadCells, open_reader
from scmamba.tasks._gather import gather
from scmamba.tasks._panel import aligned
from scmamba.tokens.cells.genes import resolve

_LEARNED_FROM = 20_000
"""Cells that a compact model learns from, at most."""


@dataclass(frozen=True)
class OpenedCells:
    """Cells, and a model that reads them.

    Attributes
    ----------
    found
        Expression of n cells.
    read
        The model with the tokens of the cells.
    """

    found: Expression
    read: ReadCells

    @cached_property
    def columns(self) -> list[str]:
        """Names of genes, once each."""
        return list(dict.fromkeys(map(str, self.found.var_names)))

    @cached_property
    def values(self) -> sparse.csr_matrix:
        """(n, n_columns) log-normalized expression."""
        match = resolve(self.found.var_names.tolist(), self.columns)
        return aligned(self.found, match, len(self.columns))


@dataclass(frozen=True)
class OpenedModel:
    """A model and where the cells are that it reads.

    Attributes
    ----------
    located
        Expression of all cells.
    reader
        The model.
    """

    located: Expressions
    reader: CellReader

    def blocks(self) -> Iterator[tuple[slice, OpenedCells]]:
        """Give blocks of cells; cells in memory are one block."""
        for rows, found in self.located.blocks():
            yield rows, OpenedCells(found, self.reader.read(found, rows))

    def ids(self, names: list[str]) -> tuple[npt.NDArray[np.int64], dict[int, str]]:
        """Vocabulary ids of genes, and names of all genes that cells and model have, by id.

        Raises
        ------
        ScmambaError
            A gene is in none of them.
        """
        first = self.located.first
        read = self.reader.read(replace(first, X=first.X[:1]), slice(0, 1))
        return read.ids(names), read.genes

    def whole(self) -> OpenedCells:
        """Read all cells into memory."""
        found, _ = gather(self.located, np.arange(self.located.source.n_obs))
        return OpenedCells(found, self.reader.read(found))


def open_with_model(
    job: Job,
    model: Any,
    batch_key: str | None,
    where: dict[str, Any],
    seed: int,
    genes: Sequence[str] = (),
    option: str = "genes",
) -> OpenedModel:
    """Find the cells of a job, and open a model for them.

    Parameters
    ----------
    job
        Opened input.
    model
        As in :func:`scmamba.tasks.knockout`. A compact model learns from 20,000 cells at most.
    batch_key
        Column with the batch of each cell, or None.
    where
        ``layer``, ``use_raw``, ``gene_key``.
    seed
        Seed of the choice of cells.
    genes
        Genes that the cells must have, which is checked before a compact model is fitted.
    option
        Name of the argument that holds them.

    Raises
    ------
    ScmambaError
        Expression cannot be used, a gene is unknown, or the model does not load or fit.
    """
    located, found = Expressions.of(job.source, **where), None
    if model is None:
        _require(genes, [str(name) for name in located.first.var_names], option)
        n, rows = job.source.n_obs, np.arange(job.source.n_obs)
        if n > _LEARNED_FROM:
            rows = np.sort(np.random.default_rng(seed).choice(n, _LEARNED_FROM, replace=False))
        found, _ = gather(located, rows)
    reader = open_reader(model, found or located.first, job.source.obs, batch_key)
    return OpenedModel(located, reader)


def _require(genes: Sequence[str], labels: list[str], option: str) -> None:
    """Raise ScmambaError for a gene that the cells lack."""
    if missing := resolve(genes, labels).missing:
        near = ", ".join(map(repr, nearest(missing[0], labels)))
        raise ScmambaError(
            f"{option}: {missing[0]!r} is not among the {len(labels):,} genes of the cells; near: "
            f"{near}"
        )
