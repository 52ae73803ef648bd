"""Whether labels of a new study are wrong as rarely as was asked for.

    python benchmarks/stated_error.py studies   # pbmc_4batch: each of four studies is the query
    python benchmarks/stated_error.py small     # 2,000 cells of three studies, ten draws; pbmc3k
    python benchmarks/stated_error.py donors    # Kang and Baron by donor, bone marrow by donor

Every method learns from the same cells of the reference, with its batches known; the query's labels
only score. Balanced logistic regression has thresholds too: of its own probabilities of batches
held out in turn, once by its observed error over all types, as is common, and once by type as
scmamba has them. Each query leaves a file in --runs; a benchmark that was stopped goes on there.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import _timing
import anndata as ad
import numpy as np
from _results import provenance, write
from _stated_error_table import CELLTYPIST, LR, OURS
from anndata import AnnData
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from scmamba import metrics, settings
from scmamba.benchmark import ANNOTATION_METHODS
from scmamba.benchmark._annotation.split import UNLABELED, AnnotationSplit, split_of
from scmamba.benchmark._cost import measure_cost
from scmamba.learn.calibration import best_temperature, floor_logits
from scmamba.learn.folds import cross_validation_folds
from scmamba.learn.thresholds import class_thresholds, confidence_threshold
from scmamba.tasks import annotate

MAX_ERROR = 0.05
N_TOP_GENES = 2000
PACKAGES = ("torch", "numpy", "scikit-learn", "scanpy", "celltypist")


@dataclass(frozen=True)
class Query:
    """Labeled cells, and cells of a study or donor that they do not hold."""

    name: str
    reference: AnnData
    query: AnnData
    labels_key: str
    batch_key: str

    @property
    def truth(self) -> np.ndarray:
        """(n_query,) labels."""
        return self.query.obs[self.labels_key].to_numpy(dtype=str)

    @property
    def split(self) -> AnnotationSplit:
        """What other methods see."""
        return split_of(
            self.reference,
            self.query,
            self.labels_key,
            batch_key=self.batch_key,
            n_top_genes=N_TOP_GENES,
        )


def studies(data: Path) -> Iterator[Query]:
    """Each of four studies against the three others."""
    cells = ad.read_h5ad(data / "cells/pbmc_4batch.h5ad")
    for batch in sorted(cells.obs["batch"].unique()):
        held = (cells.obs["batch"] == batch).to_numpy()
        yield Query(batch, cells[~held].copy(), cells[held].copy(), "cell_type", "batch")


def small(data: Path) -> Iterator[Query]:
    """2,000 cells of three studies as the reference, 1,300 cells of pbmc3k as the query."""
    cells = ad.read_h5ad(data / "cells/pbmc_4batch.h5ad")
    held = (cells.obs["batch"] == "pbmc3k_10xv1").to_numpy()
    for seed in range(10):
        rng = np.random.default_rng(seed)
        reference = np.sort(rng.choice(np.flatnonzero(~held), 2000, replace=False))
        query = np.sort(rng.choice(np.flatnonzero(held), 1300, replace=False))
        name = f"draw {seed}"
        yield Query(name, cells[reference].copy(), cells[query].copy(), "cell_type", "batch")


def donors(data: Path) -> Iterator[Query]:
    """Donors that the reference lacks."""
    for name, file, labels_key, n_query, n_reference in (
        ("kang", "kang_ctrl_8donors", "cell_type", 1, 3),
        ("marrow", "bone_marrow_aml", "cluster", 5, 14),
        ("baron", "pancreas_baron", "cell_type", 1, 1),
    ):
        cells = ad.read_h5ad(data / f"cells/{file}.h5ad")
        donor = cells.obs["donor"].to_numpy(dtype=str)
        for seed in range(2 if name == "baron" else 3):
            order = np.random.default_rng(seed).permutation(np.unique(donor))
            if name == "baron":
                order = np.roll(np.unique(donor), seed)
            query = np.isin(donor, order[:n_query])
            reference = np.isin(donor, order[n_query : n_query + n_reference])
            yield Query(
                f"{name} {seed}", cells[reference].copy(), cells[query].copy(), labels_key, "donor"
            )


SETS: dict[str, Callable[[Path], Iterator[Query]]] = {
    "studies": studies,
    "small": small,
    "donors": donors,
}


def scores(truth: np.ndarray, guess: np.ndarray, confidence: np.ndarray) -> dict[str, float]:
    """Scores of best guesses, over cells whose label is known."""
    known = truth != UNLABELED
    found = metrics.annotation(truth[known], guess[known], proba=confidence[known])
    return {"accuracy": found.accuracy, "macro_f1": found.macro_f1, "ece": float(found.ece or 0)}


def selective(truth: np.ndarray, guess: np.ndarray, labeled: np.ndarray) -> dict[str, float]:
    """Error among labeled cells, and the fraction of cells that are labeled."""
    known = truth != UNLABELED
    kept = labeled & known
    error = float((guess != truth)[kept].mean()) if kept.any() else 0.0
    return {"error": error, "coverage": float(kept.sum() / known.sum())}


def coverage_at(truth: np.ndarray, guess: np.ndarray, confidence: np.ndarray, error: float):
    """Largest fraction of cells, most confident first, of which at most ``error`` are wrong.

    The query's labels choose it, so no method can have that many: a bound, to compare with.
    """
    known = truth != UNLABELED
    order = np.argsort(-confidence[known], kind="stable")
    wrong = (guess != truth)[known][order]
    rates = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    good = np.flatnonzero(rates <= error)
    return float((good[-1] + 1) / len(wrong)) if len(good) else 0.0


def ours(one: Query) -> dict[str, Any]:
    """scmamba with its default settings."""
    query = one.query.copy()
    del query.obs[one.labels_key]
    with measure_cost() as cost:
        annotator = annotate(
            query,
            one.reference,
            labels_key=one.labels_key,
            unlabeled_category=UNLABELED,
            batch_key=one.batch_key,
            max_error=MAX_ERROR,
            seed=0,
        )
    guess = query.obs["scmamba_best_guess"].to_numpy(dtype=str)
    labeled = (query.obs["scmamba_cell_type"] != "unknown").to_numpy()
    confidence = query.obs["scmamba_confidence"].to_numpy()
    reasons = query.obs["scmamba_reason"].value_counts().to_dict()
    rare = {
        str(name): {
            "reference": int(row["cells"]),
            "recall": float((guess == name)[one.truth == name].mean()),
            "median_confidence_of_wrong": float(
                np.median(confidence[wrong])
                if (wrong := (one.truth == name) & (guess != name)).any()
                else 0
            ),
        }
        for name, row in annotator.validation.iterrows()
        if row["cells"] < 100 and (one.truth == name).any()
    }
    return {
        **scores(one.truth, guess, confidence),
        **selective(one.truth, guess, labeled),
        **vars(cost),
        "validation": annotator.scores,
        "neural_weight": annotator.fusion.neural_weight,
        "thresholds": annotator.validation["threshold"].to_dict(),
        "reasons": {str(name): int(n) for name, n in reasons.items()},
        "rare": rare,
        "shift": {
            name: query.uns["scmamba"][name]
            for name in ("shift", "held_out_shift")
            if name in query.uns["scmamba"]
        },
    }


def logistic(one: Query, error: float) -> dict[str, Any]:
    """Class-balanced logistic regression, with thresholds from batches held out in turn."""
    split = one.split
    x, query, _ = split.values()
    batches = split.train.obs[one.batch_key].to_numpy(dtype=str).astype(object)
    batches = batches[split.labels != UNLABELED]
    classes, codes = np.unique(split.known_labels, return_inverse=True)

    def fitted(rows: np.ndarray, values: Any) -> np.ndarray:
        model = LogisticRegression(max_iter=300, class_weight="balanced").fit(x[rows], codes[rows])
        logits = np.full((values.shape[0], len(classes)), -np.inf)
        found = model.decision_function(values)
        if found.ndim == 1:
            found = np.stack([-found, found], axis=1)
        logits[:, model.classes_] = found
        return floor_logits(logits)

    splits = cross_validation_folds(codes, batches, seed=0)
    held = np.concatenate([fitted(train, x[rows]) for train, rows in splits])
    target = codes[np.concatenate([rows for _, rows in splits])]
    logits = fitted(np.arange(len(codes)), query)
    temperature = best_temperature("classification", held, target)
    proba = softmax(held / temperature, axis=1)
    found = softmax(logits / temperature, axis=1)
    confidence, code = found.max(1), found.argmax(1)
    right = proba.argmax(1) == target
    common = confidence_threshold(proba.max(1), right, MAX_ERROR, level=None)
    by_type = class_thresholds(proba.max(1), proba.argmax(1), target, len(classes), MAX_ERROR)
    guess = classes[code]
    return {
        **scores(one.truth, guess, confidence),
        **selective(one.truth, guess, confidence >= common),
        "by_type": selective(one.truth, guess, confidence >= by_type[code]),
        "coverage_at_our_error": coverage_at(one.truth, guess, confidence, error),
    }


def celltypist(one: Query) -> dict[str, Any] | None:
    """CellTypist's own training, with its feature selection; None where it is not installed."""
    method = ANNOTATION_METHODS["celltypist"]
    if find_spec("celltypist") is None:
        return None
    found = method.run(one.split, 0)
    return scores(one.truth, found.guess, found.confidence)


def run(one: Query, path: Path) -> None:
    """Run every method on one query."""
    found = ours(one)
    with measure_cost() as cost:
        peer = logistic(one, found["error"])
    rows = {OURS: found, LR: peer | vars(cost), CELLTYPIST: celltypist(one)}
    write(path, {**provenance(PACKAGES), "query": one.name, "methods": rows})


def gather(folder: Path) -> dict[str, Any]:
    """What was measured so far, every query of every set."""
    queries = []
    for name in SETS:
        for path in sorted(folder.glob(f"{name}-*.json")):
            queries.append({"set": name, **json.loads(path.read_text(encoding="utf-8"))})
    return {**provenance(PACKAGES), "max_error": MAX_ERROR, "queries": queries}


def main() -> None:
    """Run the queries of one set that have no file yet, and write what all sets gave."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=list(SETS))
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--runs", type=Path, default=Path("build/benchmark_stated_error"))
    parser.add_argument("--out", type=Path, default=_timing.RESULTS / "stated_error.json")
    arguments = parser.parse_args()
    settings.verbosity = "error"
    warnings.filterwarnings("ignore", category=FutureWarning)
    for one in SETS[arguments.name](arguments.data):
        path = arguments.runs / f"{arguments.name}-{one.name.replace(' ', '_')}.json"
        if not path.exists():
            run(one, path)
            print(f"{one.name}: done", flush=True)
    write(arguments.out, gather(arguments.runs))


if __name__ == "__main__":
    main()
