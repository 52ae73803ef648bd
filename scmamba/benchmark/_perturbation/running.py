"""Methods run on folds, one file each, and their scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scmamba._files import atomic
from scmamba._log import logger
from scmamba.benchmark._cost import measure_cost
from scmamba.benchmark._perturbation.methods import PerturbationMethod
from scmamba.benchmark._perturbation.problem import Key, PerturbationProblem
from scmamba.benchmark._perturbation.reverse_ranks import reverse_ranks
from scmamba.benchmark._perturbation.scores import distances, effect_scores
from scmamba.benchmark._perturbation.split import Kind, split_of
from scmamba.benchmark.runs import Runs

_MOST_CELLS = 500


def run_methods(
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


def read_scores(
    problem: PerturbationProblem, parts: dict[str, list[Key]], seed: int, name: str, runs: Runs
) -> tuple[pd.DataFrame, dict[str, float]]:
    """Scores of all folds of a method, ranked together, and their cost."""
    keys = [key for requests in parts.values() for key in requests]
    kept = [runs.read(name, seed, i) or {} for i in range(len(parts))]
    changes = np.concatenate([np.load(_array(runs, name, seed, i)) for i in range(len(parts))])
    table = effect_scores(problem, keys, changes)
    ranks = reverse_ranks(problem, parts, changes)
    if np.isfinite(ranks).any():
        table["reverse_rank"] = ranks
    for metric in ("energy_distance", "mmd"):
        if metric in kept[0]:
            table[metric] = [value for one in kept for value in one[metric]]
    cost = {key: float(sum(one[key] for one in kept)) for key in ("seconds", "cpu_seconds")}
    return table, cost


def _array(runs: Runs, *key: object) -> Path:
    return runs.path(*key).with_suffix(".npy")
