"""Batch correction of several data sets and made-up designs, beside what one would otherwise take.

    python benchmarks/integration_sets.py --seeds 0

Each method sees the same labeled cells on the same genes, in a process of its own. Labels choose
no gene. Runs in --runs are kept: a benchmark that was stopped goes on; delete a method's files to
run it anew.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _timing
from _integration_sets import SETS
from _integration_variants import ALL, LAYERS
from _results import provenance, write
from integration import PACKAGES, PROGRAM, THREADS

from scmamba import settings
from scmamba.benchmark import Comparison, prepare_cells

METHODS = ALL | LAYERS
DEFAULT = ("pca", "harmony", "scvi", "scmamba", "scanvi", "scmamba_labels")
SCORED = 6000
"""Most cells of a set that are scored, the same for all methods."""


def compare(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Run what is not there yet on one set; return scores and costs by method."""
    one = SETS[name]
    cells = prepare_cells(one.read(arguments.data), one.batch, one.label)
    rows: dict[str, Any] = {}
    for method in arguments.methods:
        comparison = Comparison(
            {method: METHODS[method]}, cells, arguments.runs / name, SCORED, PROGRAM
        )
        runs = comparison.run(arguments.seeds)
        rows[method] = [
            {key: run[key] for key in ("seed", "seconds", "cpu_seconds", "peak_bytes", "scores")}
            for run in runs
        ]
        for run in runs:
            scores = run["scores"]
            print(
                f"{name:9} {method:15} {run['seed']} bio {scores['Bio conservation']:.3f} "
                f"batch {scores['Batch correction']:.3f} total {scores['Total']:.3f} "
                f"{run['cpu_seconds']:.0f} processor seconds",
                flush=True,
            )
    return {"title": one.title, "cells": cells.n_obs, "genes": cells.n_vars, "methods": rows}


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is not there yet, write JSON, print a line a run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--methods", nargs="+", default=list(DEFAULT), choices=METHODS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--runs", type=Path, default=Path("build/benchmark_integration_sets"))
    parser.add_argument("--out", type=Path, default=_timing.RESULTS / "integration_sets.json")
    parser.add_argument("--threads", type=int, default=1, help="of each method")
    arguments = parser.parse_args(argv)
    settings.verbosity, settings.device = "warning", "cpu"
    os.environ |= {name: str(arguments.threads) for name in THREADS if "NUMBA" not in name}
    found = {name: compare(name, arguments) for name in arguments.sets}
    results = {**provenance(PACKAGES), "threads": arguments.threads, "scored": SCORED}
    write(arguments.out, {"results": results | {"sets": found}})


if __name__ == "__main__":
    main()
