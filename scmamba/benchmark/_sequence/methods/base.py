"""What a way to classify sequences offers, and the published training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba.benchmark._sequence.tasks import SequenceTask
from scmamba.learn.calibration import loss
from scmamba.metrics import expected_calibration_error
from scmamba.train import SequenceFitConfig

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


@dataclass(frozen=True)
class SequenceRun:
    """Predictions of a method for a task's test split.

    Attributes
    ----------
    guesses
        (n_test,) int64 classes by the name of the row: ``""`` where validation data chose, else
        ``"test-selected"`` or the component that predicts alone.
    n_parameters
        Number of trained parameters.
    seconds
        Seconds to fit and predict.
    about
        Choices and versions that are kept with the run.
    calibration
        By the name of the row: ``"ece"`` and ``"log_loss"`` from :func:`calibration_of`.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.benchmark import SequenceRun
    >>> SequenceRun({"": np.array([0, 1, 1])}, n_parameters=1200, seconds=3.5).guesses[""].tolist()
    [0, 1, 1]
    """

    guesses: dict[str, npt.NDArray[np.int64]]
    n_parameters: int
    seconds: float
    about: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class SequenceMethod:
    """A way to classify sequences.

    Attributes
    ----------
    run
        Takes a task, a seed and the training of published networks; fits the training part and
        predicts the test part.
    one_core
        Whether it does not spread over the cores by itself.
    published
        Whether it looks at the training of published networks.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.benchmark import SequenceMethod, SequenceRun
    >>> def first_class(task, seed, config):
    ...     return SequenceRun({"": np.zeros(len(task.test), dtype=np.int64)}, 0, 0.0)
    >>> SequenceMethod(first_class).one_core
    True
    """

    run: Callable[[SequenceTask, int, SequenceFitConfig], SequenceRun]
    one_core: bool = True
    published: bool = False


def codes_of(task: SequenceTask) -> tuple[list[Any], dict[str, npt.NDArray[np.int64]]]:
    """Classes of a task, and those of each part as numbers."""
    parts = {"train": task.train, "validation": task.validation, "test": task.test}
    names = sorted({x for p in parts.values() for x in p.labels.tolist()}, key=str)
    place = {name: i for i, name in enumerate(names)}
    codes = {k: np.array([place[x] for x in p.labels], dtype=np.int64) for k, p in parts.items()}
    return names, codes


def calibration_of(
    truth: npt.NDArray[np.int64], proba: npt.NDArray[np.float64]
) -> dict[str, float]:
    """Return expected calibration error and log loss (in nats) of probabilities.

    Parameters
    ----------
    truth
        (n,) classes.
    proba
        (n, n_classes) probabilities.
    """
    right = proba.argmax(1) == truth
    ece = expected_calibration_error(proba.max(1), right)
    return {"ece": ece, "log_loss": loss("classification", proba, truth)}
