"""Plain predictors of effects, on effects made of parts that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scmamba._errors import ScmambaError
from scmamba.learn.effects.baselines import (
    BASELINES,
    Additive,
    ContextMeanDelta,
    ContextPlusPerturbation,
    Embedding,
    LatentShift,
    MatchingMean,
    MeanEffect,
    NearestPerturbations,
    SimilarContexts,
    TwoSidedRidge,
)
from scmamba.learn.effects.predictor import Query
from scmamba.learn.effects.table import EffectTable

N_GENES = 12
GENES = pd.Index([f"g{i}" for i in range(N_GENES)])


def table_of(effects, perturbations, contexts):
    return EffectTable.from_effects(np.asarray(effects), perturbations, contexts, GENES)


def random_table(seed=0):
    rng = np.random.default_rng(seed)
    keys = [((f"g{i}",), context) for i in range(6) for context in ("T", "NK")]
    return table_of(rng.normal(size=(12, N_GENES)), [k[0] for k in keys], [k[1] for k in keys])


@pytest.mark.parametrize("name", list(BASELINES))
def test_rows_are_predicted_by_themselves(name):
    fitted = BASELINES[name].fit(random_table())
    perturbations = [("g0",), ("g9",), ("g0", "g1"), ("drug",), ()]
    contexts = ["T", "mast", "NK", "T", "T"]
    whole = fitted.predict(Query.of(perturbations, contexts))
    assert whole.shape == (5, N_GENES) and np.isfinite(whole).all()
    assert not whole[4].any()
    for i in range(5):
        alone = fitted.predict(Query.of(perturbations[i : i + 1], contexts[i : i + 1]))
        np.testing.assert_allclose(alone[0], whole[i], atol=1e-10)


def test_mean_effect():
    table = random_table()
    fitted = MeanEffect().fit(table)
    found = fitted.predict(Query.of([("new",), ("new",)], ["T", "mast"]))
    in_t = np.array(table.contexts) == "T"
    np.testing.assert_allclose(found[0], table.effects[in_t].mean(0), rtol=1e-5)
    np.testing.assert_allclose(found[1], table.effects.mean(0), atol=1e-6)


def test_combinations_are_joined_from_singles():
    table = random_table()
    query = Query.of([("g1", "g2"), ("g1", "new")], ["T", "T"])
    one, two = table.effects[2], table.effects[4]
    mean = MeanEffect().fit(table).predict(Query.of([("new",)], ["T"]))[0]
    np.testing.assert_allclose(
        Additive().fit(table).predict(query), [one + two, one + mean], atol=1e-5
    )
    np.testing.assert_allclose(
        MatchingMean().fit(table).predict(query), [(one + two) / 2, one], atol=1e-5
    )


def test_changes_are_carried_to_other_contexts():
    table = random_table().where(np.arange(11))  # g5 in NK is missing
    query = Query.of([("g5",)], ["NK"])
    np.testing.assert_allclose(
        ContextMeanDelta().fit(table).predict(query)[0], table.effects[10], rtol=1e-6
    )
    means = {c: table.effects[np.array(table.contexts) == c].mean(0) for c in ("T", "NK")}
    np.testing.assert_allclose(
        ContextPlusPerturbation().fit(table).predict(query)[0],
        means["NK"] + table.effects[10] - means["T"],
        atol=1e-5,
    )


def test_similar_contexts_weigh_by_softmax_of_correlation():
    rng = np.random.default_rng(1)
    x = rng.poisson(2.0, (60, N_GENES)).astype(np.float32)
    perturbations = [() if i % 2 else ("A",) for i in range(60)]
    contexts = [("T", "NK", "B")[i // 2 % 3] for i in range(60)]
    from scipy import sparse

    table = EffectTable.from_cells(sparse.csr_matrix(x), perturbations, contexts, GENES)
    train = table.where(np.array(table.contexts) != "B")
    control = table.control_of(["B"])
    found = SimilarContexts(0.1).fit(train).predict(Query.of([("A",)], ["B"], control))[0]
    r = [np.corrcoef(control[0], one)[0, 1] for one in train.control_of(train.contexts)]
    weight = np.exp(np.array(r) / 0.1)
    np.testing.assert_allclose(found, weight / weight.sum() @ train.effects, rtol=1e-4)


def test_nearest_takes_the_neighbors_of_the_context():
    table = random_table()
    angle = np.arange(8) * 0.3
    embedding = Embedding(
        pd.Index([f"g{i}" for i in range(8)]), np.stack([np.cos(angle), np.sin(angle)], 1)
    )
    fitted = NearestPerturbations(embedding, k=2).fit(table)
    found = fitted.predict(Query.of([("g7",), ("drug",)], ["T", "T"]))
    np.testing.assert_allclose(found[0], (table.effects[8] + table.effects[10]) / 2, atol=1e-6)
    np.testing.assert_allclose(
        found[1], MeanEffect().fit(table).predict(Query.of([("drug",)], ["T"]))[0]
    )


def test_ridge_solves_both_sides():
    table = random_table()
    rng = np.random.default_rng(2)
    embedding = Embedding(GENES, rng.normal(size=(N_GENES, 3)))
    fitted = TwoSidedRidge(embedding, n_components=4, penalty=0.5).fit(table)
    found = fitted.predict(Query.of([("g9",)], ["T"]))[0]
    rows = np.array(table.contexts) == "T"
    y = table.effects[rows].astype(float)
    g = Embedding.of_effects(table.where(rows), 4).vectors
    p = embedding.vectors[:6]
    center = y.mean(0)
    left = np.linalg.inv(g.T @ g + 0.5 * np.eye(4)) @ g.T
    right = p @ np.linalg.inv(p.T @ p + 0.5 * np.eye(3))
    k = left @ (y - center).T @ right
    np.testing.assert_allclose(found, center + g @ k @ embedding.vectors[9], atol=1e-6)


def test_embeddings_are_checked():
    with pytest.raises(ScmambaError, match="two rows 'A'"):
        Embedding.of(pd.DataFrame(np.eye(2), index=["A", "A"]))
    with pytest.raises(ScmambaError, match="lengths"):
        Embedding.of({"A": [1.0], "B": [1.0, 2.0]})
    with pytest.raises(ScmambaError, match="NaN"):
        Embedding.of({"A": [np.nan]})


def test_components_of_many_and_of_few_effects_agree():
    tall = random_table()
    wide = table_of(np.vstack([tall.effects] * 2), [(str(i),) for i in range(24)], ["T"] * 24)
    one, two = (Embedding.of_effects(t, 3).vectors for t in (tall, wide))
    np.testing.assert_allclose(np.sqrt(2) * abs(one), abs(two), atol=1e-4)


def test_latent_shift_moves_cells_of_an_unseen_context():
    rng = np.random.default_rng(0)
    base = {"T": 1.0, "NK": 3.0, "B": 5.0}
    x, perturbations, contexts = [], [], []
    for context, level in base.items():
        for perturbation in ((), ("A",)):
            if context == "B" and perturbation:
                continue
            cells = rng.normal(level, 0.05, (20, N_GENES))
            cells[:, 0] += 2.0 * len(perturbation)
            x.append(cells)
            perturbations += [perturbation] * 20
            contexts += [context] * 20
    x = np.vstack(x)
    fitted = LatentShift(3).fit(x, perturbations, contexts)
    made = fitted.cells(x[-20:], ("A",))
    change = made.mean(0) - x[-20:].mean(0)
    assert change[0] == pytest.approx(2.0, abs=0.1)
    np.testing.assert_allclose(change[1:], 0, atol=0.1)
    np.testing.assert_allclose(fitted.cells(x[:2], ("new",)), fitted.cells(x[:2], ("A",)))
    with pytest.raises(ScmambaError, match="controls"):
        LatentShift(2).fit(x[:5], [("A",)] * 5, ["T"] * 5)
