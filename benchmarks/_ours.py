"""What scmamba says of a query: whole, each view alone, and without Mamba layers."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np
from _scores import Row
from _splits import UNLABELLED, Split

from scmamba.tasks import annotate

OURS = "scmamba"


@dataclass(frozen=True)
class Ours:
    """Rows of one fit.

    Attributes
    ----------
    rows
        Both views, the one that counts, has the seconds of the whole call; then each alone.
    strangeness
        The out-of-distribution score, and what was called unknown.
    about
        What held-out labelled cells showed and chose.
    """

    rows: dict[str, Row]
    strangeness: Row
    about: dict[str, Any]


def ours(split: Split, seed: int, *, layers: bool = True) -> Ours:
    """Annotate the query as a user would; without Mamba layers where ``layers`` is False."""
    query = split.query.copy()
    start = time.perf_counter()
    with _layers(layers):
        annotator = annotate(
            query,
            split.train,
            labels_key=split.labels_key,
            unlabeled_category=UNLABELLED,
            batch_key=split.batch_key,
            seed=seed,
        )
    seconds = time.perf_counter() - start
    cells = annotator.read(query)
    said = {part: annotator.say(cells, parts=part) for part in ("both", "wide", "deep")}
    rows = {
        part: Row(np.array(what.best_guess), what.confidence, what.unknown)
        for part, what in said.items()
    }
    whole = replace(rows["both"], seconds=seconds)
    written = query.obs["scmamba_best_guess"].to_numpy(dtype=str)
    assert (whole.guess == written).all(), "the annotator says other than it wrote"
    score = query.obs["scmamba_ood_score"].to_numpy()
    found = {OURS: whole, f"{OURS}, wide alone": rows["wide"], f"{OURS}, deep alone": rows["deep"]}
    if not layers:
        bare = f"{OURS} without Mamba layers"
        found = {bare: whole, f"{bare}, deep alone": rows["deep"]}
    about = {
        "validation": annotator.validation,
        "deep_share": annotator.fusion.deep_share,
        "mamba_layers": annotator.deep.model.config.n_layer,
    }
    return Ours(found, Row(score, None, whole.unknown, seconds), about)


@contextmanager
def _layers(kept: bool) -> Iterator[None]:
    """Leave the recipe of the compact model as it is, or take the Mamba layers out of it."""
    module = importlib.import_module("scmamba.tasks._annotation.task")
    usual = module.recipe_for

    def recipe_for(*arguments: Any) -> Any:
        return usual(*arguments) if kept else replace(usual(*arguments), epochs=0)

    with mock.patch.object(module, "recipe_for", recipe_for):
        yield
