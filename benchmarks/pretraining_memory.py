"""Memory that ``scmamba pretrain --dry_run`` tells, beside what training takes.

    python benchmarks/pretraining_memory.py

Models of width 128 learn from three batches of blood cells, of two views of 256 genes each, with
the objectives of the recipe of scmamba-mini; with Mamba layers hidden genes are predicted from
tokens, too. Each is a process of its own. Taken is its resident memory at its highest, above what
it held after a tiny training: libraries are loaded by then.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _timing
import anndata as ad
import numpy as np
from _pretraining_corpus import RECIPE
from _results import provenance, write

from scmamba import settings
from scmamba.tasks import PretrainConfig, pretrain
from scmamba.tasks._pretraining.config import read_yaml

STEPS = 3
LAYERS, BATCH_SIZES = (0, 1, 2), (32, 128)
TINY = {"model": {"n_layer": 0, "d_model": 16}, "fit": {"batch_size": 8}}
FILE = "cells/pbmc_4batch.h5ad"


def config(n_layer: int, batch_size: int) -> PretrainConfig:
    """Settings of the recipe but for layers, batches and epochs."""
    recipe = read_yaml(RECIPE)["config"]
    model = {**recipe["model"], "n_layer": n_layer}
    objectives = {**recipe["objectives"], "gep_weight": float(n_layer > 0)}
    return PretrainConfig.from_dict(
        {
            "data": {"labels_key": "cell_type", "batch_key": "batch"},
            "model": model,
            "views": recipe["views"],
            "objectives": objectives,
            "fit": {"epochs": 1, "batch_size": batch_size, "ema": recipe["fit"]["ema"]},
        }
    )


def measure(data: Path, n_layer: int, batch_size: int) -> dict[str, Any]:
    """Bytes told and taken by one training of this process."""
    settings.verbosity, settings.device = "error", "cpu"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "cells.h5ad")
        cells = ad.read_h5ad(data / FILE)
        rows = np.random.default_rng(0).permutation(cells.n_obs)[: STEPS * batch_size]
        cells[np.sort(rows)].write_h5ad(path)
        pretrain(path, PretrainConfig.from_dict(TINY | {"data": {}}))
        asked = config(n_layer, batch_size)
        taken = _timing.peak_memory(lambda: pretrain(path, asked))
        told = pretrain(path, asked, dry_run=True)  # runs a few steps: afterwards
    return {
        "n_layer": n_layer,
        "batch_size": batch_size,
        "steps": told.steps,
        "parameters": told.parameters,
        "told": told.memory,
        "taken": taken,
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Measure all, one process each, and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--out", type=Path, default=_timing.RESULTS / "pretraining_memory.json")
    parser.add_argument("--one", type=int, nargs=2, metavar=("LAYERS", "CELLS"))
    arguments = parser.parse_args(argv)
    if arguments.one:
        print(json.dumps(measure(arguments.data, *arguments.one)))
        return
    rows = []
    for n_layer in LAYERS:
        for size in BATCH_SIZES:
            given = ("--data", str(arguments.data), "--one", str(n_layer), str(size))
            rows.append(json.loads(_timing.alone(*given).splitlines()[-1]))
            row = rows[-1]
            print(
                f"{n_layer} layers, {size} cells: told {row['told'] / 1e9:.2f} GB, "
                f"taken {row['taken'] / 1e9:.2f} GB",
                flush=True,
            )
    write(arguments.out, {"rows": rows, **provenance(("torch",))})


if __name__ == "__main__":
    main(sys.argv[1:])
