"""Seconds and memory of annotate and integrate against cells, genes and classes.

    python benchmarks/growth.py                          # what is not there yet of all
    python benchmarks/growth.py --tasks annotate --axes cells --most-cells 10000

Made cells (``make_cells.py``): classes that differ in a tenth of the genes each, nine batches. Each
run is a process of its own; a run that was stopped goes on with those that are missing. Half of
the cells are labeled for annotate. The exponent between two sizes is log(time ratio) / log(size
ratio): 1 is linear growth.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _results import provenance, write
from make_cells import make

from scmamba._memory import peak_bytes, peak_bytes_of_workers
from scmamba.benchmark import Runs
from scmamba.benchmark._cost import measure_cost

RESULTS = Path(__file__).parent / "results"
TASKS = ("annotate", "integrate")
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "anndata")


class Size(NamedTuple):
    """Size of a data set."""

    cells: int = 2_000
    genes: int = 5_000
    classes: int = 8


AXES = {
    "cells": [Size(cells=n) for n in (1_000, 10_000, 100_000)],
    "genes": [Size(genes=n) for n in (2_500, 5_000, 20_000)],
    "classes": [Size(classes=n) for n in (4, 8, 32)],
}
"""Sizes of each axis; the others stay as :class:`Size` has them."""


def run_here(task: str, path: str, seed: int) -> dict[str, Any]:
    """Run one task on a file that is read into memory; what it cost, without the import."""
    import anndata as ad

    from scmamba import settings, tasks

    settings.verbosity, settings.device = "error", "cpu"
    adata = ad.read_h5ad(path)
    before = peak_bytes()
    with measure_cost() as cost:
        if task == "annotate":
            hidden = np.random.default_rng(seed).random(adata.n_obs) < 0.5
            truth = adata.obs["cell_type"].astype(str).to_numpy()
            adata.obs["label"] = np.where(hidden, "Unknown", truth)
            tasks.annotate(adata, labels_key="label", batch_key="sample", seed=seed)
            right = adata.obs["scmamba_best_guess"].to_numpy(dtype=str)[hidden] == truth[hidden]
            quality = {"accuracy": float(right.mean())}
        else:
            tasks.integrate(adata, "sample", seed=seed)
            quality = {}
    return {
        **vars(cost),
        **quality,
        "bytes_before": before,
        "peak_bytes": peak_bytes(),
        "worker_bytes": peak_bytes_of_workers(),
    }


def run_alone(task: str, size: Size, folder: Path, seed: int, limit: float) -> dict[str, Any]:
    """Run one task in a process of its own; its cost, or why there is none."""
    path = folder / f"{'_'.join(map(str, size))}.h5ad"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        make(path, size.cells, size.genes, size.genes // 8, n_classes=size.classes)
    command = [sys.executable, __file__, "--here", task, str(path), "--seed", str(seed)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        return {"stopped": f"after {limit:.0f} s"}
    if done.returncode:
        return {"stopped": done.stderr.strip().splitlines()[-1][:300]}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def exponents(rows: Sequence[dict[str, Any]], axis: str, key: str) -> list[float | None]:
    """Growth of ``key`` between neighboring sizes; None where one is missing."""
    found: list[float | None] = []
    for a, b in pairwise(rows):
        there = a.get(key) and b.get(key)
        ratio = math.log(b[axis] / a[axis])
        found.append(math.log(b[key] / a[key]) / ratio if there else None)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, write JSON, print seconds and exponents."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--axes", nargs="+", default=list(AXES), choices=list(AXES))
    parser.add_argument("--most-cells", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=3_600, help="seconds of one run")
    parser.add_argument("--runs", type=Path, default=Path("build/benchmark_growth"))
    parser.add_argument("--out", type=Path, default=RESULTS / "growth.json")
    parser.add_argument("--here", nargs=2, metavar=("TASK", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.here:
        print(json.dumps(run_here(*arguments.here, arguments.seed)))
        return
    runs, results = Runs(arguments.runs, {"seed": arguments.seed}), {}
    for task in arguments.tasks:
        for axis in arguments.axes:
            rows = []
            for size in AXES[axis]:
                if size.cells > arguments.most_cells:
                    continue
                kept = runs.read(task, *size)
                if kept is None or "stopped" in kept:
                    found = run_alone(
                        task, size, arguments.runs / "cells", arguments.seed, arguments.limit
                    )
                    kept = runs.write(found, task, *size)
                row = {**size._asdict(), **{k: v for k, v in kept.items() if k != "identity"}}
                print(task, axis, row, flush=True)
                rows.append(row)
            grown = {key: exponents(rows, axis, key) for key in ("cpu_seconds", "peak_bytes")}
            print(task, axis, "exponents", grown, flush=True)
            results[f"{task}, {axis}"] = {"axis": axis, "rows": rows, "exponents": grown}
    write(arguments.out, {"results": {**provenance(PACKAGES), "growth": results}})
    print(f"written: {arguments.out}")


if __name__ == "__main__":
    main()
