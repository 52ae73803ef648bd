"""Expression of chosen cells, read from memory or from a file block by block."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._log import logger
from scmamba.pp.expression import Expression
from scmamba.stream.expressions import Expressions


def gather(
    found: Expressions, rows: npt.NDArray[np.int64], purpose: str = "to learn from"
) -> tuple[Expression, npt.NDArray[np.int64]]:
    """Expression of the cells ``rows`` (ascending), and which cells these are.

    Of cells in memory all are given, as they are there already.
    """
    source = found.source
    if source.in_memory:
        return found.first, np.arange(source.n_obs)
    if len(rows) < source.n_obs:
        logger.info("%s of %s cells are read %s", f"{len(rows):,}", f"{source.n_obs:,}", purpose)
    parts = []
    for block, values in found.blocks():
        start, stop = np.searchsorted(rows, [block.start, block.stop])
        parts.append(values.X[rows[start:stop] - block.start])
    return replace(found.first, X=sparse.vstack(parts, format="csr")), rows
