"""Two ways to spot cells of types that training never saw."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA

from scmamba.benchmark import ANNOTATION_METHODS, Predictions
from scmamba.benchmark._annotation.methods.logistic import logistic
from scmamba.benchmark._cost import measure_cost

Labels = np.ndarray[Any, np.dtype[np.str_]]

LR = ANNOTATION_METHODS["lr"].title


def detect(
    key: str, train: sparse.csr_matrix, labels: Labels, query: sparse.csr_matrix, seed: int
) -> Predictions:
    """Out-of-distribution score of each cell of the query, by one of DETECTORS."""
    with measure_cost() as cost:
        score = DETECTORS[key][1](train, labels, query, seed)
    return Predictions(score, **vars(cost))


def _uncertainty(
    train: sparse.csr_matrix, labels: Labels, query: sparse.csr_matrix, seed: int
) -> np.ndarray:
    """One less the largest probability of logistic regression, (n_query,)."""
    model = logistic(seed).fit(train, labels)
    return 1 - model.predict_proba(query).max(1)


def _mahalanobis(
    train: sparse.csr_matrix, labels: Labels, query: sparse.csr_matrix, seed: int
) -> np.ndarray:
    """Distance to the nearest class mean on 50 PCs, covariance shared by classes, (n_query,)."""
    train, query = train.toarray(), query.toarray()
    pca = PCA(50, random_state=seed).fit(train)
    z = pca.transform(train)
    classes, codes = np.unique(labels, return_inverse=True)
    means = np.stack([z[codes == c].mean(0) for c in range(len(classes))])
    precision = np.linalg.inv(np.cov(z - means[codes], rowvar=False))
    apart = pca.transform(query)[:, None] - means
    return np.sqrt(np.einsum("nck,kl,ncl->nc", apart, precision, apart).min(1))


DETECTORS = {
    "uncertainty": (f"uncertainty of {LR}", _uncertainty),
    "mahalanobis": ("Mahalanobis distance on 50 PCs", _mahalanobis),
}
