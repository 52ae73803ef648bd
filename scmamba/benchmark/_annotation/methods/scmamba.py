"""scmamba: one call of annotate."""

from __future__ import annotations

from typing import Any

from scmamba.benchmark._annotation.methods.base import AnnotationMethod, Predictions
from scmamba.benchmark._annotation.split import UNLABELED, AnnotationSplit
from scmamba.benchmark._cost import measure_cost


def scmamba(split: AnnotationSplit, seed: int, **options: Any) -> Predictions:
    """:func:`scmamba.tasks.annotate`, with ``options``, as a user would call it."""
    from scmamba.tasks import annotate

    query = split.query.copy()
    with measure_cost() as cost:
        annotate(
            query,
            split.train,
            labels_key=split.labels_key,
            unlabeled_category=UNLABELED,
            batch_key=split.batch_key,
            seed=seed,
            **options,
        )
    guess = query.obs["scmamba_best_guess"].to_numpy(dtype=str)
    confidence = query.obs["scmamba_confidence"].to_numpy(dtype=float)
    unknown = query.obs["scmamba_cell_type"].to_numpy(dtype=str) == "unknown"
    return Predictions(guess, confidence, unknown, **vars(cost))


SCMAMBA = AnnotationMethod(scmamba, "scmamba", package="scmamba.tasks")
