"""Annotators on disk: what their folders hold, and where they are found by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scmamba._arguments import near_names
from scmamba._errors import ScmambaError
from scmamba.learn.artifact import Artifact, flattened, unflattened
from scmamba.learn.fusion import Fusion
from scmamba.learn.linear import Linear
from scmamba.learn.neural import NeuralComponent
from scmamba.learn.ood import EQUAL_WEIGHT, ClassGaussians, OODScorer
from scmamba.models.hub.repository import local_folder
from scmamba.models.shipped import find_shipped, shipped_models
from scmamba.tasks._annotation.hierarchy import Hierarchy
from scmamba.tasks._annotation.upgrade import american, upgrade
from scmamba.tasks._annotation.validation import table_from_json, table_to_json
from scmamba.tasks._panel import Panel

if TYPE_CHECKING:
    from scmamba.tasks._annotation.annotator import Annotator

ARTIFACT = Artifact("annotator")


def is_annotator(path: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a saved annotator."""
    return ARTIFACT.is_at(path)


def annotator_folder(name: str | os.PathLike[str]) -> Path:
    """Return the folder of an annotator: the one given, or that of an annotator that ships.

    Raises
    ------
    ScmambaError
        There is neither such a folder nor an annotator of that name.
    """
    folder = local_folder(name)
    if folder.exists():
        return folder
    if (card := find_shipped(name)) is None:
        known = [one.name for one in shipped_models() if one.kind == "annotator"]
        raise ScmambaError(
            f"{str(name)!r} is neither a folder nor the name of an annotator that ships; "
            f"{near_names(name, known)}"
        )
    if card.kind != "annotator":
        raise ScmambaError(
            f"{card.name!r} is a pretrained model, not an annotator; load it by "
            f"scmamba.models.load({card.name!r}), or fit an annotator to it: "
            f"scmamba.tasks.annotate(..., labels_key=..., model={card.name!r})"
        )
    return card.check()


def save_annotator(annotator: Annotator, path: str | os.PathLike[str]) -> Path:
    """Write an annotator; see :meth:`scmamba.tasks.Annotator.save`."""
    head = annotator.neural.head
    arrays = {
        "chosen": annotator.panel.chosen,
        **flattened("linear", annotator.linear),
        **({} if head is None else flattened("head", head)),
        **flattened("gaussians", annotator.gaussians),
        "ood.quantiles": annotator.ood_scorer.quantiles,
        "thresholds": annotator.thresholds,
    }
    levels = annotator.hierarchy
    content = {
        "classes": annotator.classes,
        "genes": annotator.panel.genes,
        "reads_panel": annotator.reads_panel,
        "fusion": asdict(annotator.fusion),
        "ood_threshold": annotator.ood_threshold,
        "ood_uncertainty_weight": annotator.ood_scorer.uncertainty_weight,
        "about": annotator.about,
        "validation": annotator.scores,
        "types": table_to_json(annotator.validation),
        "hierarchy": None if levels is None else levels.to_json(),
    }
    return ARTIFACT.save(path, content, arrays, annotator.neural.members, annotator.history)


@contextmanager
def reading_annotator(name: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """Give the fields of a saved annotator; an error while they are used is one of its folder."""
    with ARTIFACT.reading(annotator_folder(name)) as saved:
        if saved.version == 1:
            upgrade(saved)
        content, arrays = saved.content, saved.arrays
        head = unflattened(Linear, "head", arrays) if "head.coef" in arrays else None
        classes, levels = tuple(content["classes"]), content.get("hierarchy")
        thresholds = arrays.get("thresholds")
        if thresholds is None:  # one for all types, in folders of earlier versions
            thresholds = np.full(len(classes), content["confidence_threshold"])
        table = content.get("types", {"threshold": thresholds.tolist()})
        yield {
            "classes": classes,
            "panel": Panel(tuple(content["genes"]), arrays["chosen"]),
            "linear": unflattened(Linear, "linear", arrays),
            "neural": NeuralComponent(saved.networks, head),
            "reads_panel": content["reads_panel"],
            "fusion": Fusion.from_dict(content["fusion"]),
            "gaussians": unflattened(ClassGaussians, "gaussians", arrays),
            "ood_scorer": OODScorer(
                arrays["ood.quantiles"],
                content["ood_threshold"],
                content.get("ood_uncertainty_weight", EQUAL_WEIGHT),
            ),
            "thresholds": thresholds,
            "about": american(content["about"]),
            "scores": content["validation"],
            "validation": table_from_json(table, classes),
            "history": saved.history,
            "hierarchy": Hierarchy.from_json(levels, classes) if levels else None,
        }
