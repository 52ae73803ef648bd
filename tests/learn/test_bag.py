"""A bag of genes learns from a matrix what it would learn from tokens."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from scmamba.learn.axes import fit_axes
from scmamba.learn.bag import LabeledMatrix, fit_bag, outputs_of_matrix
from scmamba.learn.training import AnnotationTraining
from scmamba.models import CellModel
from scmamba.tasks._annotation.networks import compact, compact_data, label_objective
from scmamba.tasks._forward import forward
from scmamba.tasks._gene_vectors import component_vectors
from scmamba.train import FitConfig
from scmamba.train.budget import TimeBudget

GENES = [f"g{i}" for i in range(20)]
CONFIG = FitConfig(epochs=6, batch_size=32, lr=1e-2, ema=0.5, ema_ramp=True, mask_ratio=0.5)


@pytest.fixture
def cells() -> LabeledMatrix:
    """60 cells of 3 classes, each with five genes of its own."""
    rng = np.random.default_rng(0)
    codes = np.arange(60) % 3
    rates = np.where(np.arange(20) // 5 == codes[:, None], 4.0, 0.4)
    values = np.log1p(rng.poisson(rates)).astype(np.float32)
    return LabeledMatrix(sparse.csr_matrix(values), codes)


def network(cells: LabeledMatrix, **training) -> CellModel:
    vectors = component_vectors(fit_axes(cells.values, 16), 16)
    return compact(GENES, vectors, 3, AnnotationTraining(width=16, **training), 0)


def test_it_learns_classes_and_tells_how_held_out_cells_fare(cells) -> None:
    model, held = network(cells), cells.take(np.arange(45, 60))
    objective = label_objective(cells.codes, 3)
    found = fit_bag(model, cells.take(np.arange(45)), objective, CONFIG, held=held)
    assert found.history.index.tolist() == [1, 2, 3, 4, 5, 6] and found.best_epoch == 6
    assert found.history["train_loss"].iloc[-1] < found.history["train_loss"].iloc[0]
    _, logits = outputs_of_matrix(model, held.values)
    accuracy = (logits.argmax(1) == held.codes).mean()
    assert accuracy > 0.8
    assert found.history["val_accuracy"].iloc[-1] == pytest.approx(accuracy)
    assert not model.training and not found.cuts


def test_the_seed_alone_decides(cells) -> None:
    found = []
    for seed, noise in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        model = network(cells)
        fit_bag(model, cells, label_objective(cells.codes, 3), FitConfig(epochs=1, seed=seed))
        assert torch.equal(torch.get_rng_state(), before)
        found.append(outputs_of_matrix(model, cells.values)[1])
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.allclose(found[0], found[2])


def test_the_cells_given_stay_as_they_are(cells) -> None:
    before = cells.values.copy()
    fit_bag(network(cells), cells, label_objective(cells.codes, 3), CONFIG)
    assert (before != cells.values).nnz == 0


def test_it_ends_with_its_time(cells) -> None:
    """Steps of one second in a budget of ten: ten steps, and the learning rate has fallen."""
    model, now = network(cells), [0.0]

    def clock() -> float:
        now[0] += 0.25  # it is read four times a step
        return now[0]

    budget = TimeBudget(10 / 60, clock=clock)
    found = fit_bag(model, cells, label_objective(cells.codes, 3), CONFIG, budget=budget)
    (cut,) = found.cuts
    assert cut.what == "epochs" and 0 < cut.done < cut.planned == 6
    assert len(found.history) == found.best_epoch < 6


@pytest.mark.parametrize("n", [2, 3, 17])
def test_few_cells(cells, n) -> None:
    model = network(cells)
    fit_bag(model, cells.take(np.arange(n)), label_objective(cells.codes[:n], 3), CONFIG)
    assert np.isfinite(outputs_of_matrix(model, cells.values)[1]).all()


def test_a_matrix_and_tokens_give_the_same(cells) -> None:
    model = network(cells)
    fit_bag(model, cells, label_objective(cells.codes, 3), CONFIG)
    embedding, logits = outputs_of_matrix(model, cells.values)
    tokens = forward(model, compact_data(cells.values, GENES))
    np.testing.assert_allclose(embedding, tokens.embedding, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(logits, tokens.class_logits, rtol=1e-4, atol=1e-5)
