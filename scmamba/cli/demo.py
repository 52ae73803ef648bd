"""``scmamba demo``: the main job on real cells that come with scanpy, beside the usual methods."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from scmamba._files import atomic, writable_folder
from scmamba._keys import Keys

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from scmamba.learn.training import AnnotationTraining
    from scmamba.metrics import AnnotationScores

_LABELS = "bulk_labels"
_HELD_OUT = 0.3
_PEERS = ("lr", "knn_pca")


def demo(
    *,
    output: Path = Path("scmamba-demo"),
    training: AnnotationTraining | None = None,
    seed: int = 0,
) -> None:
    """Annotate 210 blood cells after learning from 490, and compare with the usual methods.

    Parameters
    ----------
    output
        Folder to write the annotated cells, the pictures and the report to.
    training
        Training of the network; None: chosen by the number of cells.
    seed
        Random seed of the split and of the training.
    """
    writable_folder(output).mkdir(parents=True, exist_ok=True)

    from scmamba import pl
    from scmamba.cli._cells import write_cells
    from scmamba.pl._report import Section
    from scmamba.pl._report.sections.annotation import score
    from scmamba.tasks import annotate

    print(
        "700 blood cells from scanpy: learning from 70 %, annotating the 30 % held out", flush=True
    )
    train, test = _split(seed)
    start = time.perf_counter()
    annotator = annotate(test, reference=train, labels_key=_LABELS, training=training, seed=seed)
    seconds = time.perf_counter() - start
    keys = Keys()
    scores = score(test.obs, keys, _LABELS)
    table = _table({"scmamba": (scores, seconds)} | run_peers(train, test, seed))
    print(f"\n{_text(table)}\n")
    if scores.coverage is not None and scores.coverage < 1:
        print(
            f"scmamba called {1 - scores.coverage:.1%} of the cells unknown; "
            f"of the others {scores.selective_accuracy:.1%} are right.\n"
        )

    right = (test.obs[_LABELS].astype(str) == test.obs[keys.best_guess].astype(str)).to_numpy()
    figures = {
        "umap": pl.umap_triptych(test, _LABELS, keys.best_guess, keys.confidence),
        "confusion": pl.confusion(scores.confusion),
        "reliability": pl.reliability(test.obs[keys.confidence], right),
        "training": pl.training_curve(annotator.history),
    }
    for name, figure in figures.items():
        with atomic(output / f"{name}.png") as temporary:
            figure.savefig(temporary, dpi=160)
    write_cells(test, output / "annotated.h5ad")
    page = pl.report(test, labels_key=_LABELS, model=annotator, title="Blood cells, annotated")
    told = (
        f"700 PBMC cells of 10x Genomics, in the reduced form that ships with scanpy: scmamba "
        f"learned from {train.n_obs} labeled cells and annotated {test.n_obs} that it had never "
        "seen."
    )
    peers = Section({"Against the usual methods, on the same held-out cells": table})
    notes = _notes(test.n_obs, scores.accuracy, seed)
    replace(page.with_first(peers), text=[told], notes=notes).save(output / "report.html")
    for path in ("report.html", *(f"{name}.png" for name in figures), "annotated.h5ad"):
        print(output / path)


def _split(seed: int) -> tuple[AnnData, AnnData]:
    """Cells to learn from and cells held out, 30 % of every label."""
    import numpy as np
    from sklearn.model_selection import train_test_split

    from scmamba.datasets import pbmc68k_reduced

    adata = pbmc68k_reduced()
    learn, hold = train_test_split(
        np.arange(adata.n_obs), test_size=_HELD_OUT, stratify=adata.obs[_LABELS], random_state=seed
    )
    return adata[learn].copy(), adata[hold].copy()


def run_peers(
    train: AnnData, test: AnnData, seed: int
) -> dict[str, tuple[AnnotationScores, float]]:
    """Scores and seconds of the usual methods, by name."""
    from scmamba.benchmark import ANNOTATION_METHODS
    from scmamba.benchmark._annotation.benchmark import score_predictions
    from scmamba.benchmark._annotation.split import split_of

    split, results = split_of(train, test, _LABELS), {}
    for name in _PEERS:
        method = ANNOTATION_METHODS[name]
        found = method.run(split, seed)
        results[method.title] = (score_predictions(split, found), found.seconds or 0.0)
    return results


def _table(results: dict[str, tuple[AnnotationScores, float]]) -> pd.DataFrame:
    import pandas as pd

    rows = {
        name: {
            "accuracy ↑": scores.accuracy,
            "macro-F1 ↑": scores.macro_f1,
            "calibration error ↓": scores.ece,
            "coverage": 1.0 if scores.coverage is None else scores.coverage,
            "seconds": f"{seconds:.1f}",
        }
        for name, (scores, seconds) in results.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _text(table: pd.DataFrame) -> str:
    return table.to_string(float_format="{:.3f}".format, col_space=10)


def _notes(n_cells: int, accuracy: float, seed: int) -> list[str]:
    half = 1.96 * (accuracy * (1 - accuracy) / n_cells) ** 0.5
    return [
        f"One stratified split (seed {seed}). With {n_cells} cells an accuracy is known to about "
        f"± {half:.3f}, so the order of close methods here may be luck; benchmarks/ in the "
        "repository compares them over many splits.",
        "Quality is measured on the best guess, which every cell has; coverage is the share of "
        "cells that scmamba did not call unknown. The other methods never abstain.",
        "Logistic regression and nearest neighbors saw the same log-normalized expression of the "
        "same cells, at scikit-learn's settings. The UMAP is the one that comes with the data.",
    ]
