"""Checked expression of many cells, block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from scmamba._errors import ScmambaError
from scmamba.pp.expression import Expression, log_what_was_read, read
from scmamba.pp.units import Unit
from scmamba.stream.matrix import BLOCK_VALUES, RowMatrix, row_matrix
from scmamba.stream.source import CellSource

_PROBE = 1_000
"""Number of cells that determine where expression is stored and in which unit."""


@dataclass(frozen=True)
class Expressions:
    """Checked expression of all cells of a source, a block at a time.

    Blocks are the same whether the cells are in memory or in a file.

    Attributes
    ----------
    source
        The cells.
    first
        Expression of the first cells (of all cells where they are in memory); its source, genes
        and unit apply to all.
    layer, gene_key
        Arguments of the user; see :func:`scmamba.pp.expression`.
    block_values
        Approximate number of stored values per block.
    one_unit
        Whether all cells must be in the same unit, which is needed unless only ranks are used.
    """

    source: CellSource
    first: Expression
    layer: str | None
    gene_key: str | None
    block_values: int
    one_unit: bool

    @classmethod
    def of(
        cls,
        source: CellSource,
        *,
        layer: str | None = None,
        use_raw: bool | None = None,
        gene_key: str | None = None,
        block_values: int | None = None,
        one_unit: bool = True,
        log: bool = True,
    ) -> Expressions:
        """Find the expression of a source; see :func:`scmamba.pp.expression`."""
        where = {"layer": layer, "use_raw": use_raw, "gene_key": gene_key}
        n_cells = source.n_obs if source.in_memory else min(_PROBE, source.n_obs)
        first = read(source.take(slice(0, n_cells)), **where)  # type: ignore[arg-type]
        while not first.X.nnz and n_cells < source.n_obs:  # the unit of empty cells is unknown
            n_cells = min(4 * n_cells, source.n_obs)
            first = read(source.take(slice(0, n_cells)), **where)  # type: ignore[arg-type]
        if one_unit:
            first.unit.require_one(f"{first.source} of {source.name}")
        if log:
            log_what_was_read(first, source.take(slice(0, n_cells)), source.obs.index)
        return cls(source, first, layer, gene_key, block_values or BLOCK_VALUES, one_unit)

    def blocks(self, start: int = 0) -> Iterator[tuple[slice, Expression]]:
        """Iterate over blocks of rows and their expression from row ``start``.

        Raises
        ------
        ScmambaError
            If a block holds invalid values, or values in another unit than the first cells.
        """
        for rows in self.rows(start):
            yield rows, self.at(rows)

    def rows(self, start: int = 0) -> Iterator[slice]:
        """Rows of the blocks from row ``start``; nothing is read but how many values rows hold."""
        matrix = self._matrix
        while start < self.source.n_obs:
            rows = matrix.block(start, self.block_values)
            yield rows
            start = rows.stop

    @property
    def _matrix(self) -> RowMatrix:
        if self.source.in_memory:
            return row_matrix(self.first.X, self.first.source)
        return self.source.rows_of(self.first.source)

    def at(self, rows: slice) -> Expression:
        """Expression of consecutive cells; raises as :meth:`blocks` does."""
        if self.source.in_memory:
            whole = self.first
            if rows.stop - rows.start == self.source.n_obs:
                return whole
            return replace(whole, X=whole.X[rows], obs_names=whole.obs_names[rows])
        found = read(
            self.source.take(rows),
            layer=self.layer,
            use_raw=self.first.source == "raw.X",
            gene_key=self.gene_key,
            first_row=rows.start,
        )
        first = self.first.unit
        if self.one_unit and first.kind != "counts":
            found.unit.require_one(f"{self.first.source} of {self.source.name}")
        if self.one_unit and found.X.nnz and _differ(first, found.unit):
            raise ScmambaError(
                f"{self.first.source} of {self.source.name} holds {first} in its first cells, but "
                f"{found.unit} in cells {rows.start:,} to {rows.stop:,}; give all cells the same "
                'unit, or name a layer that does: layer="counts"'
            )
        return replace(found, unit=first, var_names=self.first.var_names)


def _differ(first: Unit, later: Unit) -> bool:
    """Whether two blocks of cells are certainly in different units."""
    if first.kind == "counts":
        return later.kind != "counts"
    if later.kind == "counts":  # a block of reads that no two genes share
        return not first.is_linear
    return first.sure and later.sure and first.kind != later.kind
