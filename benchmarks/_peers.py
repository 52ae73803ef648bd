"""What a user would otherwise take: plain classifiers, scANVI, and two ways to spot strangers."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import anndata as ad
import numpy as np
from _scores import Row
from _splits import UNLABELLED, Split
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC

Labels = np.ndarray[Any, np.dtype[np.str_]]

LR = "logistic regression"


def _dense(x: sparse.csr_matrix) -> np.ndarray:
    return x.toarray()


CLASSIFIERS: dict[str, tuple[str, Callable[[int], ClassifierMixin]]] = {
    "lr": (LR, lambda seed: LogisticRegression(max_iter=1000)),
    "lr_balanced": (
        "logistic regression, balanced",
        lambda seed: LogisticRegression(class_weight="balanced", max_iter=1000),
    ),
    "svm": ("linear SVM", lambda seed: LinearSVC(random_state=seed)),
    "mlp": (
        "MLP, one layer of 256",
        lambda seed: MLPClassifier(256, early_stopping=True, random_state=seed),
    ),
    "knn_pca": (
        "15-NN on 30 PCs",
        lambda seed: make_pipeline(
            FunctionTransformer(_dense, accept_sparse=True),
            PCA(30, random_state=seed),
            KNeighborsClassifier(15),
        ),
    ),
    "knn": (
        "15-NN on 50 SVD components",
        lambda seed: make_pipeline(TruncatedSVD(50, random_state=seed), KNeighborsClassifier(15)),
    ),
}


def classify(
    key: str, train: sparse.csr_matrix, labels: Labels, query: sparse.csr_matrix, seed: int
) -> Row:
    """Fit a classifier at scikit-learn's settings to log-normalised values; predict the query."""
    start = time.perf_counter()
    model = CLASSIFIERS[key][1](seed).fit(train, labels)
    if not hasattr(model, "predict_proba"):
        guess = model.predict(query)
        return Row(guess, seconds=time.perf_counter() - start)
    proba = model.predict_proba(query)
    seconds = time.perf_counter() - start
    return Row(model.classes_[proba.argmax(1)], proba.max(1), seconds=seconds)


def no_scanvi() -> str | None:
    """Why scANVI cannot run here, or None."""
    installed = importlib.util.find_spec("scvi") is not None
    return None if installed else "scvi-tools is not installed (pip install scvi-tools)"


def scanvi(split: Split, genes: np.ndarray, seed: int) -> Row:
    """scVI for 60 epochs on the counts of both parts, scANVI for 15 more; sizes of its tutorial."""
    import scvi

    scvi.settings.seed = seed
    both = ad.concat([split.train[:, genes], split.query[:, genes]], index_unique="-")
    both.obs["label"] = np.concatenate([split.labels, [UNLABELLED] * split.query.n_obs])
    quiet = {"enable_progress_bar": False, "accelerator": "cpu"}
    start = time.perf_counter()
    scvi.model.SCVI.setup_anndata(both, batch_key=split.batch_key)
    base = scvi.model.SCVI(both, n_layers=2, n_latent=30)
    base.train(max_epochs=60, **quiet)
    model = scvi.model.SCANVI.from_scvi_model(base, UNLABELLED, labels_key="label")
    model.train(max_epochs=15, n_samples_per_label=100, **quiet)
    proba = model.predict(both[split.train.n_obs :].copy(), soft=True)
    seconds = time.perf_counter() - start
    guess = proba.columns.to_numpy(dtype=str)[proba.to_numpy().argmax(1)]
    return Row(guess, proba.to_numpy().max(1), seconds=seconds)


def detect(
    key: str, train: sparse.csr_matrix, labels: Labels, query: sparse.csr_matrix, seed: int
) -> Row:
    """How strange each cell of the query is, by one of DETECTORS."""
    start = time.perf_counter()
    score = DETECTORS[key][1](train, labels, query, seed)
    return Row(score, seconds=time.perf_counter() - start)


def _doubt(
    train: sparse.csr_matrix, labels: Labels, query: sparse.csr_matrix, seed: int
) -> np.ndarray:
    """One less the largest probability of logistic regression, (n_query,)."""
    model = CLASSIFIERS["lr"][1](seed).fit(train, labels)
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
    "doubt": (f"doubt of {LR}", _doubt),
    "mahalanobis": ("Mahalanobis distance on 50 PCs", _mahalanobis),
}
