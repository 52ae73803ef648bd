"""The comparison of sequence classifiers as one call: methods, tasks and seeds to one table."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

from scmamba._describe import Tabulated
from scmamba._errors import ScmambaError
from scmamba._files import writable_folder
from scmamba._log import logger
from scmamba.benchmark._sequence.methods import SEQUENCE_METHODS, SequenceMethod
from scmamba.benchmark._sequence.methods.base import PUBLISHED
from scmamba.benchmark._sequence.records import records_of, run_content, table
from scmamba.benchmark._sequence.summary import summarize
from scmamba.benchmark._sequence.tasks import SequenceTask
from scmamba.benchmark._shown import count_runs
from scmamba.benchmark.runs import Runs
from scmamba.learn.parallel import run
from scmamba.models.device import resolve_device
from scmamba.train import SequenceFitConfig


@dataclass(frozen=True, repr=False)
class SequenceBenchmark(Tabulated):
    """Result of a comparison of sequence classifiers.

    Attributes
    ----------
    runs
        One row per task, method, row of it and seed: scores, parameters, seconds.
    summary
        One row per method; see :func:`sequence`.
    by_task
        One row per task and method: means over seeds.

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba.benchmark import SequenceBenchmark
    >>> by_task = pd.DataFrame({"task": ["promoter"], "method": ["kmer"], "mcc": [0.8]})
    >>> SequenceBenchmark(by_task, by_task.set_index("method"), by_task).summary.loc["kmer", "task"]
    'promoter'
    """

    runs: pd.DataFrame
    summary: pd.DataFrame
    by_task: pd.DataFrame

    def _shown(self) -> tuple[str, pd.DataFrame]:
        return f"comparison of sequence classifiers, {count_runs(self.runs)}", self.summary


def sequence(
    tasks: Sequence[SequenceTask],
    methods: Sequence[str] | Mapping[str, SequenceMethod] = ("mamba", "cnn", "transformer"),
    *,
    seeds: Sequence[int] | Mapping[str, Sequence[int]] = (0, 1, 2),
    output: str | os.PathLike[str],
    epochs: int | None = None,
    batch_size: int | None = None,
    patience: int | None = None,
    reference: str | None = None,
) -> SequenceBenchmark:
    """Fit classifiers to tasks that have a split, and score them on the test part.

    The published networks have two rows: the epoch that validates best, and the one that is best
    on the test part, which is how the published figures were made.

    Parameters
    ----------
    tasks
        From :func:`read_tasks`, :func:`fetch_tasks` or :func:`make_task`.
    methods
        Names in :data:`~scmamba.benchmark.SEQUENCE_METHODS`: ``"mamba"``, ``"cnn"``,
        ``"transformer"`` (published sizes and training), ``"scmamba"``
        (:func:`scmamba.tasks.sequence.fit`), ``"kmer"`` (logistic regression); or methods by name.
    seeds
        Each method is run once with each; a mapping gives each method its own.
    output
        Folder for one file per run; those that are there already are not run again.
    epochs, batch_size, patience
        Training of the published networks; None: as published (10, 256, no early stop).
    reference
        Method that others are compared with; None: the first.

    Returns
    -------
    ``runs``, ``by_task``, and ``summary``: scores are means over tasks of means over seeds, with
    intervals (95 %) by paired resampling of test sequences.

    Raises
    ------
    ScmambaError
        A method is unknown, or a run in ``output`` was made with other settings or data.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from scmamba import benchmark, settings
    >>> settings.verbosity = "error"
    >>> texts = ["ACGT" * n for n in range(1, 9)] + ["AATT" * n for n in range(1, 9)]
    >>> table = pd.DataFrame({"sequence": texts, "label": ["a"] * 8 + ["b"] * 8})
    >>> parts = [table.iloc[i::4] for i in range(4)]
    >>> task = benchmark.make_task("toy", pd.concat(parts[:2]), parts[2], parts[3])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = benchmark.sequence([task], ["kmer"], seeds=[0], output=folder)
    >>> found.runs[["task", "method", "seed"]].values.tolist()
    [['toy', 'kmer', 0]]
    """
    if not (tasks and methods and seeds):
        raise ScmambaError("give at least one task, one method and one seed")
    chosen = _chosen(methods, reference)
    seeds_of = seeds if isinstance(seeds, Mapping) else dict.fromkeys(chosen, seeds)
    if missing := [name for name in chosen if not seeds_of.get(name)]:
        raise ScmambaError(f"seeds has none for {missing[0]!r}; give at least one")
    folder = writable_folder(output).resolve() / "runs"  # other processes may work elsewhere
    given: dict[str, Any] = {"epochs": epochs, "batch_size": batch_size, "patience": patience}
    config = replace(PUBLISHED, **{k: v for k, v in given.items() if v is not None})
    jobs = [
        Job(folder, task, name, method, seed, config)
        for task in tasks
        for name, method in chosen.items()
        for seed in seeds_of[name]
    ]
    todo = [job for job in jobs if job.read() is None]
    logger.info("%d runs, %d of them done before", len(jobs), len(jobs) - len(todo))
    # Some spread over the cores by themselves; the others are run side by side, a core each.
    for job in todo:
        if not job.method.one_core:
            run_job(job)
    side_by_side = [(job,) for job in todo if job.method.one_core]
    run(run_job, side_by_side, text="benchmark", spread=resolve_device().type == "cpu")
    records = [record for job in jobs for record in records_of(job.read() or {})]
    summary, by_task = summarize(records, reference or next(iter(chosen)))
    return SequenceBenchmark(table(records), summary, by_task)


@dataclass(frozen=True)
class Job:
    """One run: a method with a seed on a task."""

    folder: Path
    task: SequenceTask
    name: str
    method: SequenceMethod
    seed: int
    config: SequenceFitConfig

    @property
    def runs(self) -> Runs:
        """Where the result is kept, with what it depends on."""
        settings = dict(self.config.decisive) if self.method.published else {}
        settings.pop("seed", None)
        parts = (self.task.train, self.task.validation, self.task.test)
        data = joblib.hash([(part.texts, part.labels.astype(str)) for part in parts])
        return Runs(self.folder, {"data": data, "settings": settings})

    @property
    def key(self) -> tuple[str, str, int]:
        """Task, method and seed."""
        return self.task.name, self.name, self.seed

    def read(self) -> dict[str, object] | None:
        """Return the result of the run, if it was made before."""
        return self.runs.read(*self.key)


def run_job(job: Job) -> None:
    """Fit and predict, and write the result at once."""
    start = time.process_time()
    result = job.method.run(job.task, job.seed, job.config)
    took = time.process_time() - start
    job.runs.write(run_content(job.task, job.name, job.seed, result, took), *job.key)
    logger.info("%s, %s, seed %d: %.0f s", *job.key, result.seconds)


def _chosen(
    methods: Sequence[str] | Mapping[str, SequenceMethod], reference: str | None
) -> dict[str, SequenceMethod]:
    """Methods by name."""
    known = SEQUENCE_METHODS | (dict(methods) if isinstance(methods, Mapping) else {})
    for name in (*methods, *filter(None, [reference])):
        if name not in known:
            raise ScmambaError(f"method {name!r}; allowed: {', '.join(known)}")
    return {name: known[name] for name in methods}
