"""Numbers predicted from sequences: ours, with and without Mamba layers, beside ridge regressions.

A task is one file with a function that returns a :class:`RegressionTask`, and one line in
``TASKS`` of ``sequence.py``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _results import write
from scipy import sparse
from scipy.stats import pearsonr, spearmanr
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from scmamba.learn.folds import fold_of
from scmamba.tasks import SequenceTraining
from scmamba.tasks import sequence as sq

DRAWS = 2000
ALPHAS = (1.0, 10.0, 100.0, 1000.0, 10_000.0)
OURS, NO_MAMBA = "scmamba", "scmamba without Mamba layers"
Numbers = np.ndarray[Any, np.dtype[np.float64]]
Features = Callable[..., tuple[Any, ...]]


@dataclass(frozen=True)
class RegressionTask:
    """Sequences with measured numbers, split so that no sequence is in two parts.

    Attributes
    ----------
    train, validation, test
        Tables with the columns ``sequence`` and ``value``.
    ridges
        Features of the ridge regressions to compare with, by name; the first is the reference.
    left_out
        Sequences that were left out of training and validation because another part holds them.
    published
        Spearman correlations of others on the same split.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    ridges: Mapping[str, Features]
    left_out: int = 0
    published: Mapping[str, float] = field(default_factory=dict)


def split_by(table: pd.DataFrame, column: str) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """A fifth of the groups to test on, a tenth to validate on, seed 0."""
    group = np.unique(table[column], return_inverse=True)[1]
    fold = fold_of(group, np.zeros(len(group), dtype=np.int64), 10, seed=0)
    return table[fold > 2], table[fold == 2], table[fold < 2]


def compare(name: str, task: RegressionTask, arguments: argparse.Namespace) -> dict[str, Any]:
    """Every method on the split, a row each: correlations, their intervals, seconds."""
    said: dict[str, list[Numbers]] = {}
    costs: dict[str, list[tuple[float, float]]] = {}
    about = []
    for seed in arguments.seeds:
        for method, training in ((OURS, None), (NO_MAMBA, SequenceTraining(n_layer=0))):
            path = arguments.runs / name / f"{method.replace(' ', '_')}__{seed}.json"
            run = _run(path, task, seed, training)
            said.setdefault(method, []).append(np.array(run["both"]))
            costs.setdefault(method, []).append((run["seconds"], run["cpu_seconds"]))
            if method == OURS:
                about.append(run["about"])
                for part in ("neural", "linear"):
                    said.setdefault(f"{OURS}, {part} alone", []).append(np.array(run[part]))
    for ridge_name, features in task.ridges.items():
        start = time.perf_counter(), time.process_time()
        numbers = ridge(features, task)
        took = time.perf_counter() - start[0], time.process_time() - start[1]
        said[ridge_name], costs[ridge_name] = [numbers] * len(arguments.seeds), [took]
    rows = scores(said, task.test["value"].to_numpy(), next(iter(task.ridges)))
    for method, row in rows.items():
        wall, cpu = np.mean(costs[method], axis=0) if method in costs else (None, None)
        row |= {"seconds": wall, "cpu_seconds": cpu}
    lengths = pd.concat([task.train, task.test])["sequence"].str.len()
    sizes = {part: len(getattr(task, part)) for part in ("train", "validation", "test")}
    sizes |= {"left_out": task.left_out, "shortest": lengths.min(), "longest": lengths.max()}
    published = dict(task.published)
    return {"rows": rows, "sizes": sizes, "about": about, "published": published}


def ridge(features: Features, task: RegressionTask) -> Numbers:
    """Ridge regression whose penalty predicts the validation split best."""
    parts = (part["sequence"] for part in (task.train, task.validation, task.test))
    x, y, z = features(*parts)
    fits = [Ridge(alpha).fit(x, task.train["value"]) for alpha in ALPHAS]
    held = task.validation["value"]
    best = max(fits, key=lambda fit: spearmanr(fit.predict(y), held).statistic)
    return best.predict(z)


def kmers(shortest: int, longest: int) -> Features:
    """Counts of k-mers."""

    def features(*parts: pd.Series) -> tuple[Any, ...]:
        span = (shortest, longest)
        count = CountVectorizer(analyzer="char", ngram_range=span, lowercase=False).fit(parts[0])
        return tuple(count.transform(part).astype(float) for part in parts)

    return features


def positions(*parts: pd.Series) -> tuple[Any, ...]:
    """One-hot nucleotides of sequences of one length."""
    rows = []
    for part in parts:
        letters = np.array([list(text.replace("T", "U")) for text in part])
        rows.append(
            sparse.csr_matrix(np.concatenate([letters == x for x in "ACGU"], 1), dtype=float)
        )
    return tuple(rows)


def codons(*parts: pd.Series) -> tuple[Any, ...]:
    """Standardized frequencies of codons."""
    words = [a + b + c for a in "ACGT" for b in "ACGT" for c in "ACGT"]
    count = CountVectorizer(analyzer=_codons, vocabulary=words)
    rows = [count.transform(part).toarray() for part in parts]
    rows = [x / np.maximum(x.sum(1, keepdims=True), 1) for x in rows]
    scale = StandardScaler().fit(rows[0])
    return tuple(scale.transform(x) for x in rows)


def _codons(text: str) -> list[str]:
    return [text[i : i + 3] for i in range(0, len(text) - 2, 3)]


def _run(
    path: Path, task: RegressionTask, seed: int, training: SequenceTraining | None
) -> dict[str, Any]:
    """What ours says of the test split, and each component alone; kept, and not run again."""
    if path.exists():
        return json.loads(path.read_text())
    start = time.perf_counter(), time.process_time()
    options: dict[str, Any] = {"task": "regression", "training": training, "seed": seed}
    predictor = sq.fit(task.train, "value", validation=task.validation, **options)
    texts = task.test["sequence"].tolist()
    run: dict[str, Any] = {"both": predictor.predict(texts).tolist()}
    run["seconds"] = time.perf_counter() - start[0]
    run["cpu_seconds"] = time.process_time() - start[1]
    for part in ("neural", "linear"):
        run[part] = predictor.predict(texts, parts=part).tolist()
    run["about"] = {**predictor.about, "validation": predictor.validation}
    write(path, run)
    print(f"{path.stem}: {run['seconds']:.0f} s", flush=True)
    return run


def scores(said: dict[str, list[Numbers]], truth: Numbers, reference: str) -> dict[str, Any]:
    """Means over seeds; intervals by paired resampling of the test sequences."""
    rng = np.random.default_rng(0)
    draws = [np.arange(len(truth)), *rng.integers(0, len(truth), (DRAWS, len(truth)))]
    drawn = {
        name: np.array(
            [
                np.mean([spearmanr(truth[d], numbers[d]).statistic for numbers in runs])
                for d in draws
            ]
        )
        for name, runs in said.items()
    }
    rows: dict[str, Any] = {}
    for name, values in drawn.items():
        each = [spearmanr(truth, numbers).statistic for numbers in said[name]]
        pearson = [pearsonr(truth, numbers).statistic for numbers in said[name]]
        rows[name] = {
            "spearman": _interval(values),
            "minus": None if name == reference else _interval(values - drawn[reference]),
            "pearson": float(np.mean(pearson)),
            "by_seed": each,
        }
    return rows


def _interval(values: Numbers) -> dict[str, float]:
    low, high = np.quantile(values[1:], (0.025, 0.975))
    return {"mean": float(values[0]), "low": float(low), "high": float(high)}
