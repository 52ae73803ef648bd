"""The comparison of batch correction as one call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scmamba._describe import Tabulated
from scmamba._errors import ScmambaError
from scmamba._files import writable_folder
from scmamba.benchmark._installed import check_installed
from scmamba.benchmark._integration.cells import UNLABELED, prepare_cells
from scmamba.benchmark._integration.comparison import Comparison, mean_scores, table
from scmamba.benchmark._integration.methods import INTEGRATION_METHODS, OURS
from scmamba.benchmark._shown import count_runs

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from scmamba.metrics import IntegrationScores


@dataclass(frozen=True, repr=False)
class IntegrationBenchmark(Tabulated):
    """Result of a comparison of batch correction.

    Attributes
    ----------
    runs
        One row per method and seed: scores, seconds, peak memory.
    scores
        Means of each method over seeds; :func:`scmamba.pl.integration_scores` draws them.
    comparison
        The runs themselves: embeddings and UMAPs.

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba.benchmark import IntegrationBenchmark
    >>> runs = pd.DataFrame({
    ...     "method": ["PCA", "PCA"], "seed": [0, 1], "Total": [0.5, 0.7], "labels used": False
    ... })
    >>> found = IntegrationBenchmark(runs, scores=None, comparison=None)
    >>> found.summary["Total"].round(3).to_dict()
    {'PCA': 0.6}
    """

    runs: pd.DataFrame
    scores: IntegrationScores
    comparison: Comparison

    def _shown(self) -> tuple[str, pd.DataFrame]:
        return f"comparison of batch correction, {count_runs(self.runs)}", self.summary

    @property
    def summary(self) -> pd.DataFrame:
        """One row per method, best first: means over seeds, and ``Total sd``."""
        by_method = self.runs.drop(columns="seed").groupby("method", sort=False)
        summary = by_method.mean()
        summary["labels used"] = by_method["labels used"].first()
        summary["Total sd"] = by_method["Total"].std()
        return summary.sort_values("Total", ascending=False)


def integration(
    adata: AnnData,
    batch_key: str,
    labels_key: str,
    *,
    output: str | os.PathLike[str],
    methods: Sequence[str] = tuple(INTEGRATION_METHODS),
    seeds: Sequence[int] = (0, 1, 2),
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    unlabeled_category: str = UNLABELED,
    n_top_genes: int | None = 2000,
    max_cells: int = 100_000,
    n_jobs: int = 1,
) -> IntegrationBenchmark:
    """Correct batches by several methods on the same cells and genes, and score them.

    Each run has a process of its own and leaves its embedding and its scores in ``output``; a
    benchmark that was stopped goes on there.

    Parameters
    ----------
    adata
        Cells of several batches with counts; left as it is. Cells without a label are left out.
    batch_key, labels_key
        Columns of ``obs``. Labels score all methods; ``"scanvi"`` and ``"scmamba_labels"`` learn
        from them.
    output
        Folder for the runs.
    methods
        Names in :data:`~scmamba.benchmark.INTEGRATION_METHODS`: ``"pca"``, ``"harmony"``,
        ``"scvi"``, ``"scanvi"``, ``"scmamba"``, ``"scmamba_labels"``.
    seeds
        Each method is run once with each.
    layer, use_raw, gene_key
        Where counts and gene names are; see :func:`scmamba.pp.expression`.
    unlabeled_category
        Label of cells that have none, besides missing values.
    n_top_genes
        Number of genes that vary within batches, the same for all methods; None: all expressed.
    max_cells
        Most cells that are scored, drawn at random.
    n_jobs
        Methods run side by side; more than one lengthens the seconds of each.

    Raises
    ------
    ScmambaError
        A method is unknown, its package is missing, or it fails; expression holds no counts; or a
        run in ``output`` was made on other cells.

    Examples
    --------
    >>> import tempfile
    >>> import pytest
    >>> _ = pytest.importorskip("scib_metrics")
    >>> from scmamba import benchmark, datasets, settings
    >>> settings.verbosity = "error"
    >>> adata = datasets.synthetic(90, 60, 3, n_batches=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = benchmark.integration(
    ...         adata, "batch", "cell_type", output=folder, methods=["pca"], seeds=[0]
    ...     )
    >>> list(found.summary.index)
    ['PCA']
    """
    if not seeds or not methods:
        raise ScmambaError("give at least one method and one seed")
    if unknown := [name for name in methods if name not in INTEGRATION_METHODS]:
        allowed = ", ".join(map(repr, INTEGRATION_METHODS))
        raise ScmambaError(f"method {unknown[0]!r}; allowed: {allowed}")
    chosen = {name: INTEGRATION_METHODS[name] for name in methods}
    needed = {method.package: method.title for method in chosen.values()}
    check_installed(needed | {"scib_metrics": "the benchmark"}, extra="benchmark")
    folder = writable_folder(output)
    cells = prepare_cells(
        adata,
        batch_key,
        labels_key,
        layer=layer,
        use_raw=use_raw,
        gene_key=gene_key,
        unlabeled_category=unlabeled_category,
        n_top_genes=n_top_genes,
    )
    comparison = Comparison(chosen, cells, Path(folder), max_cells)
    found = comparison.run(seeds, n_jobs)
    means = mean_scores(found, chosen, cells.n_obs)
    return IntegrationBenchmark(table(found, chosen), means, comparison)


__all__ = ["OURS", "IntegrationBenchmark", "integration"]
