"""The comparison of predicted perturbation effects as one call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._files import atomic, writable_folder
from scmamba._log import logger
from scmamba.benchmark._cost import measure_cost
from scmamba.benchmark._perturbation.methods import PERTURBATION_METHODS, PerturbationMethod
from scmamba.benchmark._perturbation.problem import Key, PerturbationProblem, read_problem
from scmamba.benchmark._perturbation.scores import CEILING, ceiling, distances, effect_scores
from scmamba.benchmark._perturbation.split import Kind, held_out, split_of
from scmamba.benchmark.runs import Runs

if TYPE_CHECKING:
    from anndata import AnnData

_KINDS = ("perturbation", "combination", "cell_type", "donor", "pair")
_DRAWS = 1000
_MOST_CELLS = 500


@dataclass(frozen=True)
class PerturbationBenchmark:
    """Result of a comparison of predicted perturbation effects.

    Attributes
    ----------
    scores
        One row per method, seed, context and perturbation; one column per metric.
    costs
        One row per method and seed: ``seconds`` and ``cpu_seconds`` of all folds together.
    ceiling
        Mean of each metric for one half of the measured cells as the prediction of the other
        half; None for given effects.

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba.benchmark import PerturbationBenchmark
    >>> scores = pd.DataFrame({"method": ["a", "b"], "seed": 0, "context": "", "perturbation": "A",
    ...                        "pearson_delta": [0.25, 0.5]})
    >>> PerturbationBenchmark(scores, pd.DataFrame()).summary["pearson_delta"].to_dict()
    {'b': 0.5, 'a': 0.25}
    """

    scores: pd.DataFrame
    costs: pd.DataFrame
    ceiling: pd.Series | None = field(default=None, compare=False)

    @property
    def by_perturbation(self) -> pd.DataFrame:
        """Means over seeds, one row per method, context and perturbation."""
        columns = ["method", "context", "perturbation"]
        return self.scores.drop(columns="seed").groupby(columns, sort=False).mean()

    @property
    def summary(self) -> pd.DataFrame:
        """One row per method: mean over perturbations and seeds; best ``pearson_delta`` first.

        Perturbations that a metric is undefined for, such as the correlation of no change at all,
        are left out of its mean. The last row is the ceiling, where there is one.
        """
        means = self.by_perturbation.groupby(level="method", sort=False).mean()
        means = means.sort_values("pearson_delta", ascending=False)
        if self.ceiling is not None:
            means.loc[CEILING] = self.ceiling.reindex(means.columns)
        return means

    def interval(self, metric: str) -> pd.DataFrame:
        """Mean of a metric by method with its 95 % interval, bootstrap over perturbations.

        Raises
        ------
        ScmambaError
            If there is no such metric.
        """
        table = self.by_perturbation
        if metric not in table:
            raise ScmambaError(f"metric {metric!r}; allowed: {', '.join(table.columns)}")
        wide = table[metric].unstack("method").reindex(columns=table.index.unique("method"))
        values = wide.to_numpy(float)
        draws = np.random.default_rng(0).integers(len(values), size=(_DRAWS, len(values)))
        means = pd.DataFrame([pd.DataFrame(values[rows]).mean() for rows in draws])
        found = pd.DataFrame({"mean": wide.mean()})
        found["low"], found["high"] = (means.quantile(q).to_numpy() for q in (0.025, 0.975))
        return found


def perturbation(
    adata: AnnData,
    pert_key: str,
    control: str | None = None,
    *,
    output: str | os.PathLike[str],
    split: Kind = "perturbation",
    cell_type_key: str | None = None,
    donor_key: str | None = None,
    effects: bool = False,
    methods: Sequence[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    n_folds: int | None = None,
    min_cells: int = 10,
    layer: str | None = None,
) -> PerturbationBenchmark:
    """Predict held-out perturbation effects by several methods, and score them.

    Each fold hides what it is to predict from all methods; controls are never hidden. Folds and
    runs are kept in ``output``, and a benchmark that was stopped goes on there.

    Parameters
    ----------
    adata
        Perturbed and control cells, counts or log-normalized counts; or, with ``effects``, one row
        per perturbation and context with changes, z-scores or ranks.
    pert_key
        Column of ``obs`` with the perturbation; combinations are written ``"A+B"``.
    control
        Value of ``pert_key`` for control cells; None only with ``effects``.
    output
        Folder for folds and runs.
    split
        What is held out: each ``"perturbation"`` in all contexts, with combinations that it is
        part of; each ``"combination"``; each ``"cell_type"`` or ``"donor"`` (its perturbed
        cells); or ``"pair"``, a perturbation in one context while others keep it.
    cell_type_key
        Column of ``obs`` with the context, such as cell type or cell line.
    donor_key
        Column of ``obs`` with donors, for ``split="donor"``.
    effects
        Whether rows are effects.
    methods
        Names in :data:`~scmamba.benchmark.PERTURBATION_METHODS`; None: all that apply
        but the networks, ``"scmamba_network"`` and ``"scmamba_network_mamba"``.
    seeds
        Each method is run once with each; random folds depend on it as well.
    n_folds
        Number of folds; None: each in turn if there are up to 30, else 10.
    min_cells
        Perturbations with fewer cells in a context are not scored.
    layer
        Layer that holds expression; None: it is looked for.

    Raises
    ------
    ScmambaError
        A method or split is unknown, a column or the control is missing, there is too little to
        hold out, or a run in ``output`` was made on other data.

    Examples
    --------
    >>> import tempfile
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> cells = scmamba.datasets.synthetic(120, 30, 2)
    >>> cells.obs["target"] = ["control", "A", "B"] * 40
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = scmamba.benchmark.perturbation(
    ...         cells, "target", "control", output=folder, methods=["no_change", "mean"], seeds=[0]
    ...     )
    >>> found.summary.index.tolist()
    ['mean effect', 'no change', 'split-half ceiling']
    """
    chosen = _methods(methods, effects)
    contexts = _check(split, control, cell_type_key, donor_key, effects, seeds, n_folds)
    problem = read_problem(
        adata, pert_key, control, contexts, effects=effects, min_cells=min_cells, layer=layer
    )
    folds = {seed: held_out(problem, split, n_folds, seed) for seed in seeds}
    folder = Path(writable_folder(output))
    identity = {"data": problem.identity, "split": split, "min_cells": min_cells}
    for seed, parts in folds.items():
        kept = Runs(folder, identity)
        if (found := kept.read("folds", seed)) is None:
            kept.write({"folds": parts}, "folds", seed)
        elif found["folds"] != {name: [list(key) for key in keys] for name, keys in parts.items()}:
            raise ScmambaError(f"{kept.path('folds', seed)} has other folds; give another folder")
    rows, costs = [], []
    for seed, parts in folds.items():
        runs = Runs(folder, identity)
        _run(problem, split, parts, seed, chosen, runs)
        for name, method in chosen.items():
            table, cost = _scored(problem, parts, seed, name, runs)
            rows.append(table.reset_index().assign(method=method.title, seed=seed))
            costs.append({"method": method.title, "seed": seed, **cost})
    scores = pd.concat(rows, ignore_index=True)
    first = ["method", "seed", "context", "perturbation"]
    scores = scores[first + [name for name in scores if name not in first]]
    return PerturbationBenchmark(scores, pd.DataFrame(costs), ceiling(problem, _keys(folds)))


def _run(
    problem: PerturbationProblem,
    kind: Kind,
    parts: dict[str, list[Key]],
    seed: int,
    methods: dict[str, PerturbationMethod],
    runs: Runs,
) -> None:
    """Run every method on every fold that has no result yet."""
    for i, (fold, requests) in enumerate(parts.items()):
        todo = [name for name in methods if runs.read(name, seed, i) is None]
        if not todo:
            continue
        part = split_of(problem, kind, fold, requests)
        for name in todo:
            with measure_cost() as cost:
                made = methods[name].run(part, seed)
            content: dict[str, Any] = {"seconds": cost.seconds, "cpu_seconds": cost.cpu_seconds}
            if not problem.effects:
                cells = [made.cells_of(part, j) for j in range(len(requests))]
                content |= distances(problem, part, cells, _MOST_CELLS, seed)
            with atomic(_array(runs, name, seed, i)) as temporary, temporary.open("wb") as file:
                np.save(file, made.changes.astype(np.float32))
            runs.write(content, name, seed, i)
            logger.info("%s, seed %d, %s: %.1f s", methods[name].title, seed, fold, cost.seconds)


def _scored(
    problem: PerturbationProblem, parts: dict[str, list[Key]], seed: int, name: str, runs: Runs
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Scores of all folds of a method, ranked together, and their cost."""
    keys = [key for requests in parts.values() for key in requests]
    kept = [runs.read(name, seed, i) or {} for i in range(len(parts))]
    changes = np.concatenate([np.load(_array(runs, name, seed, i)) for i in range(len(parts))])
    table = effect_scores(problem, keys, changes)
    for metric in ("energy_distance", "mmd"):
        if metric in kept[0]:
            table[metric] = [value for one in kept for value in one[metric]]
    cost = {key: float(sum(one[key] for one in kept)) for key in ("seconds", "cpu_seconds")}
    return table, cost


def _array(runs: Runs, *key: object) -> Path:
    return runs.path(*key).with_suffix(".npy")


def _keys(folds: dict[int, dict[str, list[Key]]]) -> list[Key]:
    return sorted({key for parts in folds.values() for keys in parts.values() for key in keys})


def _methods(names: Sequence[str] | None, effects: bool) -> dict[str, PerturbationMethod]:
    """Chosen methods by name."""
    known = {n: m for n, m in PERTURBATION_METHODS.items() if not (effects and m.needs_cells)}
    usual = [name for name, method in known.items() if not method.named_only]
    chosen = usual if names is None else list(names)
    if not chosen:
        raise ScmambaError("give at least one method")
    for name in chosen:
        if name not in known:
            why = " needs cells" if name in PERTURBATION_METHODS else ""
            raise ScmambaError(f"method {name!r}{why}; allowed: {', '.join(map(repr, known))}")
    return {name: known[name] for name in chosen}


def _check(
    split: str,
    control: str | None,
    cell_type_key: str | None,
    donor_key: str | None,
    effects: bool,
    seeds: Sequence[int],
    n_folds: int | None,
) -> list[str]:
    """Check what does not depend on the data; columns that make up the context."""
    if split not in _KINDS:
        raise ScmambaError(f"split={split!r}; allowed: {', '.join(map(repr, _KINDS))}")
    if control is None and not effects:
        raise ScmambaError("control=None; name the value of pert_key that control cells have")
    if not seeds:
        raise ScmambaError("give at least one seed")
    if n_folds is not None and n_folds < 2:
        raise ScmambaError(f"n_folds={n_folds}; give 2 or more, or None")
    if split == "donor" and donor_key is None:
        raise ScmambaError("split='donor' needs donor_key, the column with donors")
    if split in ("cell_type", "pair") and cell_type_key is None:
        raise ScmambaError(f"split={split!r} needs cell_type_key, the column with contexts")
    if split == "donor":
        return [key for key in (cell_type_key, donor_key) if key is not None]
    return [] if cell_type_key is None else [cell_type_key]
