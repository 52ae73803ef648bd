"""Fit both views, with every choice made on labelled cells that were held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse
from sklearn.metrics import accuracy_score, f1_score

from scmamba._log import logger
from scmamba.tasks._annotation.fusion import (
    Fusion,
    best_temperature,
    confidence_threshold,
    fit_fusion,
    log_loss,
)
from scmamba.tasks._annotation.learners import Learner
from scmamba.tasks._annotation.linear import Linear, fit_linear
from scmamba.tasks._annotation.novelty import (
    ANYTHING,
    Principal,
    Strangeness,
    fit_principal,
    fit_strangeness,
)
from scmamba.tasks._annotation.parallel import run
from scmamba.tasks._annotation.views import Deep

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Fitted:
    """Views fitted on all labelled cells, and what held-out cells chose for them."""

    wide: Linear
    deep: Deep
    fusion: Fusion
    principal: Principal
    strangeness: Strangeness
    confidence_threshold: float
    log_prior: Floats
    validation: dict[str, float]
    history: pd.DataFrame


@dataclass
class _HeldOut:
    """What was said of held-out cells by models that had not seen them."""

    wide: Floats
    deep: Floats
    without: Floats | None
    distance: Floats
    codes: Rows
    history: pd.DataFrame
    epochs: tuple[int, ...]


def cross_fit(
    values: sparse.csr_matrix,
    codes: Rows,
    learner: Learner,
    splits: list[tuple[Rows, Rows]],
    n_classes: int,
    *,
    max_error: float,
    false_alarm: float,
    seed: int,
) -> Fitted:
    """Fit, validate, choose, and fit again on all labelled cells.

    Parameters
    ----------
    values
        (n, n_genes) log-normalised values of the labelled cells; the learner's data hold the same
        cells first.
    codes
        (n,) their classes.
    learner
        Of the deep view.
    splits
        (train, validation) rows; may be empty, then nothing is chosen.
    n_classes
        Number of classes.
    max_error
        Share of wrong labels allowed among cells that are not ``unknown``.
    false_alarm
        Share of cells of known classes that may count as out of distribution.
    seed
        Of the principal components.
    """
    counts = np.bincount(codes, minlength=n_classes)
    log_prior = np.log(np.maximum(counts, 1) / counts.sum())
    jobs = [
        (learner, values, codes, split, n_classes, seed, f"validation {i + 1}/{len(splits)}")
        for i, split in enumerate(splits)
    ]
    parts = run(_fold, jobs, text="validation", spread=learner.spread)
    fusion, strangeness, threshold = Fusion(), ANYTHING, 0.0
    validation: dict[str, float] = {}
    if parts:
        out = _together(parts)
        keep = out.without is None or _better(out.deep, out.without, out.codes)
        deep = out.deep if keep or out.without is None else out.without
        learner.settle([part.epochs for part in parts], keep)
        fusion = fit_fusion(out.wide, deep, out.codes, log_prior)
        log_proba = fusion.log_proba(out.wide, deep, log_prior)
        correct = log_proba.argmax(1) == out.codes
        threshold = confidence_threshold(np.exp(log_proba.max(1)), correct, max_error)
        strangeness = fit_strangeness(fusion.mixed(out.wide, deep), out.distance, false_alarm)
        validation = _scores(out, log_proba, log_prior)
        logger.info(_tell(validation, fusion))
    else:
        logger.warning("too few labelled cells to hold any out: nothing could be validated")
    text = "all labelled cells"
    members = run(
        learner.learn,
        [(np.arange(len(codes)), None, text, member) for member in range(learner.n_members)],
        text=text,
        spread=learner.spread,
    )
    deep_view = Deep(tuple(m.deep.model for m in members), members[0].deep.head)
    history = parts[0].history if parts else members[0].history
    return Fitted(
        wide=fit_linear(values, codes, n_classes),
        deep=deep_view,
        fusion=fusion,
        principal=fit_principal(values, codes, n_classes, seed=seed),
        strangeness=strangeness,
        confidence_threshold=threshold,
        log_prior=log_prior,
        validation=validation,
        history=history,
    )


def _fold(
    learner: Learner,
    values: sparse.csr_matrix,
    codes: Rows,
    split: tuple[Rows, Rows],
    n_classes: int,
    seed: int,
    text: str,
) -> _HeldOut:
    """Fit everything on one side of a split, and ask about the other."""
    train, val = split
    trained = learner.learn(train, val, text)
    held = learner.data.take(val)
    principal = fit_principal(values[train], codes[train], n_classes, seed=seed)
    return _HeldOut(
        wide=fit_linear(values[train], codes[train], n_classes).logits(values[val]),
        deep=trained.deep.logits(held)[0],
        without=None if trained.without is None else trained.without.logits(held)[0],
        distance=principal.distance(values[val]),
        codes=codes[val],
        history=trained.history,
        epochs=trained.epochs,
    )


def _together(parts: list[_HeldOut]) -> _HeldOut:
    without = [part.without for part in parts if part.without is not None]
    return _HeldOut(
        np.concatenate([part.wide for part in parts]),
        np.concatenate([part.deep for part in parts]),
        np.concatenate(without) if without else None,
        np.concatenate([part.distance for part in parts]),
        np.concatenate([part.codes for part in parts]),
        parts[0].history,
        parts[0].epochs,
    )


def _better(deep: Floats, without: Floats, codes: Rows) -> bool:
    """Whether Mamba layers made held-out labels more likely, each view at its own temperature."""
    losses = [log_loss(view / best_temperature(view, codes), codes) for view in (deep, without)]
    return losses[0] <= losses[1]


def _scores(out: _HeldOut, log_proba: Floats, log_prior: Floats) -> dict[str, float]:
    """Accuracy and macro-F1 on held-out cells of each view alone and of what came of them."""
    views = {"wide": out.wide, "deep": out.deep, "both": log_proba}
    if out.without is not None:
        views["deep_without_mamba"] = out.without
    found: dict[str, float] = {"n_cells": float(len(out.codes))}
    for name, view in views.items():
        guess = view.argmax(1)
        found[f"{name}_accuracy"] = float(accuracy_score(out.codes, guess))
        found[f"{name}_macro_f1"] = float(
            f1_score(
                out.codes, guess, average="macro", labels=np.unique(out.codes), zero_division=0
            )
        )
    return found


def _tell(scores: dict[str, float], fusion: Fusion) -> str:
    names = [n for n in ("wide", "deep_without_mamba", "deep", "both") if f"{n}_accuracy" in scores]
    rows = "; ".join(
        f"{name.replace('_', ' ')} "
        f"{scores[f'{name}_accuracy']:.3f}/{scores[f'{name}_macro_f1']:.3f}"
        for name in names
    )
    return (
        f"held-out labelled cells ({scores['n_cells']:,.0f}), accuracy/macro-F1: {rows}; "
        f"share of the deep view {fusion.deep_share:.1f}"
    )
