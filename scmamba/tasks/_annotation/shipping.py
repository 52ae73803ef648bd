"""Annotators that ship: fitted to labeled cells of several studies, for cells nobody has seen."""

from __future__ import annotations

import numpy as np
from anndata import AnnData

from scmamba.learn.training import AnnotationTraining
from scmamba.pp.expression import expression
from scmamba.tasks._annotation.annotator import Annotator
from scmamba.tasks._annotation.examples import Examples
from scmamba.tasks._annotation.task import FitTask
from scmamba.tasks._labels import read_batches, read_labels

_UNCERTAINTY_WEIGHT = 0.2
"""In the out-of-distribution score. Cells of a type that no study has often look surely like those
of another (NK cells like CD8 T cells), but seldom lie where these do: with a type left out of two
studies and looked for in a third, 0.2 was ahead of 0.5 and of either part alone on average."""


def fit_to_ship(
    cells: AnnData,
    labels_key: str,
    study_key: str,
    *,
    n_top_genes: int = 2000,
    max_error: float = 0.05,
    ood_fpr: float = 0.01,
    training: AnnotationTraining | None = None,
    seed: int = 0,
) -> Annotator:
    """Fit an annotator with coarse and fine types, validated on whole studies held out in turn.

    Each type has a threshold of its own: with one for all, a study that confuses CD4 and CD8 T
    cells more than the others do had three times as many wrong labels as were allowed. A type that
    studies confuse too often is never named, but for its coarse type.

    Parameters
    ----------
    cells
        Counts (n_cells, n_genes) over the genes that all studies measured. Some cells may be
        without a label.
    labels_key
        ``obs`` column of fine types, names of the package's table of cell types.
    study_key
        ``obs`` column of studies.
    n_top_genes
        Highly variable genes to learn from.
    max_error, ood_fpr
        Allowed error and false positive rate; see :func:`scmamba.tasks.annotate`.
    training
        Training of the networks; None: chosen by the number of cells.
    seed
        Random seed.
    """
    found = expression(cells)
    labels = read_labels(cells.obs, labels_key, "unknown", "cells.obs")
    studies = read_batches(cells.obs, study_key, "cells.obs", needed=np.arange(cells.n_obs))
    task = FitTask(
        Examples(found, labels, studies, None),
        n_top_genes,
        seed,
        training or AnnotationTraining(),
        two_levels=True,
        ood_uncertainty_weight=_UNCERTAINTY_WEIGHT,
    )
    return task.fit(None, "auto", max_error, ood_fpr, by_class=True)
