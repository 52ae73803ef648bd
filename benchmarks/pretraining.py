"""Zero-shot embeddings of studies that pretraining never saw, against what needs no pretraining.

    python benchmarks/pretraining.py train --minutes 20    # a bag, and what is made from it
    python benchmarks/pretraining.py score
    python benchmarks/pretraining.py tasks                 # annotate from mini
    python benchmarks/pretraining.py integrate             # from the model that ships
    python benchmarks/pretraining.py loaders               # needs: pip install scDataset

``train`` makes the models of ``_pretraining_variants.py`` in ``--runs``: ``bag`` (no Mamba layers);
``mini``, the mean of the bag and of where its training started, as the model that ships is; and
from it each of ``mini-*``, which learns from every cell once more, without layers or with one that
enters as the identity. A run that was stopped goes on. Copies of the tested cells are in no
training (``scmamba.stream.corpus_copies``).

``score``: cells of each tested study are embedded as they are, and labeled by the 15 nearest
neighbors in five folds; bio conservation (k-means, silhouette); the loss of hidden values; types
from few labels. Peers: 50 principal components and the 2,000 most variable genes of the study
itself, which see the study that they are scored on, the gene vectors that training starts from
(``start``), and the same model with random weights. Differences from ``mini`` have intervals over
cells.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _pretraining_corpus as corpus
import _pretraining_integration as batches
import anndata as ad
import numpy as np
import torch
from _pretraining_scores import (
    FEW,
    difference,
    few_labels,
    held_out_corpus,
    likelihoods,
    neighbors,
    of_study,
)
from _pretraining_variants import VARIANTS, averaged, saved, start_of
from _results import note_read, provenance, write
from sklearn.metrics import accuracy_score, f1_score

from scmamba import models, tasks
from scmamba.models import CellModel
from scmamba.stream.corpus_open import open_corpus
from scmamba.tasks import PretrainConfig, pretrain
from scmamba.tasks._pretraining.start import backbone, new_model

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "scanpy", "scikit-learn", "anndata")
BASE = "mini"
"""What the others are compared with."""
QUERY = "pbmc3k_10xv1"
SMALL = 600
"""Cells of a small reference."""
N_FEW, PENALTY = 3, 0.1
"""Draws of the few labels; inverse penalty of the logistic regression on them."""


def train(name: str, minutes: float, seed: int, data: Path, runs: Path) -> None:
    """Pretrain one of the models, unless it is there."""
    output, variant = runs / f"{name}-{seed}", VARIANTS[name]
    if (output / "config.json").exists():
        return
    entries = corpus.config(minutes, seed, **variant.entries)
    entries |= {"adapt": variant.adapt}
    entries["model"]["n_layer"] = variant.n_layer
    entries["objectives"] |= variant.objectives or {}
    if variant.epochs is not None:
        entries["fit"]["epochs"] = variant.epochs
    config = PretrainConfig.from_dict(entries)

    def load(start: str) -> CellModel:
        return mini(runs, data, seed) if start == "mini" else saved(runs / f"{start}-{seed}")

    begins = start_of(variant, load, seed)
    found = pretrain(corpus.paths(data), config, model=begins, folder=runs / f"{name}-{seed}-run")
    found.history.to_csv(runs / f"{name}-{seed}.csv")
    found.save(output)
    print(found, flush=True)


def mini(runs: Path, data: Path, seed: int) -> CellModel:
    """The mean of the trained bag and of where its training started."""
    folder = runs / f"mini-{seed}"
    if not (folder / "config.json").exists():
        models.save(averaged(start(runs, data, seed), saved(runs / f"bag-{seed}")), folder)
    return saved(folder)


def untrained(like: CellModel, seed: int) -> CellModel:
    """A model of the same sizes and genes with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(1_000 + seed)
        model = CellModel(like.config)
    model.vocab = like.vocab
    return model


def embedded(adata: ad.AnnData, model: Any) -> np.ndarray:
    """Zero-shot embedding of cells."""
    cells = adata.copy()
    tasks.embed(cells, model)
    return np.asarray(cells.obsm["X_scmamba"])


def loaded(runs: Path, data: Path, seed: int) -> dict[str, CellModel]:
    """The models of a seed that are there, and two that learned nothing."""
    there = [name for name in VARIANTS if (runs / f"{name}-{seed}" / "config.json").exists()]
    found = {name: saved(runs / f"{name}-{seed}") for name in there}
    found["mini"] = mini(runs, data, seed)
    found["start"] = start(runs, data, seed)
    found["untrained"] = untrained(found["mini"], seed)
    return found


def start(runs: Path, data: Path, seed: int) -> CellModel:
    """The model that the training of the bag began with."""
    folder = runs / f"start-{seed}"
    if not (folder / "config.json").exists():
        entries = corpus.config(1.0, seed, **VARIANTS["bag"].entries)
        config = PretrainConfig.from_dict(entries)
        cells = open_corpus(corpus.paths(data), config.data, cache=runs / f"bag-{seed}-run/scans")
        models.save(backbone(new_model(cells, config)), folder)
    return saved(folder)


def score(seeds: Sequence[int], data: Path, runs: Path, out: Path, n_cells: int) -> None:
    """Score all methods on the tested studies, and write a table."""
    noted = note_read(out, seeds=list(seeds), studies=list(corpus.TEST), cells=n_cells)
    rows: list[dict[str, Any]] = []
    for name, key in corpus.TEST.items():
        adata = ad.read_h5ad(data / "cells" / f"{name}.h5ad")
        drawn = np.random.default_rng(0).permutation(adata.n_obs)[:n_cells]
        adata = adata[np.sort(drawn)].copy()
        labels = adata.obs[key].astype(str).to_numpy()
        cells = held_out_corpus(data, name, runs / "scans")
        for seed in seeds:
            nets = loaded(runs, data, seed)
            losses = likelihoods(cells, nets)
            embeddings = {method: embedded(adata, net) for method, net in nets.items()}
            every = {**embeddings, **of_study(adata, seed)}
            right = {}
            for method, x in every.items():
                x = np.asarray(x, np.float32)
                found, right[method] = neighbors(x, labels, seed)
                row: dict[str, Any] = {"study": name, "method": method, "seed": seed, **found}
                row |= {what: float(x.mean()) for what, x in losses.get(method, {}).items()}
                for n in FEW:
                    few = [few_labels(x, labels, n, split, PENALTY) for split in range(N_FEW)]
                    for what in few[0]:
                        row[f"{what}_{n}"] = float(np.mean([one[what] for one in few]))
                rows.append(row)
            for row in rows[-len(every) :]:
                method = row["method"]
                row["knn_over_mini"] = difference(right[method], right[BASE])
                print(row, flush=True)
            means = {"study": name, "method": "gene means", "seed": seed}
            rows.append({**means, "loss": float(losses["gene means"]["loss"].mean())})
    write(out, {**noted, "rows": rows, **provenance(PACKAGES)})


def compare_tasks(seeds: Sequence[int], data: Path, runs: Path, out: Path) -> None:
    """Annotate PBMC 3k from three other studies: from scratch, from ``mini``, by a frozen one."""
    adata = ad.read_h5ad(data / "cells" / "pbmc_4batch.h5ad")
    adata = adata[adata.obs["cell_type"] != "Unknown"].copy()
    queried = adata.obs["batch"] == QUERY
    right = adata.obs["cell_type"][queried].astype(str).to_numpy()
    kinds = np.unique(right)
    noted, rows = note_read(out, seeds=list(seeds), query=QUERY), []
    starts: dict[str, dict[str, Any]] = {
        "scratch": {},
        "gene vectors of mini": {"model": runs / "mini-0"},
        "mini, frozen": {"model": runs / "mini-0", "mode": "probe"},
    }
    for seed in seeds:
        known = adata[~queried]
        drawn = np.random.default_rng(seed).permutation(known.n_obs)
        for n_cells in (known.n_obs, SMALL):
            reference = known[np.sort(drawn[:n_cells])].copy()
            for start, how in starts.items():
                query = adata[queried].copy()
                query.obs["batch"] = QUERY
                before, cpu = time.perf_counter(), time.process_time()
                tasks.annotate(
                    query, reference, labels_key="cell_type", batch_key="batch", seed=seed, **how
                )
                guess = query.obs["scmamba_best_guess"].astype(str).to_numpy()
                rows.append({"reference": n_cells, "start": start, "seed": seed})
                rows[-1] |= {
                    "accuracy": float(accuracy_score(right, guess)),
                    "macro_f1": float(f1_score(right, guess, average="macro", labels=kinds)),
                    "seconds": time.perf_counter() - before,
                    "cpu_seconds": time.process_time() - cpu,
                }
                print(rows[-1], flush=True)
    write(out, {**noted, "rows": rows, **provenance(PACKAGES)})


def compare_integration(seeds: Sequence[int], data: Path, out: Path) -> None:
    """Correct batches from scratch, from the model that ships, and by it as it is.

    Rows that are in the results already are not made again.
    """
    noted = note_read(out, seeds=list(seeds), sets=list(batches.DATA_SETS))
    rows = noted.get("rows", [])
    for row in batches.compare(data, seeds, rows):
        rows.append(row)
        print(row, flush=True)
        made = provenance((*PACKAGES, "scib-metrics"))
        write(out, {**noted, "rows": rows, "scored": batches.SCORED, **made})


def loaders(data: Path, out: Path) -> None:
    """Cells per second of each way to read block-shuffled cells of two files."""
    from _pretraining_loaders import measure

    rows = {}
    for name in ("kang_ctrl_8donors", "pbmc_4batch"):
        rows[name] = measure(data / "cells" / f"{name}.h5ad")
        print(name, {way: round(rate) for way, rate in rows[name].items()}, flush=True)
    write(out, {"cells_per_second": rows, **provenance((*PACKAGES, "scDataset"))})


def main(argv: Sequence[str] | None = None) -> None:
    """Train or score."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("train", "score", "tasks", "integrate", "loaders"))
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--cells", type=int, default=1_500, help="of each study, at most")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=Path, default=Path("build/benchmark_pretraining"))
    parser.add_argument("--out", type=Path, default=RESULTS / "pretraining.json")
    arguments = parser.parse_args(argv)
    if arguments.what == "loaders":
        loaders(arguments.data, arguments.out.with_name("pretraining_loaders.json"))
        return
    if arguments.what == "tasks":
        out = arguments.out.with_name("pretraining_tasks.json")
        compare_tasks(arguments.seeds, arguments.data, arguments.runs, out)
        return
    if arguments.what == "integrate":
        out = arguments.out.with_name("pretraining_integration.json")
        compare_integration(arguments.seeds, arguments.data, out)
        return
    if arguments.what == "score":
        score(arguments.seeds, arguments.data, arguments.runs, arguments.out, arguments.cells)
        return
    arguments.runs.mkdir(parents=True, exist_ok=True)
    for seed in arguments.seeds:
        for variant in arguments.variants:
            train(variant, arguments.minutes, seed, arguments.data, arguments.runs)


if __name__ == "__main__":
    main()
