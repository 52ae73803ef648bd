"""scmamba: a bidirectional Mamba-2 and a linear component."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from scmamba.benchmark._sequence.methods.base import (
    SequenceMethod,
    SequenceRun,
    calibration_of,
    codes_of,
)
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
    names, codes = codes_of(task)
    predictor = fit(
        list(task.train.texts),
        task.train.labels,
        validation=(list(task.validation.texts), task.validation.labels),
        training=training,
        seed=seed,
    )
    texts = list(task.test.texts)
    proba: dict[str, Any] = {"": predictor.predict_proba(texts)}
    seconds = time.perf_counter() - start
    proba |= {
        f"{part} alone": predictor.predict_proba(texts, parts=part) for part in ("neural", "linear")
    }
    found = {row: table.reindex(columns=names).to_numpy() for row, table in proba.items()}
    n = sum(p.numel() for network in predictor.neural.members for p in network.parameters())
    return SequenceRun(
        {row: p.argmax(1) for row, p in found.items()},
        n + (0 if predictor.linear is None else predictor.linear.linear.coef.size),
        seconds,
        {**predictor.about, "validation": predictor.validation},
        {row: calibration_of(codes["test"], p) for row, p in found.items()},
    )


SCMAMBA = SequenceMethod(scmamba)
NO_MAMBA = SequenceMethod(partial(scmamba, training=SequenceTraining(n_layer=0)))
