"""The Benchmarker of scib-metrics, run on embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import anndata as ad
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from scmamba._errors import ScmambaError

TOTALS = ("Batch correction", "Bio conservation", "Total")
_TYPE = "Metric Type"

Floats = npt.NDArray[np.float32]


def scib_scores(
    embeddings: Mapping[str, Floats],
    labels: npt.NDArray[Any],
    *,
    batches: npt.NDArray[Any] | None = None,
    before: Floats | None = None,
    leiden: bool = False,
    n_jobs: int = 1,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Score embeddings of n labeled cells.

    Parameters
    ----------
    embeddings
        (n, d) by name, finite.
    labels
        (n,).
    batches
        (n,); None: conservation of the labels alone is scored.
    before
        (n, d) embedding before correction, needed with ``batches``.
    leiden
        Also NMI and ARI of Leiden clusters.
    n_jobs
        Threads of the neighbor search.

    Returns
    -------
    One row per embedding, one column per metric and per total; and the group of each metric.

    Raises
    ------
    ScmambaError
        scib-metrics is not installed, or cannot score these cells.
    """
    benchmark = _benchmark()
    n = len(labels)
    cells = ad.AnnData(sparse.csr_matrix((n, 1), dtype=np.float32))
    cells.obs["label"] = pd.Categorical(labels)
    cells.obs["batch"] = pd.Categorical(np.zeros(n, dtype=int) if batches is None else batches)
    places = {f"e{i}": name for i, name in enumerate(embeddings)}
    for place, name in places.items():
        cells.obsm[place] = embeddings[name]
    cells.obsm["before"] = next(iter(embeddings.values())) if before is None else before
    bio = benchmark.BioConservation(nmi_ari_cluster_labels_leiden=leiden)
    without = {"batch_correction_metrics": None} if batches is None else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run = benchmark.Benchmarker(
                cells,
                "batch",
                "label",
                list(places),
                bio_conservation_metrics=bio,
                pre_integrated_embedding_obsm_key="before",
                n_jobs=n_jobs,
                progress_bar=False,
                **without,
            )
            run.benchmark()
            found = run.get_results(min_max_scale=False)
    except Exception as error:  # metrics raise many errors for cells that they cannot score
        raise ScmambaError(
            f"scib-metrics cannot score these {n:,} cells ({type(error).__name__}: {error}); it "
            "needs about 100 cells and several of each type and batch"
        ) from error
    groups = {name: kind for name, kind in found.loc[_TYPE].items() if name not in TOTALS}
    table = found.drop(index=_TYPE).rename(index=places).astype(float)
    table.index.name = "embedding"
    return table, groups


def _benchmark() -> Any:
    """Return the module ``scib_metrics.benchmark``; an error says how to install it."""
    try:
        import scib_metrics.benchmark as benchmark
    except ImportError as error:
        raise ScmambaError(
            f"these scores need scib-metrics, which is not installed ({error}); "
            "install it: pip install 'scmamba[benchmark]'"
        ) from error
    return benchmark
