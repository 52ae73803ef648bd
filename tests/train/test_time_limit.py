"""Trainings that end when their time is over, by a clock that the tests turn."""

from __future__ import annotations

import lightning as L
import numpy as np
import pytest
import torch

from scmamba._errors import ScmambaError
from scmamba.train import CLS, CellEpochs, FitConfig, TimeBudget, TrainConfig, train

TRAIN, VAL = np.arange(36), np.arange(36, 48)
CONFIG = FitConfig(epochs=20, batch_size=6, ema=0.0, max_tokens=None, last_max_tokens=None)
STEPS = 6  # per epoch


class Clock(L.Callback):
    """Seconds that pass in each step and each validation, and the rates that were used."""

    def __init__(self, step: float, validation: float = 0.0) -> None:
        self.now, self.step, self.validation = 0.0, step, validation
        self.rates: list[float] = []

    def __call__(self) -> float:
        return self.now

    def on_train_batch_start(self, trainer, *_) -> None:
        self.now += self.step
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_validation_batch_start(self, *_) -> None:
        self.now += self.validation


def run(model, data, clock: Clock, minutes: float | None, *, config=CONFIG, val=None, **more):
    batches = CellEpochs(data, TRAIN, val, config, -1.0)
    budget = TimeBudget(minutes, clock=clock)
    return train(model, batches, [CLS()], config, budget=budget, callbacks=[clock], **more)


def test_training_stops_when_its_time_is_over(data, make) -> None:
    clock = Clock(step=1.0)
    result = run(make(), data, clock, 0.75, text="network 1 of 2")
    assert 44 <= clock.now <= 46 and len(clock.rates) == pytest.approx(45, abs=1)
    (cut,) = result.cuts
    assert str(cut) == "7.5 of 20 epochs (network 1 of 2)"
    assert len(result.history) == result.best_epoch == 8  # the last of them was not completed
    assert clock.rates[-1] < 0.02 * CONFIG.lr  # the rate fell in the time there was
    assert max(clock.rates) > 0.9 * CONFIG.lr


def test_time_to_spare_changes_nothing(data, make) -> None:
    config = FitConfig(**{**vars(CONFIG), "epochs": 3})
    weights = []
    for minutes in (None, 5):
        model = make()
        result = run(model, data, Clock(step=1.0), minutes, config=config)
        assert result.cuts == () and len(result.history) == 3
        weights.append(model.state_dict())
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


def test_the_last_validation_is_within_the_time(data, make) -> None:
    clock = Clock(step=1.0, validation=8.0)
    result = run(make(), data, clock, 1, val=VAL)
    assert 52 <= clock.now <= 60
    assert result.history["val_loss"].notna().all() and result.cuts


def test_a_run_that_was_cut_can_be_continued(data, make, tmp_path) -> None:
    model = make()
    first = run(model, data, Clock(step=1.0), 0.5, folder=tmp_path)
    assert len(first.history) == 5 and first.cuts
    rest = run(make(), data, Clock(step=1.0), None, folder=tmp_path)
    assert not rest.cuts and len(rest.history) == CONFIG.epochs


def test_minutes_are_a_field() -> None:
    assert TrainConfig(max_minutes=0.5).max_minutes == 0.5
    with pytest.raises(ScmambaError, match="max_minutes=0; give a finite number above 0"):
        TrainConfig(max_minutes=0)
    assert "max_minutes" not in TrainConfig(max_minutes=0.5).decisive
