"""The benchmark of sequence classifiers: methods, tasks and seeds to one table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._files import writable_folder
from scmamba._log import logger
from scmamba.learn.parallel import run
from scmamba.models.device import resolve_device
from scmamba.models.sequence.baselines import BASELINES
from scmamba.tasks.sequence._benchmark.methods import METHODS, ONE_CORE, PUBLISHED, run_method
from scmamba.tasks.sequence._benchmark.runs import Record, read_run, table, write_run
from scmamba.tasks.sequence._benchmark.summary import summarise
from scmamba.tasks.sequence._benchmark.tasks import Task
from scmamba.train import SequenceFitConfig

PUBLISHED_ACCURACY = {"mamba": 0.8328, "cnn": 0.8109, "transformer": 0.7188}
"""Means over the 18 tasks that were published, of the epoch that was best on the test split."""


@dataclass(frozen=True)
class BenchmarkResult:
    """What a benchmark found.

    Attributes
    ----------
    runs
        A row a task, method, row of it and seed: scores, parameters, seconds.
    summary
        A row a method; see :func:`benchmark`.
    by_task
        A row a task and method: means over seeds.
    """

    runs: pd.DataFrame
    summary: pd.DataFrame
    by_task: pd.DataFrame


def benchmark(
    tasks: Sequence[Task],
    methods: Sequence[str] = ("mamba", "cnn", "transformer"),
    *,
    seeds: Sequence[int] | Mapping[str, Sequence[int]] = (0, 1, 2),
    output: str | os.PathLike[str],
    epochs: int | None = None,
    batch_size: int | None = None,
    patience: int | None = None,
    reference: str | None = None,
) -> BenchmarkResult:
    """Run classifiers on tasks with a split of their own.

    The published networks have two rows: the epoch that validates best, and, beside it, the one
    that is best on the test split, which is how the published figures were made.

    Parameters
    ----------
    tasks
        From ``read_tasks``, ``fetch_tasks`` or ``make_task``.
    methods
        ``"mamba"``, ``"cnn"``, ``"transformer"`` (published sizes and training), ``"scmamba"``
        (:func:`scmamba.tasks.sequence.fit`), ``"kmer"`` (logistic regression).
    seeds
        Each method is run once with each; a mapping has those of each method.
    output
        Folder for one file a run; those that are there already are not run again.
    epochs, batch_size, patience
        Of the published networks; None: as published (10, 256, no early stop).
    reference
        Method that others are compared with; None: the first.

    Returns
    -------
    ``runs``, ``by_task``, and ``summary``: scores are means over tasks of means over seeds, with
    intervals (95 %) by paired resampling of test sequences.

    Raises
    ------
    ScmambaError
        An unknown method, or a run in ``output`` was made with other settings.
    """
    if not (tasks and methods and seeds):
        raise ScmambaError("give at least one task, one method and one seed")
    seeds_of = seeds if isinstance(seeds, Mapping) else dict.fromkeys(methods, seeds)
    if missing := [name for name in methods if not seeds_of.get(name)]:
        raise ScmambaError(f"seeds has none for {missing[0]!r}; give at least one")
    if unknown := [name for name in (*methods, *filter(None, [reference])) if name not in METHODS]:
        raise ScmambaError(f"method {unknown[0]!r}; allowed: {', '.join(METHODS)}")
    folder = writable_folder(output).resolve()  # other processes may work elsewhere
    given = {"epochs": epochs, "batch_size": batch_size, "patience": patience}
    config = replace(PUBLISHED, **{k: v for k, v in given.items() if v is not None})
    found: dict[tuple[str, str, int], list[Record]] = {}
    todo: list[tuple[Task, str, int]] = []
    for task in tasks:
        for method in methods:
            for seed in seeds_of[method]:
                done = read_run(folder, task, method, seed, _settings(method, config))
                if done is None:
                    todo.append((task, method, seed))
                else:
                    found[task.name, method, seed] = done
    logger.info("%d runs, %d of them done before", len(todo) + len(found), len(found))
    # Ours spreads over the cores by itself; the others are run side by side, a core each.
    for job in todo:
        if job[1] not in ONE_CORE:
            _one(folder, *job, config)
    side_by_side = [(folder, *job, config) for job in todo if job[1] in ONE_CORE]
    run(_one, side_by_side, text="benchmark", spread=resolve_device().type == "cpu")
    for task, method, seed in todo:
        done = read_run(folder, task, method, seed, _settings(method, config))
        assert done is not None
        found[task.name, method, seed] = done
    records = [
        record
        for task in tasks
        for method in methods
        for seed in seeds_of[method]
        for record in found[task.name, method, seed]
    ]
    summary, by_task = summarise(records, reference or methods[0])
    return BenchmarkResult(table(records), summary, by_task)


def _one(folder: Path, task: Task, method: str, seed: int, config: SequenceFitConfig) -> None:
    """Run, and write at once what was found."""
    result = run_method(method, task, seed, config)
    write_run(folder, task, method, seed, result, _settings(method, config))
    logger.info("%s, %s, seed %d: %.0f s", task.name, method, seed, result.seconds)


def _settings(method: str, config: SequenceFitConfig) -> dict[str, Any]:
    """What of the configuration a method looks at."""
    if method not in BASELINES:
        return {}
    return {key: value for key, value in asdict(config).items() if key != "seed"}
