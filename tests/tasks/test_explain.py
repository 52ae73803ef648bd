"""Genes that decide: attributions are complete, and knock-outs are what they say."""

from __future__ import annotations

from dataclasses import replace

import anndata as ad
import numpy as np
import pytest
import torch
from scipy.special import log_softmax, logsumexp

from scmamba import ScmambaError
from scmamba.learn.fusion import Fusion
from scmamba.learn.linear import Linear
from scmamba.pp import expression
from scmamba.tasks import Annotator, Explanation
from scmamba.tasks._annotation.attribution import (
    Point,
    Scorer,
    integrated_gradients,
    log_odds,
)
from scmamba.tasks._annotation.explain import _baseline
from scmamba.tasks._annotation.gene_knockout import scores
from scmamba.tasks._annotation.markers import type_profiles
from tests.tasks import tiny

COLUMNS = [
    "cell_type", "gene", "attribution", "knockout_effect", "mean_expression",
    "fraction_of_cells", "evidence",
]  # fmt: skip


def weighted(annotator: Annotator, neural_weight: float = 0.5) -> Annotator:
    """The annotator with a neural component that counts."""
    return replace(annotator, fusion=replace(annotator.fusion, neural_weight=neural_weight))


@pytest.fixture(scope="module")
def bag(fitted) -> Annotator:
    """An annotator whose networks are bags of genes, of half the weight."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scmamba.settings.verbosity", "error")
        patch.setattr("scmamba.settings.n_jobs", 1)
        found = tiny.annotate(fitted[0].copy(), labels_key="label", training=tiny.QUICK)
    return weighted(found)


def log_odds_slow(fusion: Fusion, linear: np.ndarray, neural: np.ndarray | None) -> np.ndarray:
    log_p = log_softmax(fusion.adjusted(linear, neural) / fusion.temperature, axis=1)
    others = [logsumexp(np.delete(log_p, i, 1), axis=1) for i in range(log_p.shape[1])]
    return log_p - np.stack(others, 1)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("unvalidated", [(), (1,)])
@pytest.mark.parametrize("tau", [0.0, 0.4])
def test_the_score_is_that_of_the_fusion(weight, unvalidated, tau) -> None:
    rng = np.random.default_rng(0)
    linear, neural = rng.normal(0, 4, (2, 9, 4))
    linear[:, 3] = -np.inf
    fusion = Fusion(
        neural_weight=weight, linear_temperature=1.3, neural_temperature=0.4, temperature=0.8,
        logit_adjustment_tau=tau, base_rates=(0.4, 0.3, 0.2, 0.1), unvalidated=unvalidated,
    )  # fmt: skip
    found = log_odds(fusion, torch.from_numpy(linear), torch.from_numpy(neural))
    np.testing.assert_allclose(found.numpy(), log_odds_slow(fusion, linear, neural), atol=1e-9)


def test_a_linear_score_of_two_classes_is_shared_out_exactly() -> None:
    coef = np.array([[1.0, -2.0, 0.0], [-1.0, 0.5, 3.0]])
    score = Scorer(Fusion(neural_weight=0.0), Linear(coef, np.zeros(2)), None)
    x, start = np.array([[1.0, 2.0, 0.5]]), np.array([[0.0, 1.0, 1.0]])
    points = Point(torch.from_numpy(x)), Point(torch.from_numpy(start))
    (found,), gap = integrated_gradients(score, *points, np.array([1]))
    np.testing.assert_allclose(found, (coef[1] - coef[0]) * (x - start), atol=1e-12)
    assert gap.max() < 1e-12


@pytest.mark.parametrize("baseline", ["mean", "zero"])
@pytest.mark.parametrize("kind", ["bag", "mamba"])
def test_attributions_sum_to_the_change_of_the_score(cells, fitted, bag, kind, baseline) -> None:
    annotator = bag if kind == "bag" else weighted(fitted[1])
    cells = cells if kind == "bag" else cells[:6].copy()
    assert annotator.neural.model.config.is_bag is (kind == "bag")
    found = annotator.explain(
        cells, n_genes=3, include_unknown=True, per_cell=True, baseline=baseline, seed=1
    )
    assert found.unexplained < 0.1  # nats, of changes of several
    prepared = annotator._predict(cells, {})
    assert sum(found.n_cells.values()) == len(cells)
    if kind == "bag":  # the score at the baseline is that of a cell with these values
        matched = annotator._match(expression(cells))
        start = _baseline(annotator, matched, baseline)
        network = annotator.neural
        with torch.no_grad():
            logits = [
                model.forward_matrix(torch.from_numpy(start[None]).float()).class_logits
                for model in network.members
            ]
        at_start = log_odds_slow(
            annotator.fusion, annotator.linear.logits(start[None]), torch.stack(logits).mean(0)
        )
        aligned = annotator._aligned(expression(cells), matched)
        change = scores(annotator, aligned) - at_start
        codes = prepared.log_proba.argmax(1)
        for code in np.unique(codes):
            total = found.attributions.loc[annotator.classes[code]].sum()
            assert total == pytest.approx(change[codes == code, code].mean(), abs=0.05)


def test_the_tables(cells, bag) -> None:
    found = bag.explain(cells, n_genes=4, n_cells=10, include_unknown=True, per_cell=True)
    assert isinstance(found, Explanation)
    table = found.table
    assert table.columns.tolist() == COLUMNS
    assert max(found.n_cells.values()) <= 10
    assert (table.groupby("cell_type").size() <= 4).all()
    for _, part in table.groupby("cell_type"):
        assert part["attribution"].is_monotonic_decreasing
    assert table["fraction_of_cells"].between(0, 1).all()
    assert set(table["evidence"]) <= {"expressed", "absent"}
    assert found.cells.columns[0] == "cell"
    assert set(found.cells["cell"]) <= set(cells.obs_names)
    assert "Explanation" in repr(found)
    assert list(found.top(2)) == list(found.n_cells)


def test_knock_outs_are_those_of_cells_without_the_gene(cells, bag) -> None:
    found = bag.explain(cells, n_genes=3, include_unknown=True, per_cell=True, seed=0)
    row = found.cells[found.cells["expression"] > 0].iloc[0]
    one = cells[[row["cell"]]].copy()
    match = bag._match(expression(one))
    prepared = bag._aligned(expression(one), match)
    code = bag.classes.index(row["cell_type"])
    before = scores(bag, prepared)[0, code]
    values = prepared.values.toarray()
    values[0, bag.panel.names.index(row["gene"])] = 0
    prepared.values.data[:] = values[0][prepared.values.indices]
    after = scores(bag, prepared)[0, code]
    assert row["knockout_effect"] == pytest.approx(before - after, abs=1e-5)


def test_the_genes_that_make_a_type_are_found() -> None:
    rng = np.random.default_rng(0)
    counts = rng.poisson(1.0, (120, 40)).astype(np.float32)
    types = np.repeat(["a", "b", "c"], 40)
    for i, name in enumerate("abc"):
        counts[types == name, 3 * i : 3 * i + 3] += rng.poisson(6, (40, 3))
    adata = ad.AnnData(counts, {"type": types})
    annotator = tiny.annotate(adata[::2], adata[1::2], labels_key="type", training=tiny.QUICK)
    tops = annotator.explain(adata, n_genes=6, include_unknown=True).top(3)
    marks = annotator.markers(3).groupby("cell_type")["gene"].agg(set)
    for i, name in enumerate("abc"):
        truth = set(adata.var_names[3 * i : 3 * i + 3])
        assert set(tops[name]) == truth
        assert marks[name] == truth


def test_type_profiles_are_means(cells, fitted) -> None:
    annotator = fitted[1]
    profiles = type_profiles(annotator)
    values = annotator._aligned(expression(cells)).values.toarray()
    for code, name in enumerate(annotator.classes):
        own = values[(cells.obs["label"] == name).to_numpy()].mean(0)
        assert np.corrcoef(own, profiles[code])[0, 1] > 0.9


def test_genes_that_the_cells_lack_do_not_count(cells, bag) -> None:
    names = bag.panel.names[:5]
    found = bag.explain(cells[:, ~cells.var_names.isin(names)].copy(), include_unknown=True)
    assert (found.attributions[names] == 0).all(axis=None)


def test_a_subset_is_explained_as_in_the_whole(cells, bag) -> None:
    options = {"n_genes": 3, "include_unknown": True, "per_cell": True}
    whole = bag.explain(cells, **options).cells.set_index(["cell", "gene"])["attribution"]
    part = bag.explain(cells[5:9].copy(), **options).cells.set_index(["cell", "gene"])
    np.testing.assert_allclose(part["attribution"], whole[part.index], atol=1e-6)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"cell_types": ["type_9"]}, "'type_9'.*'type_0'"),
        ({"n_genes": 0}, "n_genes=0"),
        ({"n_cells": "x"}, "n_cells='x'"),
        ({"baseline": "median"}, "'mean', 'zero'"),
        ({"per_cell": 1}, "True or False"),
        ({"layer": "nothing"}, "nothing"),
    ],
)
def test_wrong_options(cells, fitted, options, told) -> None:
    with pytest.raises(ScmambaError, match=told):
        fitted[1].explain(cells, **options)


def test_no_cell_to_explain(cells, fitted) -> None:
    never = replace(fitted[1], thresholds=np.full(3, np.inf))
    with pytest.raises(ScmambaError, match="include_unknown=True"):
        never.explain(cells)
