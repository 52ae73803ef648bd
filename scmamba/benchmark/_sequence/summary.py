"""Means over tasks and seeds, with intervals by paired resampling of the test sequences."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba.benchmark._sequence.records import Record

DRAWS = 1000
SCORES = ("accuracy", "macro_f1", "mcc")
MEANS = ("ece", "log_loss", "n_parameters", "seconds", "cpu_seconds")
"""Plain means over all runs."""
Confusions = npt.NDArray[np.float64]


def summarize(
    records: Sequence[Record], reference: str, *, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sum up runs.

    Every score is the mean over tasks of the mean over seeds. Its interval (95 %) comes from
    resampling each task's test sequences, the same ones for every method and seed: it speaks of
    test sequences, and of seeds as they were.

    Parameters
    ----------
    records
        All rows; methods that lack a task of the reference are summed up over what they have, and
        have no difference.
    reference
        Method that others are compared with.
    seed
        Of the resampling.

    Returns
    -------
    whole
        A row a method: ``n_tasks``, ``n_seeds``, the scores, each with ``_low`` and ``_high``, and
        their difference from the reference's, ``_minus``, with the same; and means over runs:
        ``ece`` (expected calibration error), ``log_loss`` (nats), ``n_parameters``, ``seconds`` and
        ``cpu_seconds``.
    by_task
        A row a task and method: means over seeds, and ``mcc_sd`` over them (NaN for one).
    """
    by_name: dict[str, dict[tuple[str, int], Record]] = {}
    for record in records:
        by_name.setdefault(record.name, {})[record.task, record.seed] = record
    drawn = {name: _draws(runs, seed) for name, runs in by_name.items()}
    rows = []
    for name, runs in by_name.items():
        row: dict[str, object] = {
            "method": name,
            "n_tasks": len({task for task, _ in runs}),
            "n_seeds": len({seed for _, seed in runs}),
        }
        others = {task for task, _ in by_name.get(reference, {})}
        paired = name != reference and {task for task, _ in runs} == others
        for score in SCORES:
            values = drawn[name][score]
            row |= _interval(score, values)
            if paired:
                row |= _interval(f"{score}_minus", values - drawn[reference][score])
        for mean in MEANS:
            row[mean] = float(np.mean([getattr(r, mean) for r in runs.values()]))
        rows.append(row)
    return pd.DataFrame(rows).set_index("method"), _by_task(records)


def _by_task(records: Sequence[Record]) -> pd.DataFrame:
    rows = [
        {"task": r.task, "category": r.category, "method": r.name, **r.scores()} for r in records
    ]
    grouped = pd.DataFrame(rows).groupby(["task", "category", "method"], sort=False)
    found = grouped[[*SCORES, "ece", "log_loss"]].mean()
    found["mcc_sd"] = grouped["mcc"].std()
    return found.reset_index()


def _draws(runs: dict[tuple[str, int], Record], seed: int) -> dict[str, npt.NDArray[np.float64]]:
    """(1 + DRAWS,) of each score: of the test sequences as they are, then resampled."""
    tasks = sorted({task for task, _ in runs})
    means: dict[str, list[npt.NDArray[np.float64]]] = {score: [] for score in SCORES}
    for task in tasks:
        mine = [record for (name, _), record in runs.items() if name == task]
        n, k = len(mine[0].truth), int(max(max(r.truth.max(), r.guess.max()) for r in mine)) + 1
        rng = np.random.default_rng([seed, *task.encode(), n])
        counts = np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), DRAWS)])
        scored = [_scores(_confusions(counts, r, k)) for r in mine]
        for score in SCORES:
            means[score].append(np.mean([s[score] for s in scored], axis=0))
    return {score: np.mean(rows, axis=0) for score, rows in means.items()}


def _confusions(counts: npt.NDArray[np.float64], record: Record, k: int) -> Confusions:
    """(1 + DRAWS, k, k) how often a class (row) was taken for one (column)."""
    n = len(record.truth)
    cell = np.zeros((n, k * k))
    cell[np.arange(n), record.truth * k + record.guess] = 1
    return (counts @ cell).reshape(-1, k, k)


def _scores(c: Confusions) -> dict[str, npt.NDArray[np.float64]]:
    """Accuracy, macro-F1 over classes of the truth, and Gorodkin's MCC, of confusion tables."""
    total, right = c.sum((1, 2)), np.trace(c, axis1=1, axis2=2)
    truth, guess = c.sum(2), c.sum(1)
    hits = np.diagonal(c, axis1=1, axis2=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(truth > 0, 2 * hits / (truth + guess), np.nan)
        top = right * total - (truth * guess).sum(1)
        bottom = np.sqrt((total**2 - (truth**2).sum(1)) * (total**2 - (guess**2).sum(1)))
        mcc = np.where(bottom > 0, top / bottom, 0.0)
    return {"accuracy": right / total, "macro_f1": np.nanmean(f1, 1), "mcc": mcc}


def _interval(name: str, values: npt.NDArray[np.float64]) -> dict[str, float]:
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return {name: float(values[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
