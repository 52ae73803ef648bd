"""Scores of batch correction, computed by the Benchmarker of scib-metrics."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._describe import Tabulated
from scmamba._errors import ScmambaError
from scmamba._files import atomic
from scmamba._log import logger
from scmamba._text import label_texts, obs_column
from scmamba.metrics._scib import TOTALS, scib_scores
from scmamba.pp import expression, log_normalized

_N_COMPS = 50


@dataclass(frozen=True, repr=False)
class IntegrationScores(Tabulated):
    """Scores of batch mixing and conservation of cell types; see :func:`integration`.

    Attributes
    ----------
    table
        Scores, one row per embedding and one column per metric, followed by the means ``"Batch
        correction"`` and ``"Bio conservation"`` and by ``"Total"``, 0.4 of the first plus 0.6 of
        the second. Scores are about in [0, 1], 1 is best. They are not rescaled across embeddings,
        so that rows are independent of one another.
    groups
        Group of each metric: ``"Batch correction"`` or ``"Bio conservation"``.
    n_cells, n_scored
        Number of cells given, and number scored: those with a known label, at most ``max_cells``.

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba.metrics import IntegrationScores
    >>> table = pd.DataFrame({"Total": [0.61]}, index=["X_scmamba"])
    >>> print(IntegrationScores(table, {}, n_cells=500, n_scored=480))
    480 of 500 cells scored
           X_scmamba
    Total      0.610
    """

    table: pd.DataFrame = field(repr=False, compare=False)
    groups: dict[str, str] = field(repr=False, compare=False)
    n_cells: int
    n_scored: int

    def to_csv(self, path: str | os.PathLike[str]) -> Path:
        """Write the table and the number of scored cells to a csv file, atomically."""
        with atomic(path) as temporary:
            self.table.assign(**{"Cells scored": self.n_scored}).to_csv(temporary)
        return Path(path)

    def _shown(self) -> tuple[str, pd.DataFrame]:
        return f"{self.n_scored:,} of {self.n_cells:,} cells scored", self.table.T


def integration(
    adata: ad.AnnData,
    batch_key: str,
    labels_key: str,
    embeddings: Sequence[str] = ("X_scmamba",),
    *,
    pre_integrated: str | None = None,
    unlabeled_category: str = "unknown",
    leiden: bool = False,
    max_cells: int = 100_000,
    n_jobs: int = 1,
    seed: int = 0,
) -> IntegrationScores:
    """Score embeddings for batch correction with the metrics of scib-metrics.

    Parameters
    ----------
    adata
        Cells with their embeddings in ``obsm``; not modified.
    batch_key, labels_key
        Columns of ``obs`` with batch and known cell type. Cells without label, or with the label
        ``unlabeled_category`` (upper or lower case), are not scored.
    embeddings
        Keys of ``obsm``, each (n_obs, d).
    pre_integrated
        Key of ``obsm`` with an embedding before correction, the reference for the variance
        explained by batches; None for 50 principal components of the log-normalized expression
        (see :func:`scmamba.pp.expression`).
    unlabeled_category
        Label of cells without a known cell type.
    leiden
        Whether to include NMI and ARI of Leiden clusters at many resolutions, which the Benchmarker
        omits by default; they then enter the total.
    max_cells
        Largest number of cells that are scored; from more cells, that many are drawn at random,
        which is logged.
    n_jobs
        Number of threads of the neighbor search.
    seed
        Seed of the random cells and of the principal components.

    Returns
    -------
    The scores.

    Raises
    ------
    ScmambaError
        If scib-metrics is not installed, a key is missing, an embedding is not finite, or fewer
        than two batches or two labels are left.

    Notes
    -----
    Luecken et al., Benchmarking atlas-level data integration in single-cell genomics, Nature
    Methods 2022. Two metrics use k-means, which varies between fits: compare several seeds.

    Examples
    --------
    >>> import scmamba
    >>> adata = scmamba.datasets.synthetic(300, 200, n_types=3, n_batches=2)
    >>> adata.obsm["X_counts"] = adata.X.toarray()
    >>> scores = scmamba.metrics.integration(
    ...     adata, "batch", "cell_type", ["X_counts"]
    ... )  # doctest: +SKIP
    >>> scores.table.loc["X_counts", "Total"]  # doctest: +SKIP
    0.63
    """
    rows = _rows(adata, batch_key, labels_key, unlabeled_category, max_cells, seed)
    given = {key: _embedding(adata, key)[rows] for key in dict.fromkeys(embeddings)}
    if not given:
        raise ScmambaError("embeddings is empty; give at least one key of adata.obsm")
    if pre_integrated is None and adata.X is None:
        raise ScmambaError("adata.X is None; give an embedding before correction: pre_integrated=")
    if pre_integrated is None:
        before = _components(adata, rows, seed)
    else:
        before = _embedding(adata, pre_integrated)[rows]
    texts = {key: label_texts(adata.obs[key])[0][rows] for key in (batch_key, labels_key)}
    table, groups = scib_scores(
        given,
        texts[labels_key],
        batches=texts[batch_key],
        before=before,
        leiden=leiden,
        n_jobs=n_jobs,
    )
    return IntegrationScores(table[[*groups, *TOTALS]], groups, adata.n_obs, len(rows))


def _rows(
    adata: ad.AnnData,
    batch_key: str,
    labels_key: str,
    unlabeled_category: str,
    max_cells: int,
    seed: int,
) -> npt.NDArray[np.int64]:
    """Positions of the cells to score, ascending."""
    if max_cells < 2:
        raise ScmambaError(f"max_cells={max_cells}; give 2 or more")
    batches, lacking = label_texts(obs_column(adata.obs, batch_key, "batch_key", "adata.obs"))
    if lacking.any():
        raise ScmambaError(
            f"adata.obs[{batch_key!r}] is missing for {lacking.sum():,} cell(s); fill it in or "
            "drop them"
        )
    labels, unlabeled = label_texts(
        obs_column(adata.obs, labels_key, "labels_key", "adata.obs"), unlabeled=unlabeled_category
    )
    rows = np.flatnonzero(~unlabeled)
    if len(rows) > max_cells:
        logger.warning("scored on %s of %s labeled cells, drawn at random", max_cells, len(rows))
        rows = np.sort(np.random.default_rng(seed).choice(rows, max_cells, replace=False))
    for name, key, texts in (("batches", batch_key, batches), ("labels", labels_key, labels)):
        n = len(set(texts[rows]))
        if n < 2:
            raise ScmambaError(
                f"the {len(rows)} cells with a known label have {n} of {name} "
                f"(adata.obs[{key!r}]); at least 2 are needed to score a correction"
            )
    if len(set(zip(batches[rows], labels[rows], strict=True))) == len(set(labels[rows])):
        raise ScmambaError(
            f"each label in adata.obs[{labels_key!r}] occurs in a single batch, so mixing of "
            f"batches (adata.obs[{batch_key!r}]) cannot be scored; use batches that share labels"
        )
    return rows


def _embedding(adata: ad.AnnData, key: str) -> npt.NDArray[np.float32]:
    if key not in adata.obsm:
        raise ScmambaError(
            f"{key!r} is not in adata.obsm, which has {', '.join(adata.obsm) or 'nothing'}"
        )
    values = np.asarray(adata.obsm[key], dtype=np.float32)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ScmambaError(
            f"adata.obsm[{key!r}] has shape {values.shape}, "
            f"{int((~np.isfinite(values)).sum())} of its values not finite; allowed: (n_obs, d) of "
            "finite numbers"
        )
    return values


def _components(
    adata: ad.AnnData, rows: npt.NDArray[np.int64], seed: int
) -> npt.NDArray[np.float32]:
    """(n_rows, at most 50) principal components of log-normalized values."""
    import scanpy as sc

    found = expression(adata)
    cells = log_normalized(found.X[rows], found.unit)
    n_comps = min(_N_COMPS, min(cells.shape) - 1)
    return np.asarray(sc.pp.pca(cells, n_comps=n_comps, random_state=seed), np.float32)
