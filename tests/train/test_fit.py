"""Training learns, keeps what was best, goes on where it was killed, and can be stopped."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from dataclasses import replace

import lightning as L
import numpy as np
import pytest
import torch

from scmamba._errors import ScmambaError
from scmamba.stream import CellBatches
from scmamba.train import CLS, GEP, MVC, CellEpochs, FitConfig, fit
from scmamba.train.callbacks import Best, History
from scmamba.train.module import TrainingModule

TRAIN, VAL = np.arange(36), np.arange(36, 48)
CONFIG = FitConfig(epochs=3, batch_size=12, ema=0.5, max_tokens=10, last_max_tokens=14)

BUDGET = replace(CONFIG, token_budget=100)  # other numbers of steps in the last epoch


def weights(model) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same(a, b) -> None:
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


def test_labels_are_learned(data, make) -> None:
    config = FitConfig(epochs=6, batch_size=6, lr=1e-2, ema=0.5, max_tokens=None)
    result = fit(make(), data, TRAIN, [CLS()], config, val_rows=VAL)
    assert result.history["train_loss"].iloc[-1] < 0.5 * result.history["train_loss"].iloc[0]
    assert result.history["val_accuracy"].iloc[-1] > 0.8
    assert result.history.index.tolist() == [1, 2, 3, 4, 5, 6]


def test_expression_is_learned_without_labels(data, make) -> None:
    config = FitConfig(epochs=6, batch_size=6, lr=1e-2, ema=0.0, mask_ratio=0.3, max_tokens=None)
    history = fit(make(), data, np.arange(48), [GEP(), MVC(0.5)], config).history
    assert set(history.columns) == {"train_gep", "train_mvc", "train_loss"}
    assert history["train_loss"].iloc[-1] < 0.8 * history["train_loss"].iloc[0]
    parts = history["train_gep"] + 0.5 * history["train_mvc"]
    np.testing.assert_allclose(history["train_loss"], parts, rtol=1e-5)


def test_two_runs_are_the_same_and_leave_the_generators_alone(data, make) -> None:
    found = []
    for noise in (1, 2):
        model = make(dropout=0.2)
        torch.manual_seed(noise)
        np.random.seed(noise)
        before, before_numpy = torch.get_rng_state(), np.random.get_state()[1].copy()
        fit(model, data, TRAIN, [CLS()], CONFIG, val_rows=VAL)
        assert torch.equal(torch.get_rng_state(), before)
        assert (np.random.get_state()[1] == before_numpy).all()
        found.append(weights(model))
    assert_same(*found)
    other = make(dropout=0.2)
    fit(other, data, TRAIN, [CLS()], FitConfig(**{**vars(CONFIG), "seed": 1}), val_rows=VAL)
    assert not torch.equal(
        weights(other)["heads.class.out.weight"], found[0]["heads.class.out.weight"]
    )


def test_activation_checkpointing_changes_nothing(data, make) -> None:
    found = []
    for again in (False, True):
        model = make(dropout=0.2)
        config = replace(CONFIG, activation_checkpointing=again)
        fit(model, data, TRAIN, [CLS()], config, val_rows=VAL)
        assert model.stack.checkpointing is again
        found.append(weights(model))
    for name, tensor in found[0].items():
        torch.testing.assert_close(found[1][name], tensor, msg=name)


def test_a_model_that_was_read_or_judged_before_trains_like_a_new_one(data, make) -> None:
    found = []
    for model in (make(dropout=0.5), make(dropout=0.5).eval()):
        fit(model, data, TRAIN, [CLS()], CONFIG)
        found.append(weights(model))
    assert_same(*found)


def test_frozen_parts_stay_in_evaluation_mode(data, make) -> None:
    model, seen = make(dropout=0.5), []
    model.gene_embedding.requires_grad_(False)
    model.register_forward_pre_hook(
        lambda m, _: seen.append((m.training, m.gene_embedding.training, m.stack.training))
    )
    fit(model, data, TRAIN, [CLS()], replace(CONFIG, epochs=1))
    assert set(seen) == {(True, False, True)}


def by_hand(model, data, epochs: int, decay: float):
    """AdamW, warm-up and cosine, clipping and the average, written out."""
    passes = [
        CellBatches(data, TRAIN, token_budget=100, shuffle=True, epoch=epoch)
        for epoch in range(epochs)
    ]
    n_steps = sum(map(len, passes))
    many = [p for p in model.parameters() if p.ndim > 1]
    few = [p for p in model.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": many}, {"params": few, "weight_decay": 0.0}], lr=2e-3, weight_decay=0.05
    )
    average, step = None, 0
    model.train()
    for epoch, batches in enumerate(passes):
        torch.manual_seed(epoch)
        for batch in batches:
            share = step / n_steps
            factor = (
                (step + 1) / (0.1 * n_steps + 1)
                if share < 0.1
                else 0.5 * (1 + np.cos(np.pi * (share - 0.1) / 0.9))
            )
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * factor
            out = model(batch.gene_ids, batch.values, batch.padding_mask)
            loss = torch.nn.functional.cross_entropy(out.class_logits, batch.labels)
            optimizer.zero_grad()
            (loss * len(batch.rows) / (len(TRAIN) / len(batches))).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            now = weights(model)
            average = (
                now
                if average is None
                else {k: decay * average[k] + (1 - decay) * now[k] for k in now}
            )
    return average


def test_steps_and_average_are_what_they_say(data, make) -> None:
    plain = {"dropout": 0.0, "input_norm": "none"}  # a norm's zero gradients are noise to AdamW
    model = make(**plain)
    config = FitConfig(epochs=2, token_budget=100, ema=0.7, max_tokens=None, last_max_tokens=None)
    fit(model, data, TRAIN, [CLS()], config)
    expected = by_hand(make(**plain), data, epochs=2, decay=0.7)
    start, found = weights(make(**plain)), weights(model)
    moved = 0
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-5, rtol=1e-4)
        moved += int(not torch.allclose(start[name], tensor, atol=1e-4))
    assert moved > 10


def test_last_epoch_sees_longer_cells(data, make, monkeypatch) -> None:
    seen = []
    step = TrainingModule.training_step

    def watch(self, batch, index):
        seen.append(int((~batch.padding_mask).sum(1).max()) - 1)
        return step(self, batch, index)

    monkeypatch.setattr(TrainingModule, "training_step", watch)
    fit(make(), data, TRAIN, [CLS()], CONFIG)
    assert seen == [10] * 6 + [14] * 3


def test_epochs_may_have_different_numbers_of_steps(data, make, monkeypatch) -> None:
    """Every cell once an epoch, and a learning rate that falls to 0 with the last step."""
    seen: list[list[int]] = [[], [], []]
    steps, rates = [0, 0, 0], []
    step = TrainingModule.training_step

    def watch(self, batch, index):
        seen[self.current_epoch] += batch.rows.tolist()
        steps[self.current_epoch] += 1
        rates.append(self.lr_schedulers().get_last_lr()[0])
        assert batch.gene_ids.numel() <= 100
        return step(self, batch, index)

    monkeypatch.setattr(TrainingModule, "training_step", watch)
    fit(make(), data, TRAIN, [CLS()], BUDGET, val_rows=VAL)
    assert [sorted(rows) for rows in seen] == [TRAIN.tolist()] * 3
    assert steps[0] == steps[1] < steps[2]
    assert CellEpochs(data, TRAIN, None, BUDGET, -1.0).total_steps() == sum(steps)
    share = (sum(steps) - 1) / sum(steps)
    last = 0.5 * (1 + np.cos(np.pi * (share - BUDGET.warmup) / (1 - BUDGET.warmup)))
    assert rates[-1] == pytest.approx(BUDGET.lr * last)


def test_padding_is_told(data, make, caplog, monkeypatch) -> None:
    logger = logging.getLogger("scmamba")
    monkeypatch.setattr(logger, "propagate", True)
    with caplog.at_level("DEBUG", logger="scmamba"):
        fit(make(), data, TRAIN, [CLS()], replace(BUDGET, max_tokens=None), text="learning")
    batches = CellEpochs(data, TRAIN, None, replace(BUDGET, max_tokens=None), -1.0).epoch(1)
    told = f"learning: {len(batches)} steps an epoch, padding {batches.padding_share:.1%}"
    assert batches.padding_share > 0
    assert told in [record.message for record in caplog.records]


def test_a_lone_cell_is_refused_where_cells_are_normed(data, make) -> None:
    for rows, config in ((TRAIN[:1], BUDGET), (TRAIN, replace(CONFIG, batch_size=1))):
        with pytest.raises(ScmambaError, match="1 in the smallest batch; allowed: .* and 2 where"):
            fit(make(cell_norm=True), data, rows, [CLS()], config)
        result = fit(make(), data, rows[:3], [CLS()], replace(config, epochs=1))
        assert len(result.history) == 1
    with pytest.raises(ScmambaError, match="0 cell\\(s\\) to learn from"):
        fit(make(), data, TRAIN[:0], [CLS()], CONFIG)


def test_averaged_weights_are_validated_and_the_best_epoch_kept(data, make, monkeypatch) -> None:
    """Scores are dictated: epoch 2 is best, so its validated weights must come out."""
    scores = iter([3.0, 1.0, 2.0])
    validated = []

    def validate(self, batch, index):
        validated.append(weights(self.model))
        self.log_dict({"val_loss": torch.tensor(next(scores))}, batch_size=len(batch))

    monkeypatch.setattr(TrainingModule, "validation_step", validate)
    trained = []
    end = TrainingModule.training_step

    def remember(self, batch, index):
        trained.append(weights(self.model))
        return end(self, batch, index)

    monkeypatch.setattr(TrainingModule, "training_step", remember)
    model = make()
    result = fit(model, data, TRAIN, [CLS()], CONFIG, val_rows=VAL)
    assert result.best_epoch == 2
    assert result.history["val_loss"].tolist() == [3, 1, 2]
    assert_same(weights(model), validated[1])
    name = "heads.class.out.weight"
    # the average is what is validated, and training goes on from the weights themselves
    assert not torch.equal(validated[0][name], trained[3][name])
    assert not model.training


def test_patience_stops(data, make, monkeypatch) -> None:
    scores = iter([1.0, 2.0, 0.5, 3.0, 3.0, 0.1])

    def validate(self, batch, index):
        self.log_dict({"val_loss": torch.tensor(next(scores))}, batch_size=len(batch))

    monkeypatch.setattr(TrainingModule, "validation_step", validate)
    config = FitConfig(**{**vars(CONFIG), "epochs": 6, "patience": 2})
    result = fit(make(), data, TRAIN, [CLS()], config, val_rows=VAL)
    assert result.history["val_loss"].tolist() == [1, 2, 0.5, 3, 3]
    assert result.best_epoch == 3


class Killed(Exception):
    pass


@pytest.mark.parametrize("val_rows", [VAL, None])
@pytest.mark.parametrize(("epoch", "when"), [(1, "start"), (2, "start"), (1, "middle")])
def test_a_killed_run_goes_on_to_the_same_weights(
    data, make, tmp_path, monkeypatch, val_rows, epoch, when
) -> None:
    whole = make(dropout=0.1)
    expected = fit(whole, data, TRAIN, [CLS()], BUDGET, val_rows=val_rows)
    with monkeypatch.context() as patch:
        start, step = TrainingModule.on_train_epoch_start, TrainingModule.training_step

        def kill_at_start(self):
            if self.current_epoch == epoch and when == "start":
                raise Killed
            start(self)

        def kill_in_the_middle(self, batch, index):
            if self.current_epoch == epoch and index == 1 and when == "middle":
                raise Killed
            return step(self, batch, index)

        patch.setattr(TrainingModule, "on_train_epoch_start", kill_at_start)
        patch.setattr(TrainingModule, "training_step", kill_in_the_middle)
        with pytest.raises(Killed):
            fit(make(dropout=0.1), data, TRAIN, [CLS()], BUDGET, val_rows=val_rows, folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]
    torch.manual_seed(77)
    resumed = make(dropout=0.1)
    found = fit(resumed, data, TRAIN, [CLS()], BUDGET, val_rows=val_rows, folder=tmp_path)
    assert_same(weights(whole), weights(resumed))
    assert found.best_epoch == expected.best_epoch
    assert found.history.index.tolist() == expected.history.index.tolist()
    np.testing.assert_array_equal(found.history["train_loss"], expected.history["train_loss"])


def test_a_finished_run_is_not_run_again(data, make, tmp_path) -> None:
    first, second = make(), make()
    whole = fit(first, data, TRAIN, [CLS()], CONFIG, val_rows=VAL, folder=tmp_path)
    again = fit(second, data, TRAIN, [CLS()], CONFIG, val_rows=VAL, folder=tmp_path)
    assert_same(weights(first), weights(second))
    assert again.history["train_loss"].tolist() == whole.history["train_loss"].tolist()


class Boom:
    def __reduce__(self):
        return (open, ("/nonexistent/pickle-ran", "r"))


def test_a_checkpoint_runs_no_code(data, make, tmp_path) -> None:
    fit(make(), data, TRAIN, [CLS()], CONFIG, folder=tmp_path)
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    torch.save({**content, "boom": Boom()}, tmp_path / "last.ckpt")
    with pytest.raises(ScmambaError, match="UnpicklingError.*delete it to start over"):
        fit(make(), data, TRAIN, [CLS()], CONFIG, folder=tmp_path)


def test_a_truncated_checkpoint_is_told(data, make, tmp_path) -> None:
    fit(make(), data, TRAIN, [CLS()], CONFIG, folder=tmp_path)
    file = tmp_path / "last.ckpt"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ScmambaError, match="last.ckpt cannot be read"):
        fit(make(), data, TRAIN, [CLS()], CONFIG, folder=tmp_path)


@pytest.fixture
def _ctrl_c_is_heard() -> Iterator[None]:
    """Python's own handler: a shell starts background jobs with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_ctrl_c_is_heard")
@pytest.mark.parametrize("where", ["training_step", "validation_step"])
def test_ctrl_c_comes_through_and_leaves_the_checkpoint(
    data, make, tmp_path, monkeypatch, where
) -> None:
    before = signal.getsignal(signal.SIGINT)
    step = getattr(TrainingModule, where)

    def interrupt(self, batch, index):
        if self.current_epoch == 1:
            signal.raise_signal(signal.SIGINT)
        return step(self, batch, index)

    torch.manual_seed(3)
    state = torch.get_rng_state()
    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, where, interrupt)
        model = make()
        torch.set_rng_state(state)
        with pytest.raises(KeyboardInterrupt):
            fit(model, data, TRAIN, [CLS()], CONFIG, val_rows=VAL, folder=tmp_path)
    assert signal.getsignal(signal.SIGINT) is before
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 0
    result = fit(make(), data, TRAIN, [CLS()], CONFIG, val_rows=VAL, folder=tmp_path)
    assert len(result.history) == 3


def test_ctrl_c_comes_through_where_c_code_handles_signals(data, make, monkeypatch) -> None:
    read = signal.getsignal
    before = read(signal.SIGINT)

    def interrupt(self, batch, index):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(signal, "getsignal", lambda n: None if n == signal.SIGINT else read(n))
        patch.setattr(TrainingModule, "training_step", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fit(make(), data, TRAIN, [CLS()], CONFIG)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_frozen_weights_stay(data, make) -> None:
    model = make()
    model.gene_embedding.requires_grad_(False)
    before = weights(model)
    fit(model, data, TRAIN, [CLS()], CONFIG)
    after = weights(model)
    name = "gene_embedding.embedding.weight"
    assert torch.equal(before[name], after[name])
    assert not torch.equal(before["heads.class.out.weight"], after["heads.class.out.weight"])


def test_wrong_objectives_are_refused_before_any_work(data, make, tmp_path) -> None:
    with pytest.raises(ScmambaError, match="need heads that the model lacks"):
        fit(make(n_classes=0), data, TRAIN, [CLS()], CONFIG, folder=tmp_path)
    with pytest.raises(ScmambaError, match="weight is 0"):
        fit(make(), data, TRAIN, [CLS(0), GEP(0)], CONFIG, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": -1},
        {"token_budget": 0},
        {"lr": 0},
        {"clip": 0},
        {"ema": 1},
        {"mask_ratio": -0.1},
    ],
)
def test_config_is_checked(wrong) -> None:
    with pytest.raises(ScmambaError, match=next(iter(wrong))):
        FitConfig(**wrong)


def test_histories_and_best_go_through_a_checkpoint() -> None:
    class Trainer:
        world_size = 1

    history, best = History(), Best(None)
    assert history.frame.empty and history.frame.index.name == "epoch"
    history.rows, best.score, best.epoch = [{"epoch": 1, "train_loss": 2.0}], 0.5, 1
    other, other_best = History(), Best(None)
    checkpoint: dict[str, object] = {}
    history.on_save_checkpoint(Trainer(), None, checkpoint)
    other.on_load_checkpoint(Trainer(), None, checkpoint)
    other_best.load_state_dict(best.state_dict())
    assert other.frame.equals(history.frame)
    assert (other_best.score, other_best.epoch) == (0.5, 1)
    assert isinstance(history, L.Callback)
