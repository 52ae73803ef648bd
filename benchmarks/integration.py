"""Batch correction of four blood studies, beside what one would otherwise take.

    python benchmarks/integration.py --seeds 0 1 2 --objective-seeds 0

Cells with a known label, on the 2,000 genes that vary most within studies: the same for every
method, each in a process of its own. Labels choose no gene; rows "with labels" learn from them, and
all rows are scored by them, so nothing of a method may be chosen by what this prints. A run that
was stopped goes on; delete a method's files in --runs to run it anew.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import _timing
import anndata as ad
import numpy as np
from _integration_variants import ALL, LAYERS, OBJECTIVES
from _results import note_read, provenance, write
from _tables import integration_table

from scmamba import settings
from scmamba.benchmark import OURS, Comparison, IntegrationMethod, prepare_cells
from scmamba.benchmark._integration.comparison import mean_scores, table
from scmamba.cli._sequences import write_figure
from scmamba.pl import integration_runs, integration_scores, integration_umap

PACKAGES = ("torch", "scvi-tools", "harmonypy", "scib-metrics", "scanpy", "anndata", "numpy")
PROGRAM = (str(Path(__file__).with_name("_integration_variants.py")),)
PICTURES = Path(__file__).parent / "pictures"
PEERS = tuple(name for name in ALL if name not in OURS)
SHOWN = ("pca", "harmony", "scvi", "scmamba", "scmamba_labels")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def summary(
    runs: Sequence[Mapping[str, Any]], methods: Mapping[str, IntegrationMethod]
) -> dict[str, Any]:
    """Of each method every score seed by seed, and what it costs."""
    rows = {}
    for name, method in methods.items():
        here = [run for run in runs if run["method"] == name]
        scores = {key: [run["scores"][key] for run in here] for key in here[0]["scores"]}
        cost = {
            key: float(np.mean([run[key] for run in here]))
            for key in ("seconds", "cpu_seconds", "peak_bytes")
        }
        rows[name] = {
            "title": method.title,
            "labels": method.labels,
            "seeds": [run["seed"] for run in here],
            "scores": scores,
            "about": [run["about"] for run in here],
            **cost,
        }
    return rows


def draw(comparison: Comparison, runs: Sequence[Mapping[str, Any]]) -> None:
    """The table of scores, every run with its cost, and UMAPs of the first seed."""
    methods, cells = comparison.methods, comparison.cells
    PICTURES.mkdir(exist_ok=True)
    means = mean_scores(runs, methods, cells.n_obs)
    write_figure(integration_scores(means), PICTURES / "integration_scores.png")
    write_figure(integration_runs(table(runs, methods)), PICTURES / "integration_runs.png")
    shown, bases = comparison.umaps(runs[0]["seed"], SHOWN)
    figure = integration_umap(shown, "batch", "label", bases)
    write_figure(figure, PICTURES / "integration.png", dpi=90)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is not there yet, write JSON and pictures, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--peers", nargs="*", default=list(PEERS), choices=PEERS)
    parser.add_argument("--layers", nargs="*", default=list(LAYERS), choices=LAYERS)
    parser.add_argument("--objectives", nargs="*", default=list(OBJECTIVES), choices=OBJECTIVES)
    parser.add_argument("--objective-seeds", type=int, nargs="+", help="as --seeds by default")
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--runs", type=Path, default=Path("build/benchmark_integration"))
    parser.add_argument("--out", type=Path, default=_timing.RESULTS / "integration.json")
    parser.add_argument("--cells", type=int, help="a trial on so many cells drawn at random")
    parser.add_argument("--threads", type=int, default=4, help="of each method")
    parser.add_argument("--jobs", type=int, default=1, help="methods side by side")
    arguments = parser.parse_args(argv)
    settings.verbosity, settings.device = "info", "cpu"
    environment = {name: str(arguments.threads) for name in THREADS}
    environment["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
    plan = [
        ({name: ALL[name] for name in (*arguments.peers, *OURS)}, arguments.seeds),
        ({name: LAYERS[name] for name in arguments.layers}, arguments.seeds),
        (
            {name: OBJECTIVES[name] for name in arguments.objectives},
            arguments.objective_seeds or arguments.seeds,
        ),
    ]
    content = note_read(arguments.out, plan=[[list(methods), seeds] for methods, seeds in plan])
    adata = ad.read_h5ad(arguments.data / "cells/pbmc_4batch.h5ad")
    if arguments.cells is not None:
        rows = np.random.default_rng(0).permutation(adata.n_obs)[: arguments.cells]
        adata = adata[np.sort(rows)].copy()
    cells = prepare_cells(adata, "batch", "cell_type")
    comparisons = [
        Comparison(methods, cells, arguments.runs, program=PROGRAM, environment=environment)
        for methods, _ in plan
    ]
    found = [
        comparison.run(seeds, arguments.jobs)
        for comparison, (_, seeds) in zip(comparisons, plan, strict=True)
    ]
    rows = [summary(runs, methods) for runs, (methods, _) in zip(found, plan, strict=True)]
    content["results"] = {
        **provenance(PACKAGES),
        "threads": arguments.threads,
        "jobs": arguments.jobs,
        "cells": {"given": adata.n_obs, "kept": cells.n_obs, "genes": cells.n_vars},
        "sizes": cells.obs["label"].value_counts().to_dict(),
        "groups": found[0][0]["groups"],
        "methods": rows[0],
        "ablations": rows[1] | rows[2],
    }
    write(arguments.out, content)
    if arguments.cells is None:  # a trial leaves the pictures of the record run alone
        draw(comparisons[0], found[0])
    print(f"\n{integration_table(content)}\n\nwritten: {arguments.out}")


if __name__ == "__main__":
    main()
