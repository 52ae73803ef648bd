"""The comparison of annotation as one call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import numpy as np
import pandas as pd

from scmamba._describe import Tabulated
from scmamba._errors import ScmambaError
from scmamba._files import writable_folder
from scmamba._log import logger
from scmamba.benchmark._annotation.methods import ANNOTATION_METHODS, Predictions
from scmamba.benchmark._annotation.split import UNLABELED, AnnotationSplit, split_of
from scmamba.benchmark._installed import check_installed
from scmamba.benchmark._shown import count_runs
from scmamba.benchmark.runs import Runs
from scmamba.metrics import AnnotationScores
from scmamba.metrics import annotation as score

if TYPE_CHECKING:
    from anndata import AnnData

_SCORES = ("accuracy", "macro_f1", "ece", "coverage", "selective_accuracy")


@dataclass(frozen=True, repr=False)
class AnnotationBenchmark(Tabulated):
    """Result of a comparison of annotation.

    Attributes
    ----------
    runs
        One row per method and seed: scores, seconds, and ``cpu_seconds``, those of all processors
        together, worker processes included.

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba.benchmark import AnnotationBenchmark
    >>> runs = pd.DataFrame({"method": ["a", "b"], "seed": [0, 0], "macro_f1": [0.7, 0.8]})
    >>> AnnotationBenchmark(runs).summary.index.tolist()
    ['b', 'a']
    """

    runs: pd.DataFrame

    def _shown(self) -> tuple[str, pd.DataFrame]:
        return f"comparison of annotation, {count_runs(self.runs)}", self.summary

    @property
    def summary(self) -> pd.DataFrame:
        """One row per method, best macro-F1 first: means over seeds."""
        means = self.runs.drop(columns="seed").groupby("method", sort=False).mean()
        return means.sort_values("macro_f1", ascending=False)


def annotation(
    reference: AnnData,
    query: AnnData,
    labels_key: str,
    *,
    output: str | os.PathLike[str],
    methods: Sequence[str] = ("scmamba", "lr", "knn_pca"),
    seeds: Sequence[int] = (0, 1, 2),
    batch_key: str | None = None,
    n_top_genes: int | None = 2000,
) -> AnnotationBenchmark:
    """Annotate the same cells by several methods, and score them.

    Every method learns from the labeled cells of ``reference``; the labels of ``query`` are taken
    off before anything starts. Each run leaves its predictions in ``output``, and a benchmark that
    was stopped goes on there.

    Parameters
    ----------
    reference
        Labeled cells by genes.
    query
        Cells to annotate, with the same genes and with their true labels.
    labels_key
        Column of ``obs`` of both; cells named ``"Unknown"`` are neither learned from nor scored.
    output
        Folder for the runs.
    methods
        Names in :data:`~scmamba.benchmark.ANNOTATION_METHODS`: ``"scmamba"``, ``"lr"``,
        ``"lr_balanced"``, ``"svm"``, ``"mlp"``, ``"knn_pca"``, ``"knn"``, ``"celltypist"``,
        ``"scanvi"``.
    seeds
        Each method is run once with each.
    batch_key
        Column of ``obs`` with batches, which scmamba and scANVI use; None: none.
    n_top_genes
        Highly variable genes of the labeled cells that the other methods see; None: all.

    Raises
    ------
    ScmambaError
        A method is unknown, its package or a column is missing, or a run in ``output`` was made on
        other cells.

    Examples
    --------
    >>> import tempfile
    >>> from scmamba import benchmark, datasets, settings
    >>> settings.verbosity = "error"
    >>> cells = datasets.synthetic(120, 80, 3)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = benchmark.annotation(
    ...         cells[:80], cells[80:], "cell_type", output=folder, methods=["lr"], seeds=[0]
    ...     )
    >>> found.summary.loc["logistic regression", "accuracy"] > 0.9
    np.True_
    """
    if not seeds or not methods:
        raise ScmambaError("give at least one method and one seed")
    if unknown := [name for name in methods if name not in ANNOTATION_METHODS]:
        allowed = ", ".join(map(repr, ANNOTATION_METHODS))
        raise ScmambaError(f"method {unknown[0]!r}; allowed: {allowed}")
    for name, cells in (("reference", reference), ("query", query)):
        if labels_key not in cells.obs:
            raise ScmambaError(
                f"labels_key={labels_key!r} is no column of {name}.obs; there are "
                f"{', '.join(map(str, cells.obs.columns)) or 'none'}"
            )
    chosen = {name: ANNOTATION_METHODS[name] for name in methods}
    check_installed({m.package: m.title for m in chosen.values()}, extra="benchmark")
    split = split_of(reference, query, labels_key, batch_key=batch_key, n_top_genes=n_top_genes)
    runs = Runs(Path(writable_folder(output)), {"cells": _hash(split)})
    rows = []
    for seed in seeds:
        for name, method in chosen.items():
            kept = runs.read(name, seed)
            if kept is None:
                made = method.run(split, seed)
                kept = runs.write(vars(made), name, seed)
                logger.info("%s, seed %d: %.0f s", method.title, seed, made.seconds or 0)
            found = score_predictions(split, _predictions(kept))
            row = {"method": method.title, "seed": seed, "seconds": kept["seconds"]}
            row["cpu_seconds"] = kept.get("cpu_seconds")
            rows.append(row | {one: getattr(found, one) for one in _SCORES})
    return AnnotationBenchmark(pd.DataFrame(rows).astype(dict.fromkeys(_SCORES, float)))


def _predictions(kept: dict[str, Any]) -> Predictions:
    """Predictions that a file of a run holds."""
    confidence, unknown = kept["confidence"], kept["unknown"]
    return Predictions(
        np.array(kept["guess"]),
        None if confidence is None else np.array(confidence, dtype=float),
        None if unknown is None else np.array(unknown, dtype=bool),
        kept["seconds"],
        kept.get("cpu_seconds"),
    )


def score_predictions(split: AnnotationSplit, found: Predictions) -> AnnotationScores:
    """Scores over the cells of the query whose label is known."""
    known = split.truth != UNLABELED
    kept = found.take(known)
    return score(split.truth[known], kept.guess, proba=kept.confidence, abstained=kept.unknown)


def _hash(split: AnnotationSplit) -> str:
    """Hash of what methods read and are scored by."""
    columns = [split.labels_key, *filter(None, [split.batch_key])]
    parts = (split.train.X, split.query.X, list(split.train.var_names), split.truth.tolist())
    obs = [split.train.obs[name].astype(str).tolist() for name in columns]
    return str(joblib.hash((*parts, obs, split.n_top_genes)))
