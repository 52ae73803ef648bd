"""Methods of the benchmark: the published networks, ours, and a linear model on k-mers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import lightning as L
import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import Callback
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from scmamba._errors import ScmambaError
from scmamba._settings import settings
from scmamba.models.device import precision, resolve_device
from scmamba.models.sequence.baselines import BASELINES
from scmamba.tasks.sequence._benchmark.tasks import Task
from scmamba.tasks.sequence._supervised.deep import Networks
from scmamba.tasks.sequence._supervised.forward import outputs, sequence_data
from scmamba.tasks.sequence.fit import fit
from scmamba.tokens.nucleotides import NucleotideTokenizer
from scmamba.train import CLS, SequenceFitConfig, fit_sequences

PUBLISHED = SequenceFitConfig(
    epochs=10,
    batch_size=256,
    lr=1e-3,
    weight_decay=0.01,
    warmup=0.05,
    warmup_from=0.1,
    clip=1.0,
    ema=0.0,
)
"""The published training, but for the seed."""
LOOK_EVERY = 2
"""Epochs between two looks at the test split, of which the best is published."""
_STRENGTHS = (0.001, 0.01, 0.1, 1.0)
"""Inverse penalties of the linear model, of which the one that validates best is taken."""


@dataclass(frozen=True)
class Run:
    """What a method says of a task's test split.

    Attributes
    ----------
    guesses
        (n_test,) int64 classes by the name of the row: ``""`` where validation data chose, what
        else there is (``"test-selected"``, a view alone) otherwise.
    n_parameters
        Trained numbers.
    seconds
        To fit and predict.
    about
        What else is worth keeping.
    """

    guesses: dict[str, npt.NDArray[np.int64]]
    n_parameters: int
    seconds: float
    about: dict[str, Any] = field(default_factory=dict)


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


def run_method(method: str, task: Task, seed: int, config: SequenceFitConfig) -> Run:
    """Fit a method to a task's training part and predict its test part.

    Parameters
    ----------
    method
        One of :data:`METHODS`.
    task
        Its splits.
    seed
        Of all that is random.
    config
        How the published networks are trained.
    """
    if method not in METHODS:
        raise ScmambaError(f"model {method!r}; allowed: {', '.join(METHODS)}")
    return METHODS[method](method, task, seed, config)


def codes_of(task: Task) -> tuple[list[Any], dict[str, npt.NDArray[np.int64]]]:
    """Classes of a task, and those of each part as numbers."""
    parts = {"train": task.train, "validation": task.validation, "test": task.test}
    names = sorted({x for p in parts.values() for x in p.labels.tolist()}, key=str)
    place = {name: i for i, name in enumerate(names)}
    codes = {k: np.array([place[x] for x in p.labels], dtype=np.int64) for k, p in parts.items()}
    return names, codes


def _network(method: str, task: Task, seed: int, config: SequenceFitConfig) -> Run:
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

    def predict() -> npt.NDArray[np.int64]:
        return np.stack(outputs([network], unseen, both_strands=False)).argmax(1)

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
    return Run(
        {"": predict(), "test-selected": looks.guess},
        sum(p.numel() for p in network.parameters()),
        time.perf_counter() - start,
        {"epoch": result.best_epoch, "epoch_test_selected": looks.epoch, "precision": used},
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


def _ours(method: str, task: Task, seed: int, config: SequenceFitConfig) -> Run:
    start = time.perf_counter()
    names, _ = codes_of(task)
    place = {name: i for i, name in enumerate(names)}
    predictor = fit(
        list(task.train.texts),
        task.train.labels,
        validation=(list(task.validation.texts), task.validation.labels),
        seed=seed,
    )
    texts = list(task.test.texts)
    guesses = {"": predictor.predict(texts)}
    seconds = time.perf_counter() - start
    guesses |= {f"{part} alone": predictor.predict(texts, parts=part) for part in ("deep", "wide")}
    assert isinstance(predictor.deep, Networks)
    n = sum(p.numel() for network in predictor.deep.members for p in network.parameters())
    return Run(
        {name: np.array([place[x] for x in guess]) for name, guess in guesses.items()},
        n + (0 if predictor.wide is None else predictor.wide.linear.coef.size),
        seconds,
        {**predictor.about, "validation": predictor.validation},
    )


def _kmers(method: str, task: Task, seed: int, config: SequenceFitConfig) -> Run:
    start = time.perf_counter()
    _, codes = codes_of(task)
    count = CountVectorizer(analyzer="char", ngram_range=(3, 6), lowercase=False)
    x, held = count.fit_transform(task.train.texts), count.transform(task.validation.texts)
    fits = [LogisticRegression(C=c, max_iter=1000).fit(x, codes["train"]) for c in _STRENGTHS]
    best = max(fits, key=lambda fit: fit.score(held, codes["validation"]))
    guess = best.predict(count.transform(task.test.texts)).astype(np.int64)
    return Run({"": guess}, best.coef_.size, time.perf_counter() - start, {"C": best.C})


METHODS: dict[str, Callable[[str, Task, int, SequenceFitConfig], Run]] = {
    "mamba": _network,
    "cnn": _network,
    "transformer": _network,
    "scmamba": _ours,
    "kmer": _kmers,
}
"""``scmamba`` is :func:`scmamba.tasks.sequence.fit`: a bidirectional Mamba-2 and a linear view;
``kmer`` is scikit-learn's logistic regression on counts of 3- to 6-mers, its penalty chosen on
validation data."""
ONE_CORE = (*BASELINES, "kmer")
"""Methods that do not spread over the cores by themselves."""
