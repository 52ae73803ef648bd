"""What a way to correct batches offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from anndata import AnnData


@dataclass(frozen=True)
class IntegrationMethod:
    """A way to correct batches.

    Attributes
    ----------
    run
        Takes cells as :func:`~scmamba.benchmark.prepare_cells` lays them out and a seed; returns
        an embedding (n_obs, d).
    package
        Package that must be installed for it.
    title
        Its name in tables.
    labels
        Whether it learns from labels.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.benchmark import IntegrationMethod
    >>> def total_counts(cells, seed):
    ...     return np.asarray(cells.layers["counts"].sum(axis=1))
    >>> IntegrationMethod(total_counts, "numpy", "total counts").labels
    False
    """

    run: Callable[[AnnData, int], np.ndarray]
    package: str
    title: str
    labels: bool = False
