"""Which effects are learned from and which are predicted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba.benchmark._perturbation.problem import (
    CONTEXT,
    CONTROL,
    PERTURBATION,
    Key,
    PerturbationProblem,
)
from scmamba.learn.effects.names import PerturbationNames
from scmamba.learn.effects.predictor import Query
from scmamba.learn.effects.table import EffectTable

if TYPE_CHECKING:
    from anndata import AnnData

Kind = Literal["perturbation", "combination", "cell_type", "donor", "pair"]
"""What is held out."""
MOST_IN_TURN = 30
"""Up to so many are each held out in turn; more are held out in tenths."""


@dataclass(frozen=True)
class PerturbationSplit:
    """What a method may read, and what it is to predict.

    Attributes
    ----------
    name
        Name of the fold.
    train
        Log-normalized cells, or given effects, without the rows to predict; controls of all
        contexts are there. ``obs`` has ``"perturbation"`` and ``"context"``.
    table
        Effects of ``train``.
    requests
        Pairs of context and perturbation to predict.
    names
        How the names of perturbations are read.
    effects
        Whether rows of ``train`` are effects.
    """

    name: str
    train: AnnData
    table: EffectTable
    requests: tuple[Key, ...]
    names: PerturbationNames
    effects: bool

    @property
    def query(self) -> Query:
        """The requests, with control profiles where there are any."""
        contexts = [context for context, _ in self.requests]
        perturbations = [self.names.parse(label) for _, label in self.requests]
        return Query.of(perturbations, contexts, self.table.control_of(contexts))

    @cached_property
    def has_contexts(self) -> bool:
        """Whether there is more than one context."""
        return self.train.obs[CONTEXT].nunique() > 1

    def controls(self, context: str) -> AnnData:
        """Control cells of a context."""
        obs = self.train.obs
        return self.train[((obs[CONTEXT] == context) & (obs[PERTURBATION] == CONTROL)).to_numpy()]


def held_out(
    problem: PerturbationProblem, kind: Kind, n_folds: int | None, seed: int
) -> dict[str, list[Key]]:
    """Pairs of context and perturbation that each fold predicts.

    Parameters
    ----------
    kind
        What is held out.
    n_folds
        Number of folds; None: each in turn if there are up to 30, else 10.
    seed
        Seed of the random folds.

    Raises
    ------
    ScmambaError
        If there are fewer than two of what is to be held out.
    """
    units: dict[str, list[Key]] = {}
    for key in problem.keys:
        if (unit := _unit(problem, kind, key)) is not None:
            units.setdefault(unit, []).append(key)
    if len(units) < 2:
        raise ScmambaError(
            f"split={kind!r} needs two or more {kind.replace('_', ' ')}s with at least "
            f"{problem.min_cells} cells, and there are {len(units)}; choose another split"
        )
    names = sorted(units)
    if n_folds is None and len(names) <= MOST_IN_TURN:
        return {name: units[name] for name in names}
    n = min(10 if n_folds is None else n_folds, len(names))
    order = np.random.default_rng(seed).permutation(len(names))
    parts = [sorted(order[i::n]) for i in range(n)]
    return {f"fold {i}": [k for j in part for k in units[names[j]]] for i, part in enumerate(parts)}


def split_of(
    problem: PerturbationProblem, kind: Kind, name: str, requests: Sequence[Key]
) -> PerturbationSplit:
    """Take everything off that a method must not see."""
    kept = np.flatnonzero(~_hidden(problem, kind, requests))
    return PerturbationSplit(
        name,
        problem.adata[kept].copy(),
        problem.table_of(kept),
        tuple(requests),
        problem.names,
        problem.effects,
    )


def _unit(problem: PerturbationProblem, kind: Kind, key: Key) -> str | None:
    """Name what a pair is held out with; None if it is not predicted."""
    context, label = key
    combined = len(problem.names.parse(label)) > 1
    if kind == "perturbation":
        return None if combined else label
    if kind == "combination":
        return label if combined else None
    if kind == "donor":
        return context.split(" | ")[-1]
    return context if kind == "cell_type" else f"{label} in {context}"


def _hidden(
    problem: PerturbationProblem, kind: Kind, requests: Iterable[Key]
) -> npt.NDArray[np.bool_]:
    """(n_obs,) which rows are hidden: never controls."""
    requested = set(requests)
    rows = pd.Series(problem.row_keys)
    distinct = rows.drop_duplicates()
    if kind == "pair":
        hidden = {key for key in distinct if key in requested}
    elif kind in ("cell_type", "donor"):
        units = {_unit(problem, kind, key) for key in requested}
        hidden = {key for key in distinct if _unit(problem, kind, key) in units}
    elif kind == "combination":
        labels = {label for _, label in requested}
        hidden = {key for key in distinct if key[1] in labels}
    else:  # a target that nobody has seen is in no combination either
        targets = {target for _, label in requested for target in problem.names.parse(label)}
        hidden = {key for key in distinct if targets & set(problem.names.parse(key[1]))}
    return np.array([key in hidden and key[1] != CONTROL for key in rows], dtype=bool)
