"""Expression of many cells, block by block, each checked as that of a few would be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from scmamba._errors import ScmambaError
from scmamba.pp.expression import Expression, read, tell_repeated
from scmamba.stream.matrix import BLOCK_VALUES
from scmamba.stream.source import CellSource

_PROBE = 1_000
"""Cells that decide where expression is and whether it is counts."""


@dataclass(frozen=True)
class Expressions:
    """Checked expression of all cells of a source, a block at a time.

    Attributes
    ----------
    source
        The cells.
    first
        Expression of the first of them (of all where they are in memory): where it was found,
        its genes, and whether it is counts hold for all.
    layer, gene_key
        As the user gave them.
    block_values
        Stored values of a block, about.
    one_unit
        Whether counts and other values may not stand in one matrix; of no matter to ranks.
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
    ) -> Expressions:
        """Look where the expression is; see :func:`scmamba.pp.expression`."""
        where = {"layer": layer, "use_raw": use_raw, "gene_key": gene_key}
        n_cells = source.n_obs if source.in_memory else min(_PROBE, source.n_obs)
        first = read(source.take(slice(0, n_cells)), **where)  # type: ignore[arg-type]
        while not first.X.nnz and n_cells < source.n_obs:  # empty cells say nothing of the unit
            n_cells = min(4 * n_cells, source.n_obs)
            first = read(source.take(slice(0, n_cells)), **where)  # type: ignore[arg-type]
        tell_repeated(source.obs.index, first.var_names)
        return cls(source, first, layer, gene_key, block_values or BLOCK_VALUES, one_unit)

    def blocks(self, start: int = 0) -> Iterator[tuple[slice, Expression]]:
        """Rows and their expression, from row ``start`` to the last; of cells in memory, all.

        Raises
        ------
        ScmambaError
            A block holds values that cannot be used, or no counts where the first cells did.
        """
        if self.source.in_memory:
            yield slice(0, self.source.n_obs), self.first
            return
        matrix = self.source.rows_of(self.first.source)
        while start < self.source.n_obs:
            rows = matrix.block(start, self.block_values)
            yield rows, self._read(rows)
            start = rows.stop

    def _read(self, rows: slice) -> Expression:
        found = read(
            self.source.take(rows),
            layer=self.layer,
            use_raw=self.first.source == "raw.X",
            gene_key=self.gene_key,
            first_row=rows.start,
        )
        if self.one_unit and self.first.integer and not found.integer:
            raise ScmambaError(
                f"{self.first.source} of {self.source.name} holds counts in its first cells, but "
                f"not in cells {rows.start:,} to {rows.stop:,}; give all cells the same unit, or "
                'name a layer that does: layer="counts"'
            )
        return replace(found, integer=self.first.integer)
