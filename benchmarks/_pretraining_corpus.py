"""The cells that benchmarks/pretraining.py learns from: those of the recipe of scmamba-mini."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from scmamba.tasks._pretraining.config import read_yaml

RECIPE = Path(__file__).parent.parent / "data" / "scmamba-mini.yaml"
TEST = {"pbmc3k": "cell_type", "pancreas_baron": "cell_type"}
"""Whole studies that are tested on, with their labels; the second is of another tissue."""


def paths(data: Path) -> list[str]:
    """Files of the corpus."""
    return [str(data / name) for name in read_yaml(RECIPE)["files"]]


def config(minutes: float, seed: int, *, batch_size: int, lr: float, tokens: int) -> dict[str, Any]:
    """Settings of a pretraining: nothing in them was chosen on the data sets of ``TEST``."""
    found = copy.deepcopy(read_yaml(RECIPE)["config"])
    found["data"]["excluded"] = list(TEST)
    found["views"]["max_tokens"] = tokens
    found["fit"] |= {"batch_size": batch_size, "lr": lr, "max_minutes": minutes, "seed": seed}
    return found
