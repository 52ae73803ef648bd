"""Effects of unseen perturbations and contexts, against what made-up data were made of."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scmamba.learn.effects import contexts as contexts_module
from scmamba.learn.effects.context_choice import fit_context_weights
from scmamba.learn.effects.contexts import averaged, precision_of, softmax_weights
from scmamba.learn.effects.embeddings import GeneEmbeddings
from scmamba.learn.effects.gene_sets import GeneSets
from scmamba.learn.effects.kriging import fit_kriging
from scmamba.learn.effects.model import EffectModel
from scmamba.learn.effects.pairs import fit_pair_model
from scmamba.learn.effects.predictor import Query
from scmamba.learn.effects.table import EffectTable

N_GENES = 30
GENES = pd.Index([f"g{i}" for i in range(N_GENES)])


def _effects(n=12, seed=0):
    """Effects of two groups of perturbations that act alike within a group."""
    rng = np.random.default_rng(seed)
    modules = rng.normal(size=(2, N_GENES))
    return modules[np.arange(n) % 2] + 0.2 * rng.normal(size=(n, N_GENES))


def _sets(n=12):
    groups = [[f"p{i}" for i in range(n) if i % 2 == k] for k in (0, 1)]
    return GeneEmbeddings(GeneSets.of({"even": groups[0], "odd": groups[1]}))


def _table(effects, context="", skip=()):
    rows = [i for i in range(len(effects)) if i not in skip]
    return EffectTable.from_effects(
        effects[rows], [(f"p{i}",) for i in rows], [context] * len(rows), GENES
    )


def test_left_out_predictions_of_kriging_equal_refits():
    effects = _effects()
    kernel = _sets().kernels([f"p{i}" for i in range(12)], [f"p{i}" for i in range(12)])
    fitted = fit_kriging(kernel, effects)
    assert fitted.kernel != "mean"
    chosen = kernel[fitted.kernel]
    for i in range(12):
        rest = np.arange(12) != i
        inverse = np.linalg.inv(chosen[np.ix_(rest, rest)] + fitted.noise * np.eye(11))
        ones = np.ones(11)
        center = (ones @ inverse @ effects[rest]) / (ones @ inverse @ ones)
        slow = center + chosen[i, rest] @ inverse @ (effects[rest] - center)
        np.testing.assert_allclose(fitted.held_out[i], slow, rtol=1e-8, atol=1e-10)


def test_an_unseen_perturbation_acts_like_those_that_share_gene_sets():
    effects = _effects()
    model = EffectModel(_sets()).fit(_table(effects, skip=(0, 1)))
    found = model.predict(Query.of([("p0",), ("p1",), ("unknown",)]))
    assert np.corrcoef(found[0], effects[0])[0, 1] > 0.8
    assert np.corrcoef(found[1], effects[1])[0, 1] > 0.8
    assert np.abs(np.corrcoef(found[2], effects[0])[0, 1]) < 0.8


def test_knowledge_that_does_not_help_is_not_used():
    effects = np.random.default_rng(1).normal(size=(12, N_GENES))
    model = EffectModel(_sets()).fit(_table(effects))
    mean = model.predict(Query.of([("unknown",)]))[0]
    found = model.predict(Query.of([("p99",)]))[0]
    np.testing.assert_allclose(found, mean)
    assert model.unseen[""].kriging.noise >= 1 or model.unseen[""].kriging.kernel == "mean"


def test_a_prediction_does_not_depend_on_others_in_the_query():
    model = EffectModel(_sets()).fit(_table(_effects(), skip=(0, 1)))
    both = model.predict(Query.of([("p0",), ("p1",), ("p2", "p3")]))
    for i, one in enumerate([("p0",), ("p1",), ("p2", "p3")]):
        np.testing.assert_array_equal(model.predict(Query.of([one]))[0], both[i])


def test_effects_in_a_new_context_are_those_of_alike_contexts():
    rng = np.random.default_rng(0)
    profiles = rng.gamma(2.0, size=(2, N_GENES))
    modules = rng.normal(size=(2, N_GENES))
    values, perturbations, contexts = [], [], []
    for c in range(8):
        for treated in (False, True):
            mean = profiles[c % 2] + 0.1 * rng.normal(size=N_GENES) + treated * modules[c % 2]
            values.append(mean + 0.1 * rng.normal(size=(20, N_GENES)))
            perturbations += [("drug",) if treated else ()] * 20
            contexts += [f"c{c}"] * 20
    values = np.vstack(values)
    seen = np.array(contexts) != "c0"
    table = EffectTable.from_cells(
        sparse.csr_matrix(values[seen]),
        [p for p, s in zip(perturbations, seen, strict=True) if s],
        [c for c, s in zip(contexts, seen, strict=True) if s],
        GENES,
    )
    controls = values[~seen][:20].mean(0, keepdims=True)
    found = EffectModel().fit(table).predict(Query.of([("drug",)], ["c0"], controls))[0]
    assert np.abs(found - modules[0]).mean() < 0.15
    assert fit_context_weights(table).temperature < 1


@pytest.mark.parametrize("taken", [0.0, 0.4])
def test_contexts_that_grow_alike_are_predicted_to_grow_alike(taken):
    """Controls of a context differ from their mean; the drug takes a share of that away."""
    rng = np.random.default_rng(0)
    own = rng.normal(size=(8, N_GENES))
    module = 2 * rng.normal(size=N_GENES)
    controls = 5 + own
    effects = module - taken * (own - own.mean(0)) + 0.01 * rng.normal(size=own.shape)
    names = tuple(f"c{i}" for i in range(8))
    table = replace(
        EffectTable.from_effects(effects[1:], [("drug",)] * 7, names[1:], GENES),
        controls=controls,
        context_names=names,
    )
    model = EffectModel().fit(table)
    assert model.weights.convergence == pytest.approx(taken, abs=0.11)
    found = model.predict(Query.of([("drug",)], ["c0"], controls[:1]))[0]
    assert np.abs(found - effects[0]).mean() < 0.3
    foreign = model.predict(Query.of([("drug",)], ["of another study"], controls[:1]))[0]
    carried = replace(model, weights=replace(model.weights, convergence=0.0))
    plain = carried.predict(Query.of([("drug",)], ["c0"], controls[:1]))[0]
    np.testing.assert_array_equal(foreign, plain)


def test_pairs_are_predicted_from_perturbations_that_act_alike_elsewhere():
    first, second = _effects(16, seed=0), _effects(16, seed=3)
    one, other = _table(first, "A"), _table(second, "B", skip=(0, 1))
    both = EffectTable.from_effects(
        np.vstack([one.effects, other.effects]),
        one.perturbations + other.perturbations,
        one.contexts + other.contexts,
        GENES,
    )
    model = fit_pair_model(both, "B")
    assert model is not None
    found = EffectModel().fit(both).predict(Query.of([("p0",)], ["B"]))[0]
    assert np.corrcoef(found, second[0])[0, 1] > 0.8


def test_measured_effects_are_returned_and_doses_are_interpolated():
    table = EffectTable.from_effects(
        np.array([[1.0, 0.0], [3.0, 0.0]]),
        [("drug",)] * 2,
        [""] * 2,
        pd.Index(["a", "b"]),
        np.array([1.0, 100.0]),
    )
    doses = np.array([1.0, 10.0, 100.0, 1000.0, 0.0])
    found = EffectModel().fit(table).predict(Query.of([("drug",)] * 5, doses=doses))
    np.testing.assert_allclose(found[:, 0], [1, 2, 3, 3, 0])


@pytest.mark.parametrize("factor", [0.5, 1.0])
def test_combinations_are_scaled_sums(factor):
    singles = np.random.default_rng(0).normal(size=(4, N_GENES))
    names = [("a",), ("b",), ("c",), ("d",)]
    table = EffectTable.from_effects(
        np.vstack([singles, factor * (singles[0] + singles[1])]),
        [*names, ("a", "b")],
        [""] * 5,
        GENES,
    )
    found = EffectModel().fit(table).predict(Query.of([("c", "d")]))[0]
    np.testing.assert_allclose(found, factor * (singles[2] + singles[3]), rtol=1e-4, atol=1e-5)


def test_a_knocked_down_gene_itself_goes_down():
    effects = 0.01 * np.random.default_rng(0).normal(size=(10, N_GENES))
    effects[np.arange(10), np.arange(10)] = -1.0
    table = EffectTable.from_effects(effects, [(f"g{i}",) for i in range(10)], [""] * 10, GENES)
    found = EffectModel().fit(table).predict(Query.of([("g20",)]))[0]
    assert found[20] == pytest.approx(-1.0, abs=0.05)
    assert np.abs(np.delete(found, np.arange(10))[11:]).max() < 0.3


def test_weights_sum_to_one_and_precise_genes_weigh_more():
    allowed = np.array([[True, True, False]])
    weights = softmax_weights(np.array([[0.9, 0.1, 1.0]]), allowed, 0.1)
    np.testing.assert_allclose(weights.sum(), 1)
    assert weights[0, 2] == 0
    effects, errors = np.array([[0.0, 0.0], [1.0, 1.0]]), np.array([[0.1, 1.0], [1.0, 0.1]])
    weights, precision = np.array([[0.5, 0.5]]), precision_of(errors, effects[:1])
    found = averaged(weights, effects * precision, precision)[0]
    assert found[0] < 0.5 < found[1]
    np.testing.assert_allclose(averaged(weights, effects, None)[0], 0.5)


def test_a_prediction_in_many_cells_is_that_in_each(monkeypatch):
    rng = np.random.default_rng(0)
    values, perturbations, contexts = [], [], []
    for c in range(4):
        for label in ((), ("drug",)):
            values.append(rng.gamma(2.0, size=(8, N_GENES)) + c)
            perturbations += [label] * 8
            contexts += [f"c{c}"] * 8
    table = EffectTable.from_cells(
        sparse.csr_matrix(np.vstack(values)), perturbations, contexts, GENES
    )
    model = EffectModel().fit(table)
    controls = rng.gamma(2.0, size=(5, N_GENES))
    made = []
    monkeypatch.setattr(
        contexts_module, "precision_of", lambda *both: made.append(1) or precision_of(*both)
    )
    many = model.predict(Query.of([("drug",)] * 5, ["new"] * 5, controls))
    assert len(made) <= 1
    for i in range(5):
        one = model.predict(Query.of([("drug",)], ["new"], controls[i : i + 1]))
        np.testing.assert_array_equal(one[0], many[i])


def test_the_chosen_kernel_alone_is_that_among_all():
    tables = {"mine": pd.DataFrame(np.random.default_rng(0).normal(size=(6, 3)))}
    tables["mine"].index = [f"p{i}" for i in range(6)]
    knowledge = GeneEmbeddings(_sets().gene_sets, tables)
    names = [f"p{i}" for i in range(5)]
    for choice, kernel in knowledge.kernels(names, names).items():
        np.testing.assert_allclose(knowledge.kernel(choice, names, names), kernel)


def test_combinations_that_oppose_their_parts_are_not_predicted_to_be_nothing():
    effects = np.stack([np.ones(N_GENES), np.ones(N_GENES), -np.ones(N_GENES)])
    table = EffectTable.from_effects(effects, [("A",), ("B",), ("A", "B")], [""] * 3, GENES)
    assert EffectModel().fit(table).scale == pytest.approx(0.2)
