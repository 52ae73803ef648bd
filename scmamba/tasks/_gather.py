"""Expression of chosen cells of one or several sources; of files, read block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._errors import ScmambaError, about_one
from scmamba._log import logger
from scmamba.pp.expression import Expression
from scmamba.pp.units import Unit
from scmamba.stream.expressions import Expressions

Rows = npt.NDArray[np.int64]


def gather(
    found: Expressions, rows: Rows, purpose: str = "to learn from"
) -> tuple[Expression, Rows]:
    """Expression of the cells ``rows`` (ascending), and which cells these are.

    Of cells in memory all are given, as they are there already.
    """
    source = found.source
    if source.in_memory:
        return found.first, np.arange(source.n_obs)
    if len(rows) < source.n_obs:
        logger.info("%s of %s cells are read %s", f"{len(rows):,}", f"{source.n_obs:,}", purpose)
    parts = [found.first.X[:0]]
    for block in found.rows():
        start, stop = np.searchsorted(rows, [block.start, block.stop])
        if start < stop:
            parts.append(found.at(block).X[rows[start:stop] - block.start])
    return replace(found.first, X=sparse.vstack(parts, format="csr")), rows


def gather_all(found: Sequence[Expressions], rows: Rows) -> tuple[Expression, Rows]:
    """Gather cells of several sources, numbered one source after the other.

    Parameters
    ----------
    found
        Expression of each source.
    rows
        Cells to read, ascending.

    Returns
    -------
    Expression over the genes that all sources have, and which cells these are.

    Raises
    ------
    ScmambaError
        The sources hold different units or have fewer than half of their genes in common, or
        values cannot be used.
    """
    common_genes([one.first for one in found])  # before much is read
    ends = np.cumsum([one.source.n_obs for one in found])
    parts, kept = [], []
    for one, end, own in zip(
        found, ends, np.split(rows, np.searchsorted(rows, ends[:-1])), strict=True
    ):
        start = end - one.source.n_obs
        with about_one(one.source.name, of_several=len(found) > 1):
            part, given = gather(one, own - start)
        parts.append(part)
        kept.append(given + start)
    return together(parts), np.concatenate(kept)


def together(found: Sequence[Expression]) -> Expression:
    """Stack the expression of several inputs over the genes that all of them name.

    Raises
    ------
    ScmambaError
        Inputs hold different units, or have fewer than half of their genes in common.
    """
    first = found[0]
    if len(found) == 1:
        return first
    common = common_genes(found)
    units = [one.unit for one in found]
    if len({unit.kind for unit in units}) > 1:
        found = [replace(one, X=one.unit.linear(one.X)) for one in found]
        first = replace(
            first, unit=Unit("fractional counts" if units[0].is_counts else "normalized counts")
        )
    if any(len(common) < len(set(one.var_names.tolist()) - {""}) for one in found):
        logger.info("%s genes are in all files", f"{len(common):,}")
    stacked = sparse.vstack([_columns(one, common) for one in found], format="csr")
    return replace(first, X=stacked, var_names=np.array(common, dtype=object))


def common_genes(found: Sequence[Expression]) -> list[str]:
    """Return the genes that all inputs name, in the order of the first.

    Raises
    ------
    ScmambaError
        Inputs hold different units, or have fewer than half of their genes in common.
    """
    units = [one.unit for one in found]
    alike = len({unit.kind for unit in units}) == 1
    if len({unit.is_counts for unit in units}) > 1 or not (
        alike or all(unit.is_whole_library for unit in units)
    ):
        raise ScmambaError(
            f"the files hold {', '.join(dict.fromkeys(map(str, units)))}; give all of them the "
            'same unit, or name a layer that has it: layer="counts"'
        )
    named = [dict.fromkeys(name for name in one.var_names.tolist() if name) for one in found]
    common = [name for name in named[0] if all(name in one for one in named[1:])]
    fewest = min(map(len, named))
    if 2 * len(common) < fewest:
        raise ScmambaError(
            f"the files have {len(common):,} gene names in common, and the one with the fewest has "
            f"{fewest:,}; give them the same kind of names: gene_key="
        )
    return common


def _columns(found: Expression, names: Sequence[str]) -> sparse.csr_matrix:
    """(n_cells, n_names) expression by gene name; columns of the same name are added up."""
    place = {name: i for i, name in enumerate(names)}
    column = np.array([place.get(name, -1) for name in found.var_names.tolist()])
    rows = np.flatnonzero(column >= 0)
    shape = (len(column), len(names))
    chosen = (np.ones(len(rows), np.float32), (rows, column[rows]))
    return (found.X @ sparse.csr_matrix(chosen, shape=shape)).tocsr()
