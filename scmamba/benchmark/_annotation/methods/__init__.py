"""Ways to annotate cells, one file each; a new one is registered by one line here."""

from __future__ import annotations

from scmamba.benchmark._annotation.methods.base import AnnotationMethod, Predictions
from scmamba.benchmark._annotation.methods.celltypist import CELLTYPIST
from scmamba.benchmark._annotation.methods.knn import KNN_PCA, KNN_SVD
from scmamba.benchmark._annotation.methods.logistic import LOGISTIC, LOGISTIC_BALANCED
from scmamba.benchmark._annotation.methods.mlp import MLP
from scmamba.benchmark._annotation.methods.scanvi import SCANVI
from scmamba.benchmark._annotation.methods.scmamba import SCMAMBA
from scmamba.benchmark._annotation.methods.svm import SVM

ANNOTATION_METHODS: dict[str, AnnotationMethod] = {
    "scmamba": SCMAMBA,
    "lr": LOGISTIC,
    "lr_balanced": LOGISTIC_BALANCED,
    "svm": SVM,
    "mlp": MLP,
    "knn_pca": KNN_PCA,
    "knn": KNN_SVD,
    "celltypist": CELLTYPIST,
    "scanvi": SCANVI,
}
"""Methods by name, each with the settings that its authors suggest."""

__all__ = ["ANNOTATION_METHODS", "AnnotationMethod", "Predictions"]
