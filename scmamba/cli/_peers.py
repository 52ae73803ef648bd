"""What a user would otherwise take to annotate cells: the demo shows it beside scmamba."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from scmamba.metrics import AnnotationScores, annotation

PEERS: dict[str, Callable[[int], ClassifierMixin]] = {
    "logistic regression": lambda seed: LogisticRegression(max_iter=1000, random_state=seed),
    "15-NN on 30 PCs": lambda seed: make_pipeline(
        PCA(30, random_state=seed), KNeighborsClassifier(15)
    ),
}


@dataclass(frozen=True)
class Peer:
    """Scores of a plain method and the seconds it took to fit and predict."""

    scores: AnnotationScores
    seconds: float


def run_peers(
    train: sparse.csr_matrix,
    labels: NDArray[np.str_],
    test: sparse.csr_matrix,
    truth: NDArray[np.str_],
    seed: int,
) -> dict[str, Peer]:
    """Fit every peer on log-normalised expression and score it.

    Parameters
    ----------
    train, test : (n_cells, n_genes)
        Log-normalised expression.
    labels, truth
        True labels of ``train`` and ``test``.
    seed
        Of what is random in them.
    """
    results = {}
    for name, make in PEERS.items():
        start = time.perf_counter()
        model = make(seed).fit(train.toarray(), labels)
        proba = model.predict_proba(test.toarray())
        seconds = time.perf_counter() - start
        guess = model.classes_[proba.argmax(axis=1)]
        scores = annotation(truth, guess, proba=proba.max(axis=1))
        results[name] = Peer(scores, seconds)
    return results
