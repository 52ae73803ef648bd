"""Predictions of scmamba for a query: whole, each component alone, without Mamba layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scmamba.benchmark import AnnotationSplit, Predictions
from scmamba.benchmark._annotation.split import UNLABELED
from scmamba.benchmark._cost import measure_cost
from scmamba.pp.expression import expression
from scmamba.tasks import AnnotationTraining, annotate

OURS = "scmamba"


@dataclass(frozen=True)
class Ours:
    """Rows of one fit.

    Attributes
    ----------
    rows
        Both components, the one that counts, has the seconds of the whole call; then each alone.
    ood
        The out-of-distribution score, and what was called unknown.
    about
        What held-out labeled cells showed and chose.
    """

    rows: dict[str, Predictions]
    ood: Predictions
    about: dict[str, Any]


def ours(split: AnnotationSplit, seed: int, *, layers: bool = False) -> Ours:
    """Annotate the query as a user would; with Mamba layers to try where ``layers`` is True."""
    query = split.query.copy()
    with measure_cost() as cost:
        annotator = annotate(
            query,
            split.train,
            labels_key=split.labels_key,
            unlabeled_category=UNLABELED,
            batch_key=split.batch_key,
            training=AnnotationTraining(n_layer=2) if layers else None,
            seed=seed,
        )
    cells = annotator._aligned(expression(query))
    rows = {}
    for part in ("both", "linear", "neural"):
        found = annotator._predictions(cells, parts=part)
        rows[part] = Predictions(np.array(found.best_guess), found.confidence, found.unknown)
    whole = replace(rows["both"], **vars(cost))
    written = query.obs["scmamba_best_guess"].to_numpy(dtype=str)
    assert (whole.guess == written).all(), "the annotator says other than it wrote"
    score = query.obs["scmamba_ood_score"].to_numpy()
    name = f"{OURS} with Mamba layers to try" if layers else OURS
    rows = {name: whole} | {f"{name}, {part} alone": rows[part] for part in ("linear", "neural")}
    about = {
        "validation": annotator.scores,
        "neural_weight": annotator.fusion.neural_weight,
        "mamba_layers": annotator.neural.model.config.encoder.n_layer,
    }
    return Ours(rows, Predictions(score, None, whole.unknown, **vars(cost)), about)
