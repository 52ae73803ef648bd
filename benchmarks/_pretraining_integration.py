"""Batch correction from scratch, from the gene vectors of scmamba-mini, and by it as it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _integration_sets import SETS
from anndata import AnnData

from scmamba.benchmark import prepare_cells
from scmamba.metrics import integration
from scmamba.tasks import IntegrationTraining, embed, integrate

DATA_SETS = ("baron", "ifnb", "pbmc")
MODEL = "scmamba-mini"
SCORED = 2_000
"""Cells of a set that are scored, at most."""
_KEY = "X_scmamba"


def _fitted(cells: AnnData, seed: int, **options: Any) -> None:
    integrate(cells, "batch", layer="counts", n_top_genes=None, seed=seed, **options)


def _scratch(cells: AnnData, seed: int) -> None:
    _fitted(cells, seed)


def _shorter(cells: AnnData, seed: int) -> None:
    epochs = IntegrationTraining().for_n(cells.n_obs, pretrained=True).epochs
    _fitted(cells, seed, training=IntegrationTraining(epochs=epochs))


def _started(cells: AnnData, seed: int) -> None:
    _fitted(cells, seed, model=MODEL)


def _as_it_is(cells: AnnData, seed: int) -> None:
    embed(cells, MODEL, layer="counts")


STARTS: dict[str, Callable[[AnnData, int], None]] = {
    "scratch": _scratch,
    "scratch, epochs as from the model": _shorter,
    f"gene vectors of {MODEL}": _started,
    f"{MODEL}, as it is": _as_it_is,
}


def compare(
    data: Path, seeds: Sequence[int], known: Sequence[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Scores and cost of each start on each set but the ``known``; labels only score."""
    there = [(row["set"], row["start"], row["seed"]) for row in known]
    for name in DATA_SETS:
        one = SETS[name]
        cells = prepare_cells(one.read(data), one.batch, one.label)
        _as_it_is(cells[:50].copy(), 0)  # compiled, imported
        for seed in seeds:
            for start, run in STARTS.items():
                if (one.title, start, seed) in there:
                    continue
                made = cells.copy()
                before, cpu = time.perf_counter(), time.process_time()
                run(made, seed)
                row = {"set": one.title, "cells": cells.n_obs, "start": start, "seed": seed}
                row |= {
                    "seconds": time.perf_counter() - before,
                    "cpu_seconds": time.process_time() - cpu,
                }
                found = integration(made, "batch", "label", [_KEY], max_cells=SCORED)
                scores = found.table.loc[_KEY]
                for score in ("Bio conservation", "Batch correction", "Total"):
                    row[score] = float(np.float64(scores[score]))
                yield row
