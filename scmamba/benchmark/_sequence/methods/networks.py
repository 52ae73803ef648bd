"""The published networks of the 18-task comparison, trained as published."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import lightning as L
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import Callback
from scipy.special import softmax

from scmamba._settings import settings
from scmamba.benchmark._sequence.methods.base import (
    SequenceMethod,
    SequenceRun,
    calibration_of,
    codes_of,
)
from scmamba.benchmark._sequence.tasks import SequenceTask
from scmamba.models.device import precision, resolve_device
from scmamba.models.sequence.baselines import BASELINES
from scmamba.tasks.sequence._supervised.forward import outputs, sequence_data
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer
from scmamba.train import CLS, SequenceFitConfig, fit_sequences

LOOK_EVERY = 2
"""Epochs between two predictions of the test split, of which the best is published."""


class _Looks(Callback):
    """Predicts the test split every other epoch, as the published protocol does."""

    def __init__(self, predict: Callable[[], npt.NDArray[np.int64]], truth: Any) -> None:
        self.predict, self.truth = predict, truth
        self.best, self.epoch, self.guess = -1.0, 0, np.zeros(0, dtype=np.int64)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the best look."""
        epoch = trainer.current_epoch + 1
        if epoch % LOOK_EVERY and epoch != trainer.max_epochs:
            return
        guess = self.predict()
        if (accuracy := float((guess == self.truth).mean())) > self.best:
            self.best, self.epoch, self.guess = accuracy, epoch, guess
        pl_module.train()


def train_network(
    method: str, task: SequenceTask, seed: int, config: SequenceFitConfig
) -> SequenceRun:
    """Train the published network ``method``; predict with two choices of the epoch."""
    start = time.perf_counter()
    names, codes = codes_of(task)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = BASELINES[method](len(names)).to(resolve_device())
    n, tokenizer = len(task.train), NucleotideTokenizer.benchmark()
    texts = (*task.train.texts, *task.validation.texts)
    target = np.concatenate([codes["train"], codes["validation"]])
    data = sequence_data(texts, tokenizer, other=False, target=target)
    unseen = sequence_data(task.test.texts, tokenizer, other=False)

    def logits() -> npt.NDArray[np.float64]:
        return np.stack(outputs([network], unseen, both_strands=False))

    def predict() -> npt.NDArray[np.int64]:
        return logits().argmax(1)

    looks = _Looks(predict, codes["test"])
    with _published_precision() as used:
        result = fit_sequences(
            network,
            data,
            np.arange(n),
            [CLS()],
            replace(config, seed=seed),
            val_rows=np.arange(n, len(texts)),
            text=f"{task.name}, {method}",
            callbacks=[looks],
        )
    chosen = logits()
    return SequenceRun(
        {"": chosen.argmax(1), "test-selected": looks.guess},
        sum(p.numel() for p in network.parameters()),
        time.perf_counter() - start,
        {"epoch": result.best_epoch, "epoch_test_selected": looks.epoch, "precision": used},
        {"": calibration_of(codes["test"], softmax(chosen, axis=1))},
    )


@contextmanager
def _published_precision() -> Iterator[str]:
    """bfloat16, as published, where the processor multiplies it and nothing else was asked for."""
    usual = settings.precision
    here = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    on_cpu = resolve_device().type == "cpu"
    if usual == "auto" and on_cpu and any(getattr(torch.cpu, name, bool)() for name in here):
        settings.precision = "bfloat16"
    try:
        yield "float32" if precision(resolve_device()) is None else "bfloat16"
    finally:
        settings.precision = usual


MAMBA, CNN, TRANSFORMER = (
    SequenceMethod(partial(train_network, name), published=True)
    for name in ("mamba", "cnn", "transformer")
)
