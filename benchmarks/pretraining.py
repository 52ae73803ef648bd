"""Zero-shot embeddings of studies that pretraining never saw, against what needs no pretraining.

    python benchmarks/pretraining.py train --minutes 20    # a bag, then as long again both ways
    python benchmarks/pretraining.py score
    python benchmarks/pretraining.py loaders               # needs: pip install scDataset

``train`` makes three models in ``--runs``: ``bag`` (no Mamba layers), and from it, each for as many
minutes again, ``bag-more`` and ``mamba`` (two layers that enter as the identity). A run that was
stopped goes on. Copies of the tested cells are in no training (``scmamba.stream.corpus_copies``).

``score``: cells of each tested study are embedded as they are, and labeled by the 15 nearest
neighbors in five folds; scib's bio conservation where scib-metrics is installed. Peers: 50
principal components and the 2,000 most variable genes of the study itself, which see the study
that they are scored on, and the same model with random weights.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import _pretraining_corpus as corpus
import anndata as ad
import numpy as np
import scanpy as sc
import torch
from _results import note_read, provenance, write
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from scmamba import models, tasks
from scmamba.learn.staged import start_as
from scmamba.models import CellModel
from scmamba.tasks import PretrainConfig, pretrain

RESULTS = Path(__file__).parent / "results"
PACKAGES = ("torch", "scanpy", "scikit-learn", "scib-metrics", "anndata")
SIZES = {
    "bag": {"batch_size": 128, "lr": 2e-3, "tokens": 256},
    "bag-more": {"batch_size": 128, "lr": 1e-3, "tokens": 256},
    "mamba": {"batch_size": 32, "lr": 1e-3, "tokens": 128},
}
LAYERS = 2


def train(variant: str, minutes: float, seed: int, data: Path, runs: Path) -> None:
    """Pretrain one of the three models, unless it is there."""
    output = runs / f"{variant}-{seed}"
    if (output / "config.json").exists():
        return
    config = PretrainConfig.from_dict(corpus.config(minutes, seed, **SIZES[variant]))
    start = None
    if variant != "bag":
        start = models.load(runs / f"bag-{seed}")
        assert isinstance(start, CellModel)
    if variant == "mamba":
        assert start is not None
        start = with_layers(start, LAYERS, seed)
    found = pretrain(corpus.paths(data), config, model=start, folder=runs / f"{variant}-{seed}-run")
    found.history.to_csv(runs / f"{variant}-{seed}.csv")
    found.save(output)
    print(found, flush=True)


def with_layers(bag: CellModel, n_layer: int, seed: int) -> CellModel:
    """The same model with Mamba layers that change nothing yet."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        full = CellModel(bag.config.replace(n_layer=n_layer))
    start_as(full, bag)
    full.vocab = bag.vocab
    return full


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


def embeddings(adata: ad.AnnData, runs: Path, seed: int) -> dict[str, np.ndarray]:
    """Each method's numbers for the cells of a study."""
    found = {}
    for variant in SIZES:
        if (runs / f"{variant}-{seed}" / "config.json").exists():
            model = models.load(runs / f"{variant}-{seed}")
            found[variant] = embedded(adata, model)
    bag = models.load(runs / f"bag-{seed}")
    assert isinstance(bag, CellModel)
    found["untrained"] = embedded(adata, untrained(bag, seed))
    study = adata.copy()
    sc.pp.normalize_total(study, target_sum=1e4)
    sc.pp.log1p(study)
    sc.pp.highly_variable_genes(study, n_top_genes=min(2_000, study.n_vars))
    study = study[:, study.var["highly_variable"]].copy()
    found["HVG"] = np.asarray(study.X.todense())
    sc.pp.scale(study, max_value=10)
    sc.pp.pca(study, n_comps=50, random_state=seed)
    found["PCA"] = study.obsm["X_pca"]
    return found


def scores(x: np.ndarray, labels: np.ndarray, seed: int) -> dict[str, float]:
    """15-NN in five folds, and scib's bio conservation."""
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    guess = cross_val_predict(KNeighborsClassifier(15), x, labels, cv=folds)
    found = {
        "knn_accuracy": float(accuracy_score(labels, guess)),
        "knn_macro_f1": float(f1_score(labels, guess, average="macro")),
    }
    try:
        import scib_metrics
    except ImportError:
        return found
    codes = np.unique(labels, return_inverse=True)[1]
    kmeans = scib_metrics.nmi_ari_cluster_labels_kmeans(x, codes)
    found |= {f"kmeans_{name}": float(value) for name, value in kmeans.items()}
    found["silhouette"] = float(scib_metrics.silhouette_label(x, codes))
    return found


def score(seeds: Sequence[int], data: Path, runs: Path, out: Path) -> None:
    """Score all methods on the tested studies, and write a table."""
    noted = note_read(out, seeds=list(seeds), studies=list(corpus.TEST))
    rows: list[dict[str, Any]] = []
    for name, key in corpus.TEST.items():
        adata = ad.read_h5ad(data / "cells" / f"{name}.h5ad")
        labels = adata.obs[key].astype(str).to_numpy()
        for seed in seeds:
            for method, x in embeddings(adata, runs, seed).items():
                rows.append({"study": name, "method": method, "seed": seed})
                rows[-1] |= scores(np.asarray(x, np.float32), labels, seed)
                print(rows[-1], flush=True)
    write(out, {**noted, "rows": rows, **provenance(PACKAGES)})


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
    parser.add_argument("what", choices=("train", "score", "loaders"))
    parser.add_argument("--variants", nargs="+", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--runs", type=Path, default=Path("build/benchmark_pretraining"))
    parser.add_argument("--out", type=Path, default=RESULTS / "pretraining.json")
    arguments = parser.parse_args(argv)
    if arguments.what == "loaders":
        loaders(arguments.data, arguments.out.with_name("pretraining_loaders.json"))
        return
    if arguments.what == "score":
        score(arguments.seeds, arguments.data, arguments.runs, arguments.out)
        return
    arguments.runs.mkdir(parents=True, exist_ok=True)
    for seed in arguments.seeds:
        for variant in arguments.variants:
            train(variant, arguments.minutes, seed, arguments.data, arguments.runs)


if __name__ == "__main__":
    main()
