"""The neural residual: helps where there is something to learn, costs nothing elsewhere."""

import numpy as np
import pandas as pd
import pytest
import torch

from scmamba._errors import ScmambaError
from scmamba.learn.effects.model import EffectModel
from scmamba.learn.effects.predictor import Query
from scmamba.learn.effects.residual.fit import left_out
from scmamba.learn.effects.residual.network import ResidualNetwork
from scmamba.learn.effects.residual.residual import choose_share
from scmamba.learn.effects.table import EffectTable
from scmamba.tasks import PerturbationTraining

GENES = pd.Index([f"p{i}" for i in range(24)])


def _table(learnable):
    """Effects of 24 perturbed genes, each of which lowers itself, or noise."""
    effects = 0.1 * np.random.default_rng(0).normal(size=(24, 24))
    if learnable:
        effects += np.roll(np.eye(24), 0, 1) * -np.linspace(1, 3, 24)
    return EffectTable.from_effects(effects, [(g,) for g in GENES], [""] * 24, GENES)


@pytest.mark.parametrize("n_layer", [0, 1])
def test_an_untrained_network_corrects_nothing(n_layer):
    network = ResidualNetwork(torch.randn(6, 3), 4, width=8, n_layer=n_layer, d_state=4)
    values = torch.randn(2, 6)
    assert not network(values, values, torch.ones(2, 6), torch.randn(2, 4)).any()


def test_noise_gets_no_share():
    training = PerturbationTraining(epochs=5, width=8)
    table = _table(False)
    model = EffectModel(training=training).fit(table)
    assert model.residual.shares == {"perturbation": 0.0} and model.residual.network is None
    plain = EffectModel().fit(table).predict(Query.of([("unknown",)]))
    np.testing.assert_array_equal(model.predict(Query.of([("unknown",)])), plain)


def test_what_the_flag_tells_is_learned(monkeypatch):
    monkeypatch.setattr("scmamba.learn.effects.unseen._own_change", lambda *args: None)
    training = PerturbationTraining(epochs=30, learning_rate=1e-2, width=16, max_minutes=None)
    table = _table(True)
    rest = np.setdiff1d(np.arange(24), [5, 20])
    model = EffectModel(training=training).fit(table.where(rest))
    assert model.residual.shares["perturbation"] > 0
    asked = Query.of([("p5",), ("p20",), ("p6",)])
    found = model.predict(asked)
    assert found[0, 5] < -0.5 and found[1, 20] < -0.5
    np.testing.assert_allclose(found[2], table.effects[6])  # what was measured stays
    alone = model.predict(Query.of([("p20",)]))
    np.testing.assert_array_equal(alone[0], found[1])


def test_what_the_time_limit_cut_is_told():
    training = PerturbationTraining(epochs=100_000, width=8, max_minutes=0.005)
    residual = EffectModel(training=training).fit(_table(False)).residual
    assert residual.time["max_minutes"] == 0.005
    for network in range(1, 4):
        assert f"of 100000 epochs (network {network} of 4)" in residual.time["cut"]


def test_held_out_predictions_never_saw_their_perturbation():
    table = _table(False)
    examples = left_out(EffectModel(), table, 3, 0)
    for fold in range(3):
        held = examples.folds == fold
        fitted = EffectModel().fit(table.where(np.flatnonzero(~held)))
        slow = fitted.predict(Query.rows_of(table.where(np.flatnonzero(held))))
        np.testing.assert_allclose(examples.baseline[held], slow)


def test_a_share_must_be_told_from_noise():
    target = np.random.default_rng(0).normal(size=(9, 5))
    assert choose_share(target, target, np.ones(9)) == 1.0
    assert choose_share(target, -target, np.ones(9)) == 0.0
    assert choose_share(target[:2], target[:2], np.ones(2)) == 0.0


@pytest.mark.parametrize("option", [{"n_genes": 0}, {"n_folds": 1}, {"learning_rate": 0.0}])
def test_wrong_settings(option):
    with pytest.raises(ScmambaError, match=next(iter(option))):
        PerturbationTraining(**option)
