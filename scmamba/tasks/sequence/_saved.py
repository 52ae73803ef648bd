"""Fitted predictors of sequences on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scmamba.learn.artifact import Artifact, Saved, flattened, unflattened
from scmamba.learn.fusion import Fusion
from scmamba.learn.linear import Linear
from scmamba.learn.neural import NeuralComponent
from scmamba.tasks.sequence._supervised.features import Features
from scmamba.tasks.sequence._supervised.linear import SequenceLinear
from scmamba.tasks.sequence._supervised.targets import Targets

if TYPE_CHECKING:
    from scmamba.tasks.sequence.fitted import SequencePredictor

ARTIFACT = Artifact("predictor")


def is_predictor(path: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a saved predictor."""
    return ARTIFACT.is_at(path)


def save_predictor(predictor: SequencePredictor, path: str | os.PathLike[str]) -> Path:
    """Write a predictor; see :meth:`scmamba.tasks.sequence.SequencePredictor.save`."""
    content: dict[str, Any] = {
        "targets": asdict(predictor.targets),
        "fusion": asdict(predictor.fusion),
        "both_strands": predictor.both_strands,
        "max_length": predictor.max_length,
        "about": predictor.about,
        "validation": predictor.validation,
    }
    arrays = {} if predictor.neural.head is None else flattened("head", predictor.neural.head)
    if predictor.linear is not None:
        arrays |= flattened("linear", predictor.linear.linear)
        content["linear"] = {
            "kinds": predictor.linear.features.kinds,
            "length": predictor.linear.features.length,
            "both_strands": predictor.linear.both_strands,
        }
    members = predictor.neural.members
    return ARTIFACT.save(path, content, arrays, members, predictor.history, predictor.tokenizer)


@contextmanager
def reading_predictor(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """Read the fields of a predictor; errors while they are used are damage to the folder."""
    with ARTIFACT.reading(path) as saved:
        if saved.version == 1:
            _upgrade(saved)
        content, arrays = saved.content, saved.arrays
        entries = content["targets"].items()
        targets: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entries}
        head = unflattened(Linear, "head", arrays) if "head.coef" in arrays else None
        backbone = getattr(saved.networks[0], "backbone", saved.networks[0])
        tokenizer: Any = getattr(backbone, "tokenizer", None) or saved.tokenizer
        yield {
            "targets": Targets(**targets),
            "linear": _linear(content.get("linear"), saved),
            "neural": NeuralComponent(saved.networks, head),
            "tokenizer": tokenizer,
            "both_strands": content["both_strands"],
            "fusion": Fusion.from_dict(content["fusion"]),
            "max_length": content["max_length"],
            "about": content["about"],
            "validation": content["validation"],
            "history": saved.history,
        }


def _linear(entry: dict[str, Any] | None, saved: Saved) -> SequenceLinear | None:
    if entry is None:
        return None
    features = Features(tuple(entry["kinds"]), entry["length"])
    return SequenceLinear(
        features, entry["both_strands"], unflattened(Linear, "linear", saved.arrays)
    )


def _upgrade(saved: Saved) -> None:
    """Give the entries of format version 1 their present names."""
    content, arrays = saved.content, saved.arrays
    for name in ("coef", "intercept"):
        if f"wide.{name}" in arrays:
            arrays[f"linear.{name}"] = arrays.pop(f"wide.{name}")
    if "wide" in content:
        content["linear"] = content.pop("wide")
    content["both_strands"] = content.pop("deep")["both_strands"]
    content["fusion"] = Fusion.upgraded(content.pop("blend"), ())
    if content["fusion"]["neural_weight"] == 0:
        content["fusion"]["temperature"] = 1.0  # it was for averages of both components only
    words = {"wide": "linear", "deep": "neural", "both": "both"}
    content["validation"] = {
        f"{words[component]}_{metric}": value
        for name, value in content["validation"].items()
        for component, _, metric in [name.partition("_")]
    }
