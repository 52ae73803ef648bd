"""Scores of left-out perturbations and contexts, beside those of baselines."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba.learn.effects.baselines import BASELINES
from scmamba.learn.effects.predictor import EffectPredictor, Query
from scmamba.learn.effects.table import EffectTable, Floats

_FOLDS = 5


def validate(method: EffectPredictor, table: EffectTable, seed: int) -> pd.DataFrame:
    """Predict perturbations, contexts and pairs of both that were left out of the fit.

    Returns
    -------
    One row per kind of request (``unseen``: ``"perturbation"``, ``"context"``) and method:
    ``pearson`` (mean over left-out effects of the correlation over genes), ``mse`` and ``n``. A
    kind that the data cannot test, with fewer than five perturbations or three contexts, is left
    out.
    """
    rows = []
    for unseen, folds in _splits(table, seed):
        left_out = np.concatenate(folds)
        for one in (method, *BASELINES.values()):
            found = np.zeros((len(table), len(table.genes)))
            for fold in folds:
                rest = np.setdiff1d(np.arange(len(table)), fold)
                fitted = one.fit(table.where(rest))
                found[fold] = fitted.predict(Query.rows_of(table.where(fold)))
            wanted, guess = table.effects[left_out], found[left_out]
            mse = float(np.square(wanted - guess).mean())
            rows.append((unseen, one.name, _pearson(wanted, guess), mse, len(left_out)))
    return pd.DataFrame(rows, columns=["unseen", "method", "pearson", "mse", "n"])


def _splits(table: EffectTable, seed: int) -> Iterator[tuple[str, list[npt.NDArray[np.int64]]]]:
    """Rows to leave out together, by what is unseen then."""
    perturbations = pd.factorize(pd.Series(list(table.perturbations), dtype=object))[0]
    n = perturbations.max() + 1
    if n >= _FOLDS:
        fold = np.random.default_rng(seed).permutation(n) % _FOLDS
        yield "perturbation", [np.flatnonzero(fold[perturbations] == k) for k in range(_FOLDS)]
    contexts, names = pd.factorize(pd.Series(table.contexts, dtype=object))
    if len(names) >= 3 and table.controls is not None:
        yield "context", [np.flatnonzero(contexts == k) for k in range(len(names))]


def _pearson(wanted: Floats, guess: Floats) -> float:
    """Mean correlation of the rows; a constant guess has none and counts as 0."""
    left, right = (one - one.mean(1, keepdims=True) for one in (wanted, guess))
    length = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float(np.where(length > 0, (left * right).sum(1) / np.maximum(length, 1e-12), 0).mean())
