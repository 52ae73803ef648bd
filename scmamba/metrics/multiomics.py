"""Scores of multi-omics models: imputation, open peaks, alignment, the joint embedding.

Examples
--------
>>> import numpy as np
>>> from scmamba.metrics import multiomics
>>> proteins = np.random.default_rng(0).normal(size=(20, 3))
>>> multiomics.imputation(proteins, proteins).mean_pearson_per_gene
1.0
"""

from scmamba.metrics._multiomics.alignment import AlignmentScores, alignment
from scmamba.metrics._multiomics.embedding import bio_conservation, neighbor_accuracy
from scmamba.metrics._multiomics.imputation import ImputationScores, imputation
from scmamba.metrics._multiomics.peaks import hidden_peaks, peaks

__all__ = [
    "AlignmentScores",
    "ImputationScores",
    "alignment",
    "bio_conservation",
    "hidden_peaks",
    "imputation",
    "neighbor_accuracy",
    "peaks",
]
