"""A run goes on where it was killed, at any step, and never from another run's checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scmamba._errors import ScmambaError
from scmamba.train import CLS, ECS, FitConfig, fit
from scmamba.train.module import TrainingModule

TRAIN, VAL = np.arange(36), np.arange(36, 48)
CONFIG = FitConfig(
    epochs=2,
    batch_size=6,
    ema=0.5,
    max_tokens=10,
    last_max_tokens=14,
    checkpoint_every_n_steps=1,
)
ACCUMULATED = replace(CONFIG, accumulate_grad_batches=4)  # the last step of an epoch is of two


class Killed(Exception):
    pass


def kill_before(monkeypatch: pytest.MonkeyPatch, n_batches: int) -> None:
    """Let a training die when it has done so many batches."""
    step, done = TrainingModule.training_step, []

    def training_step(self, batch, index):
        if len(done) == n_batches:
            raise Killed
        done.append(index)
        return step(self, batch, index)

    monkeypatch.setattr(TrainingModule, "training_step", training_step)


@pytest.mark.parametrize("config", [CONFIG, ACCUMULATED], ids=["plain", "accumulated"])
@pytest.mark.parametrize("n_batches", [1, 4, 5, 6, 8, 11])
def test_killed_at_any_step_a_run_goes_on_to_the_same_losses_and_weights(
    data, make, tmp_path, monkeypatch, config, n_batches
) -> None:
    whole, resumed = make(dropout=0.2), make(dropout=0.2)
    expected = fit(whole, data, TRAIN, [CLS(), ECS(0.1)], config, val_rows=VAL)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_before(patch, n_batches)
        fit(
            make(dropout=0.2),
            data,
            TRAIN,
            [CLS(), ECS(0.1)],
            config,
            val_rows=VAL,
            folder=tmp_path,
        )
    batches = []
    step = TrainingModule.training_step

    def watch(self, batch, index):
        batches.append((self.current_epoch, index))
        return step(self, batch, index)

    monkeypatch.setattr(TrainingModule, "training_step", watch)
    found = fit(resumed, data, TRAIN, [CLS(), ECS(0.1)], config, val_rows=VAL, folder=tmp_path)
    per_step = config.accumulate_grad_batches
    kept = n_batches // per_step * per_step if n_batches < 6 else n_batches
    if n_batches > 6:
        kept = 6 + (n_batches - 6) // per_step * per_step
    assert batches == [divmod(i, 6) for i in range(kept, 12)]
    np.testing.assert_array_equal(found.history.to_numpy(), expected.history.to_numpy())
    assert list(found.history.columns) == list(expected.history.columns)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name


def other_labels(data):
    return replace(data, labels=1 - data.labels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": other_labels}, "other data"),
        ({"rows": np.arange(30)}, "other training examples"),
        ({"val_rows": np.arange(40, 48)}, "other validation examples"),
        ({"config": {"seed": 3}}, "seed=0 there, 3 here"),
        ({"config": {"lr": 0.5}}, r"lr=0.002 there, 0.5 here"),
        ({"config": {"epochs": 9}}, "epochs=2 there, 9 here"),
        ({"objectives": [CLS(2.0)]}, r"objectives was 'CLS\(weight=1.0"),
        ({"model": {"dropout": 0.2, "d_state": 8}}, "other model"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(data, make, tmp_path, changes, message) -> None:
    config = replace(CONFIG, epochs=2, checkpoint_every_n_steps=None)
    fit(make(), data, TRAIN, [CLS()], config, val_rows=VAL, folder=tmp_path)
    before = (tmp_path / "last.ckpt").read_bytes()
    with pytest.raises(ScmambaError, match=f"last.ckpt is of another run: .*{message}"):
        fit(
            make(**changes.get("model", {})),
            changes.get("data", lambda same: same)(data),
            changes.get("rows", TRAIN),
            changes.get("objectives", [CLS()]),
            replace(config, **changes.get("config", {})),
            val_rows=changes.get("val_rows", VAL),
            folder=tmp_path,
        )
    assert (tmp_path / "last.ckpt").read_bytes() == before


def test_what_does_not_change_the_result_may_differ(data, make, tmp_path) -> None:
    fit(make(), data, TRAIN, [CLS()], CONFIG, val_rows=VAL, folder=tmp_path)
    other = replace(CONFIG, activation_checkpointing=True, keep_last=3, loggers=("csv",))
    found = fit(make(), data, TRAIN, [CLS()], other, val_rows=VAL, folder=tmp_path)
    assert len(found.history) == 2


def test_a_checkpoint_that_names_no_run_is_refused(data, make, tmp_path) -> None:
    fit(make(), data, TRAIN, [CLS()], CONFIG, folder=tmp_path)
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    del content["scmamba_run"]
    torch.save(content, tmp_path / "last.ckpt")
    with pytest.raises(ScmambaError, match="does not say which run it is of; delete it"):
        fit(make(), data, TRAIN, [CLS()], CONFIG, folder=tmp_path)


def steps_of(folder: Path) -> dict[str, int]:
    return {
        path.name: torch.load(path, weights_only=True)["global_step"]
        for path in sorted(folder.glob("*.ckpt"))
    }


def test_as_many_checkpoints_are_kept_as_asked_for(data, make, tmp_path) -> None:
    config = replace(CONFIG, checkpoint_every_n_steps=2, keep_last=3)
    fit(make(), data, TRAIN, [CLS()], config, folder=tmp_path)
    kept = {"last.ckpt": 12, "step-00000008.ckpt": 8, "step-00000010.ckpt": 10}
    assert steps_of(tmp_path) == kept


def test_epochs_between_checkpoints_and_the_best(data, make, tmp_path, monkeypatch) -> None:
    scores = iter([3.0, 1.0, 2.0, 4.0, 5.0])

    def validate(self, batch, index):
        self.log_dict({"val_loss": torch.tensor(next(scores))}, batch_size=len(batch))

    monkeypatch.setattr(TrainingModule, "validation_step", validate)
    config = replace(
        CONFIG,
        epochs=5,
        checkpoint_every_n_steps=None,
        checkpoint_every_n_epochs=2,
        keep_last=9,
        keep_best=True,
    )
    fit(make(), data, TRAIN, [CLS()], config, val_rows=VAL, folder=tmp_path)
    assert steps_of(tmp_path) == {
        "best.ckpt": 12,
        "last.ckpt": 30,
        "step-00000012.ckpt": 12,
        "step-00000024.ckpt": 24,
    }
