"""What cannot be integrated, said before anything is computed; what is odd, said as a warning."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.tasks._labels import Labels

_FEW_BATCHES = 10
"""So many values are taken for batches however few the cells are."""
_FEW_CELLS = 10


def check_batches(names: npt.NDArray[np.object_], batch_key: str) -> None:
    """Raise ScmambaError for one batch alone or a column of names; warn of tiny batches."""
    found, sizes = np.unique(names.astype(str), return_counts=True)
    if len(found) < 2:
        raise ScmambaError(
            f"adata.obs[{batch_key!r}] holds one batch only ({str(found[0])!r}): nothing "
            "to integrate; name a column with two batches or more, or map these cells into an "
            "integration: model="
        )
    if len(found) > max(_FEW_BATCHES, len(names) / 2):
        raise ScmambaError(
            f"adata.obs[{batch_key!r}] holds {len(found):,} different values for {len(names):,} "
            "cells; name a column of which each value stands for several cells"
        )
    if small := [str(name) for name, n in zip(found, sizes, strict=True) if n < _FEW_CELLS]:
        logger.warning(
            "batch(es) of fewer than %d cells, normed much like the others: %s",
            _FEW_CELLS,
            ", ".join(small),
        )


def tell_overlap(names: npt.NDArray[np.object_], labels: Labels) -> None:
    """Warn of batches that share no known label with another one."""
    rows = labels.rows
    types = {name: set(labels.codes[rows][names[rows] == name]) for name in set(names.tolist())}
    alone = [
        str(name)
        for name, own in sorted(types.items())
        if own and not any(own & other for key, other in types.items() if key != name)
    ]
    if alone:
        logger.warning(
            "batch(es) without a cell type in common with any other: %s; corrected all the same, "
            "but differences between batches and between cell types cannot be told apart there",
            ", ".join(alone),
        )
