"""Scores of multi-omics models against slow formulas."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import sparse, stats
from sklearn import metrics

from scmamba import ScmambaError
from scmamba.metrics import multiomics

Floats = npt.NDArray[np.float64]


@pytest.fixture
def values() -> tuple[Floats, Floats]:
    rng = np.random.default_rng(0)
    truth = rng.poisson(2, (30, 6)).astype(float)
    return truth, truth + rng.normal(size=truth.shape)


def _slow(a: Floats, b: Floats, known: npt.NDArray[np.bool_], rank: bool) -> list[float]:
    found = []
    for x, y, m in zip(a, b, known, strict=True):
        if m.sum() < 2:
            continue
        constant = len(set(x[m])) == 1 or len(set(y[m])) == 1
        way = stats.spearmanr if rank else stats.pearsonr
        found.append(0.0 if constant else way(x[m], y[m])[0])
    return found


@pytest.mark.parametrize("masked", [False, True])
def test_imputation(values: tuple[Floats, Floats], masked: bool) -> None:
    truth, found = values
    truth[:, 2] = 1.0  # correlations of what does not vary are 0
    found[4] = 3.0
    known = np.random.default_rng(1).random(truth.shape) < 0.7
    known = known if masked else np.ones_like(known)
    if masked:
        known[5], known[7], truth[5], found[7] = False, [True] + [False] * 5, np.nan, 9.0
    scores = multiomics.imputation(truth, found, known if masked else None)
    a, b = truth[known], found[known]
    expected = {
        "rmse": np.sqrt(((a - b) ** 2).mean()),
        "mae": np.abs(a - b).mean(),
        "mean_pearson_per_cell": np.mean(_slow(truth, found, known, False)),
        "mean_spearman_per_cell": np.mean(_slow(truth, found, known, True)),
        "mean_pearson_per_gene": np.mean(_slow(truth.T, found.T, known.T, False)),
        "mean_spearman_per_gene": np.mean(_slow(truth.T, found.T, known.T, True)),
        "overall_pearson": stats.pearsonr(a, b)[0],
        "overall_spearman": stats.spearmanr(a, b)[0],
    }
    for name, value in expected.items():
        assert getattr(scores, name) == pytest.approx(value, abs=1e-9), name
    assert scores.n_cells == (29 if masked else 30) and scores.n_features == 6


def test_imputation_refuses(values: tuple[Floats, Floats]) -> None:
    truth, found = values
    with pytest.raises(ScmambaError, match="measured has shape .30, 6. and imputed .30, 5."):
        multiomics.imputation(truth, found[:, :5])
    found[0, 0] = np.nan
    with pytest.raises(ScmambaError, match="1 of the values to score are not finite"):
        multiomics.imputation(truth, found)


def test_peaks() -> None:
    rng = np.random.default_rng(0)
    opened = (rng.random((40, 6)) < 0.3).astype(np.float32)
    opened[:, 0], opened[:, 1] = 0, 1
    scores = np.round(rng.random((40, 6)) + 0.3 * opened, 1)  # with ties
    found = multiomics.peaks(sparse.csr_matrix(opened), scores)
    assert found.iloc[:2, :2].isna().all(axis=None)
    for j in range(2, 6):
        expected = metrics.roc_auc_score(opened[:, j], scores[:, j])
        assert found["auroc"][j] == pytest.approx(expected)
        expected = metrics.average_precision_score(opened[:, j], scores[:, j])
        assert found["average_precision"][j] == pytest.approx(expected)
    with pytest.raises(ScmambaError, match="cells by peaks of the same shape"):
        multiomics.peaks(opened, scores[:3])


def test_hidden_peaks() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 50), rng.integers(0, 8, 60)
    slow = np.mean([(x > y) + 0.5 * (x == y) for x in a for y in b])
    assert multiomics.hidden_peaks(a, b) == pytest.approx(slow)
    with pytest.raises(ScmambaError, match="no open or no closed"):
        multiomics.hidden_peaks([], b)


def test_alignment() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(40, 3))
    b = a + rng.normal(0, 0.7, a.shape)
    labels = np.array([*["x", "y"] * 19, "unknown", "unknown"], dtype=object)
    a[labels == "x"] += 2
    b[labels == "x"] += 2
    closer = 0
    for p, q in ((a, b), (b, a)):
        for i in range(40):
            own = ((p[i] - q[i]) ** 2).sum()
            closer += sum(((p[i] - q[j]) ** 2).sum() < own for j in range(40) if j != i)
    scores = multiomics.alignment(a, b, labels, n_neighbors=5)
    assert scores.foscttm == pytest.approx(closer / (2 * 40 * 39))
    hits = []
    for p, q in ((a[:38], b[:38]), (b[:38], a[:38])):
        for i in range(38):
            near = np.argsort(((p[i] - q) ** 2).sum(1))[:5]
            hits.append((labels[near] == labels[i]).sum() > 2)
    assert scores.label_transfer == pytest.approx(np.mean(hits))
    both, kind = np.vstack([a, b]), np.repeat([0, 1], 40)
    others = []
    for i in range(80):
        far = ((both[i] - both) ** 2).sum(1)
        far[i] = np.inf
        others += (kind[np.argsort(far)[:5]] != kind[i]).tolist()
    assert scores.modality_mixing == pytest.approx(min(np.mean(others) / (40 / 79), 1))


def test_alignment_at_its_ends() -> None:
    cells = np.random.default_rng(0).normal(size=(30, 3))
    assert multiomics.alignment(cells, cells).foscttm == 0
    apart = multiomics.alignment(cells, cells + 100)
    assert apart.modality_mixing == 0 and np.isnan(apart.label_transfer)
    with pytest.raises(ScmambaError, match="n_neighbors=30 for 30 cells"):
        multiomics.alignment(cells, cells, n_neighbors=30)


def test_neighbor_accuracy() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "unknown"], 20).astype(object)
    cells = rng.normal(size=(60, 2)) + 3 * (labels == "b")[:, None]
    known = np.arange(60) % 4 > 0
    train, test = known & (labels != "unknown"), ~known & (labels != "unknown")
    right = []
    for i in np.flatnonzero(test):
        near = np.argsort(((cells[i] - cells[train]) ** 2).sum(1))[:5]
        right.append((labels[train][near] == labels[i]).sum() > 2)
    found = multiomics.neighbor_accuracy(cells, labels, n_neighbors=5, reference=known)
    assert found == pytest.approx(np.mean(right))
    assert multiomics.neighbor_accuracy(cells, labels) > 0.9


def test_bio_conservation() -> None:
    pytest.importorskip("scib_metrics")
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], 60)
    good = rng.normal(size=(180, 4)) + 6 * np.repeat(np.eye(4)[:3], 60, axis=0)
    found = multiomics.bio_conservation({"good": good, "noise": rng.normal(size=(180, 4))}, labels)
    assert found["Bio conservation"]["good"] > found["Bio conservation"]["noise"] + 0.2
    metrics_alone = found.drop(columns="Bio conservation")
    np.testing.assert_allclose(metrics_alone.mean(axis=1), found["Bio conservation"], atol=1e-5)
