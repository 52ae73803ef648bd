"""Expression of many cells, block by block, each checked as that of a few would be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from scmamba._errors import ScmambaError
from scmamba.pp.expression import Expression, expression
from scmamba.stream.source import CellSource, ranges

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
    """

    source: CellSource
    first: Expression
    layer: str | None
    gene_key: str | None

    @classmethod
    def of(
        cls,
        source: CellSource,
        *,
        layer: str | None = None,
        use_raw: bool | None = None,
        gene_key: str | None = None,
    ) -> Expressions:
        """Look where the expression is; see :func:`scmamba.pp.expression.expression`."""
        some = source.n_obs if source.in_memory else min(_PROBE, source.n_obs)
        taken = source.take(slice(0, some))
        first = expression(taken, layer=layer, use_raw=use_raw, gene_key=gene_key)
        return cls(source, first, layer, gene_key)

    @property
    def rows_per_block(self) -> int:
        """Cells of every block but the last."""
        return self.source.rows_per_block(self.first.source)

    def blocks(self, start: int = 0) -> Iterator[tuple[slice, Expression]]:
        """Rows and their expression, from row ``start`` (of a file) to the last.

        Raises
        ------
        ScmambaError
            A block holds values that cannot be used, or no counts where the first cells did.
        """
        if self.source.in_memory:
            yield slice(0, self.source.n_obs), self.first
            return
        for rows in ranges(self.source.n_obs, self.rows_per_block, start):
            found = expression(
                self.source.take(rows, self.first.source),
                layer=self.layer,
                use_raw=self.first.source == "raw.X",
                gene_key=self.gene_key,
                tell=False,
            )
            if self.first.integer and not found.integer:
                raise ScmambaError(
                    f"{self.first.source} of {self.source.name} holds counts in its first cells, "
                    f"but not in cells {rows.start:,} to {rows.stop:,}; give all cells the same "
                    'unit, or name a layer that does: layer="counts"'
                )
            yield rows, replace(found, integer=self.first.integer)
