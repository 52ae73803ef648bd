"""Annotators that earlier versions saved: their entries under the present names."""

from __future__ import annotations

from typing import Any

import numpy as np

from scmamba.learn.artifact import Saved
from scmamba.learn.fusion import Fusion


def american(about: dict[str, Any]) -> dict[str, Any]:
    """Entries under the names that are written now."""
    return {"n_labeled" if name == "n_labelled" else name: value for name, value in about.items()}


def upgrade(saved: Saved) -> None:
    """Give the entries of format version 1 their present names."""
    prefixes = {"wide": "linear", "principal": "gaussians", "strangeness": "ood"}
    for name in list(saved.arrays):
        prefix, dot, rest = name.partition(".")
        rest = "centers" if rest == "centres" else rest
        saved.arrays[f"{prefixes.get(prefix, prefix)}{dot}{rest}"] = saved.arrays.pop(name)
    rates = np.exp(saved.arrays.pop("log_prior"))
    saved.content["fusion"] = Fusion.upgraded(saved.content["fusion"], rates / rates.sum())
    words = {"wide": "linear", "deep": "neural", "deep_without_mamba": "no_mamba", "both": "both"}
    validation = saved.content["validation"]
    saved.content["validation"] = {
        f"{words[component]}_{score}": validation[f"{component}_{score}"]
        for component in words
        for score in ("accuracy", "macro_f1")
        if f"{component}_{score}" in validation
    } | {name: value for name, value in validation.items() if name == "n_cells"}
    saved.content["reads_panel"] = saved.content["about"]["mode"] == "scratch"
    if "false_alarm" in saved.content["about"]:
        saved.content["about"]["ood_fpr"] = saved.content["about"].pop("false_alarm")
