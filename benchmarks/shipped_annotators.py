"""Annotators as they ship: whole studies held out, so that no model saw a cell it is asked about.

    python benchmarks/shipped_annotators.py              # each of four blood studies in turn
    python benchmarks/shipped_annotators.py --unseen     # types that training never saw, too

The model that ships learned from all four studies; what is measured here are models made by the
same recipe without the study asked about. Cells with the same counts are in one study only. Nobody
sees the query, not even its expression. Logistic regression and CellTypist's training learn from
the same cells with the same labels. A study is scored at the level at which it names its cells:
monocytes of PBMC 4k, which that study does not divide, count as right with either subtype. Runs
that are in the results already are not made again.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
from blood_cells import ONE_OF, UNLABELED, hashes, read_blood, refined  # noqa: E402

from scmamba.benchmark import ANNOTATION_METHODS, AnnotationSplit  # noqa: E402
from scmamba.benchmark._annotation.split import UNLABELED as NO_LABEL  # noqa: E402
from scmamba.pp import log_normalize  # noqa: E402
from scmamba.tasks._annotation.shipping import fit_to_ship  # noqa: E402

OUT = Path(__file__).parent / "results/shipped_annotators.json"
UNSEEN = ("B cell", "NK cell", "CD14 monocyte")
"""Types held out of training; with CD14 monocytes the CD16 ones, which are like them."""
_TOGETHER = {"CD14 monocyte": ("CD14 monocyte", "CD16 monocyte", "dendritic cell")}
Labels = np.ndarray[Any, np.dtype[np.object_]]


def split(cells: AnnData, study: str) -> tuple[AnnData, AnnData]:
    """Labeled cells of the other studies, refined among themselves, and those of ``study``."""
    held = (cells.obs["study"] == study).to_numpy()
    train, query = refined(cells[~held].copy()), cells[held].copy()
    assert not set(hashes(train.X)) & set(hashes(query.X))
    return train, query


def scored(truth: Labels, guess: Labels) -> dict[str, float]:
    """Accuracy and macro-F1 over the labels that the query has; ``one of`` labels are merged."""
    for label, types in ONE_OF.items():
        if f"one of: {label}" in truth:
            guess = np.where(np.isin(guess, types), f"one of: {label}", guess)
            truth = np.where(np.isin(truth, types), f"one of: {label}", truth)
    macro = f1_score(truth, guess, average="macro", labels=np.unique(truth), zero_division=0)
    return {"accuracy": float(accuracy_score(truth, guess)), "macro_f1": float(macro)}


def peers(train: AnnData, query: AnnData, truth: Labels, seed: int) -> dict[str, Labels]:
    """Labels of logistic regression, plain and balanced, and of CellTypist's training."""
    train = train.copy()
    train.obs["label"] = train.obs["cell_type"].replace(UNLABELED, NO_LABEL)
    task = AnnotationSplit(
        "", train, AnnData(query.X, var=query.var), truth, "label", n_top_genes=2000
    )
    found = {}
    for key in ("lr", "lr_balanced", "celltypist"):
        if key == "celltypist" and importlib.util.find_spec("celltypist") is None:
            print("CellTypist is skipped: celltypist is not installed")
            continue
        method = ANNOTATION_METHODS[key]
        found[method.title] = np.asarray(method.run(task, seed).guess, dtype=object)
    return found


def run_study(cells: AnnData, study: str, seed: int) -> dict[str, Any]:
    """All methods on one study held out."""
    train, query = split(cells, study)
    start = time.process_time()
    annotator = fit_to_ship(train, "cell_type", "study", seed=seed)
    seconds = time.process_time() - start
    known = (query.obs["cell_type"] != UNLABELED).to_numpy()
    truth = query.obs["cell_type"].to_numpy(dtype=object)[known]
    predicted = annotator.predict(query)[known]
    rows = {"scmamba": scored(truth, predicted["best_guess"].to_numpy(dtype=object))}
    for name, guess in peers(train, query, query.obs["cell_type"].to_numpy(), seed).items():
        rows[name] = scored(truth, guess[known])
    named = (predicted["cell_type"] != UNLABELED).to_numpy()
    right = scored(truth[named], predicted["cell_type"].to_numpy(dtype=object)[named])
    levels = annotator.hierarchy
    assert levels is not None
    coarse = annotator._predict(query, {}).coarse[known]
    up = {name: levels.coarse[code] for name, code in zip(levels.fine, levels.codes, strict=True)}
    up |= {"one of: MNP": "monocyte", "one of: T activated": "T cell"}
    at = np.array([up.get(one, one) for one in truth], dtype=object)
    sure = coarse >= 0
    coarse_named = np.array(levels.coarse, dtype=object)[coarse[sure]]
    return {
        "study": study,
        "seed": seed,
        "cells": int(known.sum()),
        "methods": rows,
        "named": float(named.mean()),
        "error_of_named": 1 - right["accuracy"],
        "coarse_named": float(sure.mean()),
        "coarse_error_of_named": float((coarse_named != at[sure]).mean()),
        "train_seconds": round(seconds, 1),
    }


def run_unseen(cells: AnnData, study: str, kind: str, seed: int) -> dict[str, Any]:
    """How well the OOD score finds cells of types that training never saw."""
    train, query = split(cells, study)
    gone = _TOGETHER.get(kind, (kind,))
    train = train[~train.obs["cell_type"].isin(gone)].copy()
    annotator = fit_to_ship(train, "cell_type", "study", seed=seed)
    truth = query.obs["cell_type"]
    known = ((truth != UNLABELED) & ~truth.str.startswith("one of")).to_numpy()
    predicted, new = annotator.predict(query)[known], truth[known].isin(gone).to_numpy()
    unknown = (predicted["cell_type"] == UNLABELED).to_numpy()
    labels = train.obs["cell_type"] != UNLABELED
    model = LogisticRegression(max_iter=300, tol=1e-3)
    model.fit(log_normalize(train.X)[labels.to_numpy()], train.obs["cell_type"][labels])
    doubt = 1 - model.predict_proba(log_normalize(query.X)[known]).max(1)
    scores = {"auroc": predicted["ood_score"], "auroc_by_confidence": 1 - predicted["confidence"]}
    scores["auroc_logistic_regression"] = doubt
    found = {name: float(roc_auc_score(new, score)) for name, score in scores.items()}
    control = (query.obs["condition"] == "control").to_numpy()[known]
    if not control.all():  # stimulated cells are a state that training did not see either
        for name, score in scores.items():
            found[f"{name}_control"] = float(roc_auc_score(new[control], score[control]))
    return {
        "study": study,
        "unseen": kind,
        "seed": seed,
        "cells": int(new.sum()),
        **found,
        "unseen_called_unknown": float(unknown[new].mean()),
        "others_called_unknown": float(unknown[~new].mean()),
    }


def card(runs: Sequence[dict[str, Any]], unseen: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The few figures that the card of the shipped annotator holds: means over studies, seeds."""
    ours = pd.DataFrame([run["methods"]["scmamba"] for run in runs]).mean()
    peer = pd.DataFrame([run["methods"][ANNOTATION_METHODS["lr"].title] for run in runs]).mean()
    rest = pd.DataFrame(runs)[["named", "error_of_named", "coarse_named", "coarse_error_of_named"]]
    content = {f"held_out_study_{name}": value for name, value in ours.items()}
    content |= {f"logistic_regression_{name}": value for name, value in peer.items()}
    content |= dict(rest.mean().items())
    if unseen:
        content["unseen_type_auroc"] = float(np.mean([run["auroc"] for run in unseen]))
    return {name: round(float(value), 3) for name, value in content.items()}


def tables(content: dict[str, Any]) -> str:
    """Tables of what is in the results so far."""
    rows = [
        {"study": run["study"], "seed": run["seed"], "method": name, **scores}
        for run in content["studies"]
        for name, scores in run["methods"].items()
    ]
    parts = []
    if rows:
        wide = pd.DataFrame(rows).groupby(["study", "method"])[["accuracy", "macro_f1"]].mean()
        parts.append(wide.unstack("method").round(3).to_string())
        kept = ["study", "seed", "named", "error_of_named", "coarse_named", "coarse_error_of_named"]
        parts.append(pd.DataFrame(content["studies"])[kept].round(3).to_string(index=False))
    if content["unseen"]:
        parts.append(pd.DataFrame(content["unseen"]).round(3).to_string(index=False))
    return "\n\n".join(parts)


def once(
    content: dict[str, Any], part: str, key: dict[str, Any], make: Callable[[], Any], out: Path
) -> None:
    """Make a run that the results lack, and write them."""
    if any(all(run[name] == value for name, value in key.items()) for run in content[part]):
        return
    content[part].append(make())
    content["card"] = {"blood": card(content["studies"], content["unseen"])}
    out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(content[part][-1]), flush=True)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, write the JSON, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--studies", nargs="+", default=["pbmc3k", "citeseq", "pbmc4k", "kang"])
    parser.add_argument("--unseen", action="store_true", help="types held out of training, too")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args(argv)
    out, cells = arguments.out, read_blood(arguments.data)
    content: dict[str, Any] = {"studies": [], "unseen": []}
    if out.is_file():
        content |= json.loads(out.read_text(encoding="utf-8"))
    torch.set_num_threads(arguments.threads)
    with threadpool_limits(arguments.threads):
        for seed in arguments.seeds:
            for study in arguments.studies:
                key = {"study": study, "seed": seed}
                once(content, "studies", key, lambda k=key: run_study(cells, **k), out)
        for kind in UNSEEN if arguments.unseen else ():
            for study in [one for one in arguments.studies if one in ("pbmc3k", "kang")]:
                key = {"study": study, "kind": kind, "seed": arguments.seeds[0]}
                seen = {"study": study, "unseen": kind, "seed": arguments.seeds[0]}
                once(content, "unseen", seen, lambda k=key: run_unseen(cells, **k), out)
    print(f"{tables(content)}\n\nwritten: {out}")


if __name__ == "__main__":
    main()
