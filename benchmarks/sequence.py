"""Predictors of sequences trained from scratch, beside plain methods.

    python benchmarks/sequence.py classify         # promoters, factors, splice junctions
    python benchmarks/sequence.py mrfp             # expression of synonymous mRFP variants
    python benchmarks/sequence.py plant_promoters  # activity of core promoters
    python benchmarks/sequence.py cds_decay        # decay of mRNAs, up to 17,000 nucleotides

Every choice is made inside the training part: on the validation split that comes with a task, or
on a tenth of training that is held out. Rows named "test-selected" are the exception, beside the
honest ones: the best epoch on the test split, which is how such benchmarks are often published.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import _timing
import numpy as np
import pandas as pd
from _cds_decay import cds_decay
from _mrfp import mrfp
from _plant_promoters import plant_promoters
from _regression import compare
from _results import note_read, plain, provenance, write
from _tables import classify_table, regression_table

from scmamba import benchmark, settings
from scmamba.benchmark import (
    SequenceBenchmark,
    SequenceTask,
    make_task,
)
from scmamba.learn.folds import fold_of
from scmamba.tasks.sequence._supervised.split import groups

PACKAGES = ("torch", "numpy", "scikit-learn", "scipy")
GUE = {
    "gue_prom_core_tata": "promoter",
    "gue_mouse_2": "transcription factor, mouse",
    "gue_tf_3": "transcription factor, human",
}
SPLICE = "splice_junctions"
REGRESSION = {"mrfp": mrfp, "plant_promoters": plant_promoters, "cds_decay": cds_decay}
METHODS = ("scmamba", "scmamba_no_mamba", "cnn", "transformer", "mamba", "kmer")
LONGER = {"epochs": 60, "batch_size": 32, "patience": 6}
"""The published networks where data are few: as many steps as they need, not 100 of 256. Dear, and
so run with the first seed alone."""


def tasks(data: Path, names: Sequence[str], most: int | None = None) -> list[SequenceTask]:
    """The tasks, with copies of held-out sequences left out of training.

    ``most``: training sequences that each task may keep, the same for every method and seed.
    """
    found = [_task(data, name) for name in names]
    if most is None:
        return found
    draw = np.random.default_rng(0)
    return [
        replace(task, train=task.train.take(draw.permutation(len(task.train))[:most]))
        for task in found
    ]


def _task(data: Path, name: str) -> SequenceTask:
    if name == SPLICE:
        return _splice(data / "dna" / "splice_junction_3186.csv")
    parts = [
        pd.read_csv(data / "dna" / name / f"{split}.csv") for split in ("train", "test", "dev")
    ]
    return make_task(name, *parts, category=GUE[name])


def _splice(path: Path) -> SequenceTask:
    """A fifth of the sequences to test on, a tenth to validate on, by unique sequence, seed 0."""
    table = pd.read_csv(path)
    group = groups(list(table["sequence"]), double_stranded=False)
    stratum = np.unique(table["label"], return_inverse=True)[1]
    fold = fold_of(group, stratum, 10, seed=0)
    parts = [table[np.isin(fold, list(which))] for which in (range(3, 10), (0, 1), (2,))]
    return make_task(SPLICE, *parts, category="splice site")


def classify(arguments: argparse.Namespace) -> dict[str, Any]:
    """Methods on tasks, with the published training and, for some networks, a longer one."""
    given = tasks(arguments.data, arguments.tasks, arguments.most)
    seeds = dict.fromkeys(("scmamba", *arguments.methods), arguments.seeds)
    seeds |= dict.fromkeys(arguments.once, arguments.seeds[:1])
    options: dict[str, Any] = {"seeds": seeds, "reference": "scmamba"}
    methods = arguments.methods
    published = benchmark.sequence(given, methods, output=arguments.runs / "published", **options)
    networks = [name for name in arguments.longer if name in methods]
    longer: SequenceBenchmark | None = None
    if networks:
        _same_runs(arguments.runs, "scmamba")
        options["seeds"] = arguments.seeds[:1]
        longer = benchmark.sequence(
            given, ["scmamba", *networks], output=arguments.runs / "longer", **options, **LONGER
        )
    results = {"published": _plain(published), "tasks": [_describe(task) for task in given]}
    if longer is not None:
        results["longer"] = _plain(longer)
    return results


def _same_runs(folder: Path, method: str) -> None:
    """Let the second table take over the runs of a method that has one way of training."""
    (folder / "longer" / "runs").mkdir(parents=True, exist_ok=True)
    for path in (folder / "published" / "runs").glob(f"*__{method}__*.json"):
        (folder / "longer" / "runs" / path.name).write_bytes(path.read_bytes())


def _plain(result: SequenceBenchmark) -> dict[str, Any]:
    return {
        "summary": result.summary.to_dict(orient="index"),
        "by_task": result.by_task.to_dict(orient="records"),
        "runs": result.runs.to_dict(orient="records"),
    }


def _describe(task: SequenceTask) -> dict[str, Any]:
    sizes = {part: len(getattr(task, part)) for part in ("train", "validation", "test")}
    length = sorted({len(text) for text in task.train.texts})
    span = length[0] if len(length) == 1 else f"{length[0]} to {length[-1]}"
    return {"name": task.name, **sizes, "left_out": task.left_out, "length": span}


def main(argv: Sequence[str] | None = None) -> None:
    """Run one benchmark, write its JSON, print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=["classify", *REGRESSION])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--tasks", nargs="+", default=[*GUE, SPLICE], choices=[*GUE, SPLICE])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument(
        "--longer", nargs="*", default=["cnn", "transformer"], help="networks trained longer, too"
    )
    parser.add_argument(
        "--once", nargs="*", default=[], help="methods that are run with the first seed alone"
    )
    parser.add_argument("--most", type=int, help="training sequences of a task; all by default")
    parser.add_argument("--runs", type=Path, default=Path("build/benchmark_sequence"))
    parser.add_argument("--out", type=Path, help="results/sequence_<name>.json by default")
    arguments = parser.parse_args(argv)
    settings.verbosity = "info"
    path = arguments.out or _timing.RESULTS / f"sequence_{arguments.name}.json"
    what = {"seeds": arguments.seeds}
    if arguments.name == "classify":
        what |= {"tasks": arguments.tasks, "methods": arguments.methods}
    content = note_read(path, **what)
    if arguments.name == "classify":
        found = classify(arguments)
    else:
        task = REGRESSION[arguments.name](arguments.data)
        found = compare(arguments.name, task, arguments)
    content["results"] = {**provenance(PACKAGES), "seeds": arguments.seeds, **found}
    write(path, content)
    draw = classify_table if arguments.name == "classify" else regression_table
    print(f"\n{draw(plain(content))}\n\nwritten: {path}")


if __name__ == "__main__":
    main()
