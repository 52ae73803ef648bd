"""Expression of synonymous mRFP variants: ours beside ridge regressions, on the given split."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _results import write
from scipy import sparse
from scipy.stats import pearsonr, spearmanr
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import Ridge

from scmamba.tasks import SequenceTraining
from scmamba.tasks import sequence as sq

DRAWS = 2000
ALPHAS = (1.0, 10.0, 100.0, 1000.0, 10_000.0)
# Spearman on the same split, not run here.
PUBLISHED = {"TextCNN": 0.62, "RNA-FM": 0.80, "CodonBERT": 0.85}
OURS, BAG = "scmamba", "scmamba without Mamba layers"
Numbers = np.ndarray[Any, np.dtype[np.float64]]


def mrfp(arguments: argparse.Namespace) -> dict[str, Any]:
    """Every method on the given split, a row each: correlations and their intervals."""
    train, held, test, left_out = split(arguments.data / "mrna" / "mRFP_Expression.csv")
    said: dict[str, list[Numbers]] = {}
    seconds: dict[str, list[float]] = {}

    def note(name: str, numbers: Numbers, took: float | None = None) -> None:
        said.setdefault(name, []).append(numbers)
        if took is not None:
            seconds.setdefault(name, []).append(took)

    about = []
    for seed in arguments.seeds:
        run = _run(arguments.runs / "mrfp" / f"scmamba__{seed}.json", train, held, test, seed)
        note(OURS, np.array(run["both"]), run["seconds"])
        for part in ("neural", "linear"):
            note(f"{OURS}, {part} alone", np.array(run[part]))
        about.append(run["about"])
        plain = SequenceTraining(n_layer=0)
        path = arguments.runs / "mrfp" / f"bag__{seed}.json"
        run = _run(path, train, held, test, seed, training=plain)
        note(BAG, np.array(run["both"]), run["seconds"])
        print(f"seed {seed}: done", flush=True)
    for name, features in (("ridge on 3- to 6-mers", _kmers), ("ridge on positions", _positions)):
        start = time.perf_counter()
        numbers = ridge(features, train, held, test)
        for _ in arguments.seeds:
            note(name, numbers)
        seconds[name] = [time.perf_counter() - start]
    rows = _scores(said, test["Value"].to_numpy(), "ridge on 3- to 6-mers")
    for name, row in rows.items():
        row["seconds"] = float(np.mean(seconds[name])) if name in seconds else None
    sizes = {"train": len(train), "validation": len(held), "test": len(test)}
    sizes["left_out"] = left_out
    return {"rows": rows, "sizes": sizes, "about": about, "published": PUBLISHED}


def split(path: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, int]:
    """The given split; copies of held-out sequences are left out of training."""
    table = pd.read_csv(path).rename(columns={"Sequence": "sequence"})
    train, held, test = (table[table["Split"] == name] for name in ("train", "val", "test"))
    before = len(train) + len(held)
    held = held[~held["sequence"].isin(test["sequence"])]
    train = train[~train["sequence"].isin({*test["sequence"], *held["sequence"]})]
    return train, held, test, before - len(train) - len(held)


def ridge(
    features: Callable[..., tuple[Any, ...]],
    train: pd.DataFrame,
    held: pd.DataFrame,
    test: pd.DataFrame,
) -> Numbers:
    """Ridge regression whose penalty predicts the validation split best."""
    x, y, z = features(train["sequence"], held["sequence"], test["sequence"])
    fits = [Ridge(alpha).fit(x, train["Value"]) for alpha in ALPHAS]
    best = max(fits, key=lambda fit: spearmanr(fit.predict(y), held["Value"]).statistic)
    return best.predict(z)


def _run(
    path: Path,
    train: pd.DataFrame,
    held: pd.DataFrame,
    test: pd.DataFrame,
    seed: int,
    *,
    training: SequenceTraining | None = None,
) -> dict[str, Any]:
    """What ours says of the test split, and each view alone; kept, and not run again."""
    if path.exists():
        return json.loads(path.read_text())
    start = time.perf_counter()
    predictor = sq.fit(
        train, "Value", validation=held, task="regression", training=training, seed=seed
    )
    run: dict[str, Any] = {"both": predictor.predict(test["sequence"]).tolist()}
    run["seconds"] = time.perf_counter() - start
    for part in ("neural", "linear"):
        run[part] = predictor.predict(test["sequence"], parts=part).tolist()
    run["about"] = {**predictor.about, "validation": predictor.validation}
    write(path, run)
    return run


def _kmers(*parts: pd.Series) -> tuple[Any, ...]:
    count = CountVectorizer(analyzer="char", ngram_range=(3, 6), lowercase=False).fit(parts[0])
    return tuple(count.transform(part).astype(float) for part in parts)


def _positions(*parts: pd.Series) -> tuple[Any, ...]:
    """One-hot nucleotides; all sequences are of one length."""
    rows = []
    for part in parts:
        letters = np.array([list(text) for text in part])
        rows.append(
            sparse.csr_matrix(np.concatenate([letters == x for x in "ACGU"], 1), dtype=float)
        )
    return tuple(rows)


def _scores(said: dict[str, list[Numbers]], truth: Numbers, reference: str) -> dict[str, Any]:
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
