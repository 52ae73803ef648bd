"""What a configuration asks for happens: accumulation, precision, loggers, recomputation, NaN."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import lightning as L
import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.loggers import Logger
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy
from torch import nn

from scmamba._errors import ScmambaError
from scmamba.models import SequenceModel
from scmamba.stream import SequenceData
from scmamba.tokens import NucleotideTokenizer
from scmamba.train import (
    CLS,
    OBJECTIVES,
    CellEpochs,
    FitConfig,
    GeneSubsetEpochs,
    NextToken,
    SequenceEpochs,
    SequenceFitConfig,
    StreamEpochs,
    TokenClasses,
    TrainConfig,
    fit,
    fit_sequences,
    loggers,
    objectives,
    train,
)
from scmamba.train.budget import Pace, TimeBudget
from scmamba.train.module import TrainingModule
from scmamba.train.trainer import make_strategy, make_trainer

ROWS = np.arange(36)
PLAIN = {"dropout": 0.0, "input_norm": "none"}
CONFIG = FitConfig(epochs=1, batch_size=12, ema=0.0, max_tokens=None, last_max_tokens=None)


def test_gradients_are_accumulated(data, make) -> None:
    """Two batches of 6 a step are one of 12 where the batches hold the same cells."""
    trained = []
    for config in (CONFIG, replace(CONFIG, accumulate_grad_batches=2)):
        model, seen = make(**PLAIN), []
        parts = 1 if config is CONFIG else 2

        def batches(epoch, shard, parts=parts):
            whole = CellEpochs(data, ROWS, None, CONFIG, -1.0).epoch(epoch)
            for rows in whole.parts:
                for part in np.array_split(rows, parts):
                    yield next(iter(CellEpochs(data, part, None, CONFIG, -1.0).epoch(0)))

        class Watch(L.Callback):
            def on_before_zero_grad(self, trainer, module, optimizer):
                self.seen.append(trainer.global_step)

        Watch.seen = seen
        stream = StreamEpochs(batches, steps=3 * parts, epochs=1)
        assert stream.total_steps(parts) == 3
        train(model, stream, [CLS()], config)
        trained.append(model.state_dict())
    for name, tensor in trained[0].items():
        torch.testing.assert_close(trained[1][name], tensor, atol=1e-6, rtol=1e-4, msg=name)


def test_steps_are_counted_without_making_batches(data, make, monkeypatch) -> None:
    from scmamba.stream import CellBatches

    def refuse(self, *arguments, **options):
        raise AssertionError("a batch was made")

    monkeypatch.setattr(CellBatches, "__init__", refuse)
    config = FitConfig(epochs=3, batch_size=5)
    assert CellEpochs(data, ROWS, None, config, -1.0).total_steps() == 3 * 7
    assert CellEpochs(data, ROWS, None, config, -1.0).total_steps(2, 3) == 3
    assert CellEpochs(data, ROWS, ROWS, config, -1.0).validates
    budget = replace(config, token_budget=200)
    steps = CellEpochs(data, ROWS, None, budget, -1.0).total_steps()
    monkeypatch.undo()
    epochs = [CellEpochs(data, ROWS, None, budget, -1.0).epoch(i) for i in range(3)]
    assert steps == sum(map(len, epochs))


def test_a_stream_is_read_batch_by_batch(data, make) -> None:
    read = []

    def batches(epoch, shard):
        for batch in CellEpochs(data, ROWS, None, CONFIG, -1.0).epoch(epoch):
            read.append(epoch)
            yield batch

    held = list(CellEpochs(data, ROWS, np.arange(36, 48), CONFIG, -1.0).validation())
    stream = StreamEpochs(batches, steps=2, epochs=2, validation=held)
    result = train(make(), stream, [CLS()], TrainConfig(epochs=2))
    assert read == [0, 0, 1, 1]
    assert result.history["val_loss"].notna().all()
    with pytest.raises(ScmambaError, match="stream of epoch 1 ended after 3 of 5 batches"):
        train(make(), StreamEpochs(batches, steps=5, epochs=1), [CLS()], TrainConfig(epochs=1))


@pytest.mark.parametrize("what", ["lr", "data"])
def test_a_loss_that_is_not_finite_stops_with_one_clear_error(data, make, what) -> None:
    model = make(input_norm="none")
    if what == "data":
        values = data.tokens.values.astype(np.float32)
        values[7] = np.nan
        data = replace(data, tokens=replace(data.tokens, values=values))
    config = replace(CONFIG, epochs=9, lr=1e12 if what == "lr" else 1e-3)
    with pytest.raises(ScmambaError, match=r"no longer a finite number \(epoch .*cls nan") as error:
        fit(model, data, ROWS, [CLS()], config)
    assert f"lr={config.lr:g}" in str(error.value) and "NaN" in str(error.value)


def language_model(preset: str, **sizes: object) -> tuple[SequenceModel, SequenceData]:
    torch.manual_seed(0)
    model = SequenceModel.from_preset(preset, d_model=16, n_layer=2, d_state=4, **sizes)
    rng, tokenizer = np.random.default_rng(0), model.tokenizer
    ids = tuple(tokenizer.encode("".join(rng.choice(list("ACGT"), n))) for n in range(9, 21))
    return model, SequenceData(ids, tokenizer.pad_id)


@pytest.mark.parametrize(
    ("preset", "sizes"),
    [
        ("nt-mamba", {}),
        ("bimamba2", {"headdim": 8}),
        ("bimamba2", {"headdim": 8, "rc": "ps"}),
        ("bimamba2", {"headdim": 8, "mixer": "mamba1"}),
    ],
    ids=["causal", "bidirectional", "reverse-complement", "mamba1"],
)
def test_every_stack_recomputes_its_layers_to_the_same_weights(preset, sizes, monkeypatch) -> None:
    from scmamba.nn import sequence_stack

    calls, usual = [], sequence_stack.checkpoint
    monkeypatch.setattr(
        sequence_stack, "checkpoint", lambda *a, **k: calls.append(1) or usual(*a, **k)
    )
    trained = []
    for again in (False, True):
        model, data = language_model(preset, **sizes)
        objective = NextToken(tuple(range(7, 11))) if preset == "nt-mamba" else None
        if objective is None:
            data = replace(data, target=np.fromiter(data.ids, dtype=object, count=len(data)))
        config = SequenceFitConfig(
            epochs=2, batch_size=4, ema=0.0, activation_checkpointing=again, lr=1e-2
        )
        used = objective or TokenClasses(head="language")
        fit_sequences(model, data, np.arange(12), [used], config)
        trained.append(model.state_dict())
    assert len(calls) == 2 * 2 * 3  # layers, epochs, batches
    for name, tensor in trained[0].items():
        torch.testing.assert_close(trained[1][name], tensor, atol=1e-5, rtol=1e-3, msg=name)


def test_recomputation_says_where_it_has_no_effect(data, make, caplog, monkeypatch) -> None:
    logger = logging.getLogger("scmamba")
    monkeypatch.setattr(logger, "propagate", True)
    config = replace(CONFIG, activation_checkpointing=True)
    with caplog.at_level("WARNING", logger="scmamba"):
        fit(make(n_layer=0), data, ROWS, [CLS()], config)
    assert "no effect: CellModel has no Mamba layers" in caplog.text


def test_csv_logger_writes_losses_and_rates(data, make, tmp_path) -> None:
    config = replace(CONFIG, epochs=2, loggers=("csv",), log_every_n_steps=1)
    result = fit(make(), data, ROWS, [CLS()], config, val_rows=np.arange(36, 48), folder=tmp_path)
    table = pd.read_csv(tmp_path / "csv" / "metrics.csv")
    assert table["step_loss"].notna().sum() == 6
    assert table["learning_rate"].dropna().between(0, config.lr).all()
    np.testing.assert_allclose(
        table["train_loss"].dropna(), result.history["train_loss"], rtol=1e-5
    )
    assert table["val_loss"].notna().sum() == 2


def test_tensorboard_logger_writes_losses_and_rates(data, make, tmp_path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    config = replace(CONFIG, epochs=2, loggers=("tensorboard",), log_every_n_steps=1)
    result = fit(make(), data, ROWS, [CLS()], config, val_rows=np.arange(36, 48), folder=tmp_path)
    found = events.EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    assert [one.step for one in found.Scalars("step_loss")] == list(range(6))
    assert all(0 <= one.value <= config.lr for one in found.Scalars("learning_rate"))
    losses = [one.value for one in found.Scalars("train_loss")]
    np.testing.assert_allclose(losses, result.history["train_loss"], rtol=1e-5)
    assert len(found.Scalars("val_loss")) == 2


class Recorder(Logger):
    """Stands in for loggers whose packages are not installed."""

    name, version = "recorder", "0"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.rows = folder, []

    def log_hyperparams(self, *arguments: object, **options: object) -> None:
        """Nothing is kept."""

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Keep one entry."""
        self.rows.append((step, dict(metrics)))


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_loggers_of_other_services_are_told_the_same(
    data, make, tmp_path, monkeypatch, name
) -> None:
    made: list[Recorder] = []
    kind = loggers._Kind(lambda folder: made.append(Recorder(folder)) or made[-1], ())
    monkeypatch.setitem(loggers._KINDS, name, kind)
    config = replace(CONFIG, epochs=2, loggers=(name,), log_every_n_steps=1)
    fit(make(), data, ROWS, [CLS()], config, val_rows=np.arange(36, 48), folder=tmp_path)
    (logger,) = made
    assert logger.folder == tmp_path
    names = set().union(*(row for _, row in logger.rows))
    assert {"step_loss", "learning_rate", "train_loss", "val_loss"} <= names
    assert [step for step, row in logger.rows if "step_loss" in row] == list(range(6))


@pytest.mark.parametrize(
    ("name", "package"),
    [("tensorboard", "tensorboard"), ("wandb", "wandb"), ("mlflow", "mlflow")],
)
def test_a_logger_without_its_package_names_it(
    data, make, tmp_path, monkeypatch, name, package
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    config = replace(CONFIG, loggers=(name,))
    with pytest.raises(ScmambaError, match=f"'{name}' needs .* pip install {package}"):
        fit(make(), data, ROWS, [CLS()], config, folder=tmp_path)


def test_loggers_need_a_folder(data, make) -> None:
    with pytest.raises(ScmambaError, match=r"loggers=\('csv',\) need a folder"):
        fit(make(), data, ROWS, [CLS()], replace(CONFIG, loggers=("csv",)))


def trainer_of(config: TrainConfig) -> L.Trainer:
    return make_trainer(nn.Linear(2, 2), config, [], [])


def test_fields_reach_the_trainer() -> None:
    config = TrainConfig(
        epochs=3, accelerator="cpu", accumulate_grad_batches=4, precision="bf16-mixed", clip=0.5
    )
    trainer = trainer_of(config)
    assert (trainer.max_epochs, trainer.accumulate_grad_batches) == (3, 4)
    assert (trainer.precision, trainer.gradient_clip_val) == ("bf16-mixed", 0.5)
    assert trainer_of(TrainConfig()).precision == "32-true"
    many = trainer_of(TrainConfig(devices=3, num_nodes=2, accelerator="cpu", log_every_n_steps=7))
    assert (many.num_devices, many.num_nodes, many.world_size) == (3, 2, 6)
    assert many.log_every_n_steps == 7
    assert isinstance(many.strategy, DDPStrategy)


def test_strategies() -> None:
    assert make_strategy(TrainConfig()) == "auto"
    assert isinstance(make_strategy(TrainConfig(strategy="ddp")), DDPStrategy)
    assert isinstance(make_strategy(TrainConfig(strategy="fsdp", ema=0.0)), FSDPStrategy)
    with pytest.raises(ScmambaError, match="sharded weights cannot be averaged; set ema=0.0"):
        TrainConfig(strategy="fsdp")
    with pytest.raises(ScmambaError, match="fsdp.* give folder="):
        config = TrainConfig(strategy="fsdp", ema=0.0)
        train(nn.Linear(2, 2), StreamEpochs(lambda e, s: [], 1, 1), [CLS()], config)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"strategy": "dp"}, "strategy='dp'; allowed: 'auto', 'ddp', 'fsdp'"),
        ({"precision": "8"}, "precision='8'; allowed"),
        ({"loggers": ("comet",)}, "loggers='comet'; allowed: 'csv'"),
        ({"devices": 0}, "devices=0; give a whole number of at least 1"),
        ({"accumulate_grad_batches": 0}, "accumulate_grad_batches=0"),
        ({"keep_last": 0}, "keep_last=0"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0; give a finite number of at least 0"),
        ({"lr": "1e-3"}, "lr='1e-3'; give a finite number above 0"),
        ({"epochs": "ten"}, "epochs='ten'; give a whole number of at least 1"),
    ],
)
def test_a_wrong_value_is_named(wrong, message) -> None:
    with pytest.raises(ScmambaError, match=message):
        TrainConfig(**wrong)


def test_every_objective_is_registered() -> None:
    classes = {
        one
        for one in vars(objectives).values()
        if isinstance(one, type) and "name" in vars(one) and one is not objectives.Objective
    }
    assert set(OBJECTIVES.values()) == classes
    assert all(one.name == name for name, one in OBJECTIVES.items())


def test_shards_are_the_parts_of_one_batch(data) -> None:
    from scmamba.stream import GeneSubsets, Shard

    config = FitConfig(batch_size=4, max_tokens=None, last_max_tokens=None)
    twice = replace(config, batch_size=8)
    tokens = NucleotideTokenizer.caduceus()
    sequences = SequenceData(tuple(tokens.encode("ACGT" * n) for n in range(1, 37)), tokens.pad_id)
    kinds = [
        lambda c: CellEpochs(data, ROWS, None, c, -1.0),
        lambda c: GeneSubsetEpochs(data, ROWS, GeneSubsets(), c),
        lambda c: SequenceEpochs(
            sequences, ROWS, None, SequenceFitConfig(batch_size=c.batch_size), None, None
        ),
    ]
    for make in kinds:
        whole = make(twice).epoch(0)
        halves = [make(config).epoch(0, Shard(rank, 2)) for rank in (0, 1)]
        assert len(whole) == len(halves[0]) == len(halves[1]) == make(config).n_batches(0, 2)
        for one, two, both in zip(*(half.parts for half in halves), whole.parts, strict=True):
            assert sorted([*one, *two]) == sorted(both) and abs(len(one) - len(two)) <= 1
    budget = replace(config, token_budget=80)
    for rank in (0, 1, 2):
        epoch = CellEpochs(data, ROWS, None, budget, -1.0).epoch(0, Shard(rank, 3))
        assert min(map(len, epoch.parts)) >= 1
    with pytest.raises(ScmambaError, match="36 rows for 40 processes"):
        CellEpochs(data, ROWS, None, config, -1.0).epoch(0, Shard(0, 40))


def test_module_is_seeded_by_batch(data, make) -> None:
    module = TrainingModule(make(), [CLS()], TrainConfig(seed=1), Pace(10, TimeBudget()))
    draws = []
    for index in (0, 1, 0):
        module.on_train_batch_start(None, index)
        draws.append(torch.rand(1).item())
    assert draws[0] == draws[2] != draws[1]
