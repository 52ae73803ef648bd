"""Nearest neighbors on principal components."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from scmamba.benchmark._annotation.methods.base import AnnotationMethod, Classifier


def _dense(values: Any) -> np.ndarray:
    return values.toarray()


def knn_pca(seed: int) -> ClassifierMixin:
    """15 neighbors on 30 principal components, which need dense values."""
    dense = FunctionTransformer(_dense, accept_sparse=True)
    return make_pipeline(dense, PCA(30, random_state=seed), KNeighborsClassifier(15))


def knn_svd(seed: int) -> ClassifierMixin:
    """15 neighbors on 50 components of a sparse singular value decomposition."""
    return make_pipeline(TruncatedSVD(50, random_state=seed), KNeighborsClassifier(15))


KNN_PCA = AnnotationMethod(Classifier(knn_pca), "15-NN on 30 PCs")
KNN_SVD = AnnotationMethod(Classifier(knn_svd), "15-NN on 50 SVD components")
