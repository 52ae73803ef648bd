"""CellTypist (Dominguez Conde et al., Science 2022): its own training, as in its tutorial."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from scmamba.benchmark._annotation.methods.base import AnnotationMethod, Predictions
from scmamba.benchmark._annotation.split import AnnotationSplit
from scmamba.benchmark._cost import measure_cost

TOP_GENES = 300
"""Genes that its gene selection keeps for each class; it refuses data with fewer genes."""


def celltypist(split: AnnotationSplit, seed: int) -> Predictions:
    """Train by SGD on all genes with its gene selection; take each cell's most likely type.

    Its other solver calls scikit-learn with an argument that scikit-learn 1.8 took away. Its
    check wants 10,000 counts per cell over all genes, hence all are given.
    """
    import celltypist as package
    from anndata import AnnData

    package.logger.set_level(logging.ERROR)
    train, query, _ = replace(split, n_top_genes=None).values()
    names = split.train.var_names
    np.random.seed(seed)  # noqa: NPY002 - it takes no seed of its own
    reference, cells = AnnData(train), AnnData(query)
    reference.var_names = cells.var_names = names
    with measure_cost() as cost:
        model = package.train(
            reference,
            labels=split.known_labels,
            use_SGD=True,
            feature_selection=len(names) > TOP_GENES,
            n_jobs=1,
        )
        found = package.annotate(cells, model=model)
    proba = found.probability_matrix
    guess = proba.columns.to_numpy(dtype=str)[proba.to_numpy().argmax(1)]
    return Predictions(guess, proba.to_numpy().max(1), **vars(cost))


CELLTYPIST = AnnotationMethod(celltypist, "CellTypist (SGD)", package="celltypist")
