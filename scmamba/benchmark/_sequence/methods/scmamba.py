"""scmamba: a bidirectional Mamba-2 and a linear component."""

from __future__ import annotations

import time
from functools import partial

import numpy as np

from scmamba.benchmark._sequence.methods.base import SequenceMethod, SequenceRun, codes_of
from scmamba.benchmark._sequence.tasks import SequenceTask
from scmamba.learn.training import SequenceTraining
from scmamba.tasks.sequence.fit import fit
from scmamba.train import SequenceFitConfig


def scmamba(
    task: SequenceTask,
    seed: int,
    config: SequenceFitConfig,
    training: SequenceTraining | None = None,
) -> SequenceRun:
    """:func:`scmamba.tasks.sequence.fit`, and each of its components alone.

    Parameters
    ----------
    task, seed
        The task, and the seed of all that is random.
    config
        Not used: it describes the training of published networks.
    training
        How networks are trained; None: the defaults.
    """
    start = time.perf_counter()
    names, _ = codes_of(task)
    place = {name: i for i, name in enumerate(names)}
    predictor = fit(
        list(task.train.texts),
        task.train.labels,
        validation=(list(task.validation.texts), task.validation.labels),
        training=training,
        seed=seed,
    )
    texts = list(task.test.texts)
    guesses = {"": predictor.predict(texts)}
    seconds = time.perf_counter() - start
    guesses |= {
        f"{part} alone": predictor.predict(texts, parts=part) for part in ("neural", "linear")
    }
    n = sum(p.numel() for network in predictor.neural.members for p in network.parameters())
    return SequenceRun(
        {name: np.array([place[x] for x in guess]) for name, guess in guesses.items()},
        n + (0 if predictor.linear is None else predictor.linear.linear.coef.size),
        seconds,
        {**predictor.about, "validation": predictor.validation},
    )


SCMAMBA = SequenceMethod(scmamba)
NO_MAMBA = SequenceMethod(partial(scmamba, training=SequenceTraining(n_layer=0)))
