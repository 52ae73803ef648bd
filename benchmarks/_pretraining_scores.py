"""What benchmarks/pretraining.py measures of models and of embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import _pretraining_corpus as corpus
import anndata as ad
import numpy as np
import numpy.typing as npt
import scanpy as sc
import torch
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    adjusted_rand_score,
    f1_score,
    normalized_mutual_info_score,
    silhouette_score,
)
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from scmamba.models import CellModel
from scmamba.stream.cells import CellTrainBatch
from scmamba.stream.corpus import Corpus
from scmamba.stream.corpus_open import open_corpus
from scmamba.stream.corpus_views import ViewSettings
from scmamba.tasks import PretrainConfig
from scmamba.train import FitConfig
from scmamba.train.data.corpus import CorpusEpochs
from scmamba.train.objectives import GEP, MVC

FEW = (5, 20, 100)
_HELD = 640
"""Held-out cells of each study that hidden values are predicted of."""
_BATCHES = 40
"""Batches of the corpus that the mean of each gene is learned from."""


def neighbors(
    x: npt.NDArray[Any], labels: npt.NDArray[Any], seed: int
) -> tuple[dict[str, float], npt.NDArray[np.float64]]:
    """15-NN in five folds, and bio conservation as scib defines it: k-means, silhouette.

    Returns
    -------
    The scores, and (n,) 1 for each cell that its neighbors label right, else 0.
    """
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    guess = cross_val_predict(KNeighborsClassifier(15), x, labels, cv=folds)
    found = {
        "knn_accuracy": float(accuracy_score(labels, guess)),
        "knn_macro_f1": float(f1_score(labels, guess, average="macro")),
    }
    n = len(np.unique(labels))
    clusters = KMeans(n, n_init=5, random_state=seed).fit_predict(x)
    found["nmi"] = float(normalized_mutual_info_score(labels, clusters))
    found["ari"] = float(adjusted_rand_score(labels, clusters))
    found["silhouette"] = float(silhouette_score(x, labels) + 1) / 2
    return found, (guess == labels).astype(np.float64)


def difference(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> list[float]:
    """Mean difference over the same cells, and its 95 % interval."""
    less = one - other
    half = 1.96 * float(less.std()) / max(len(less), 1) ** 0.5
    return [float(less.mean()), float(less.mean()) - half, float(less.mean()) + half]


def few_labels(
    x: npt.NDArray[Any], labels: npt.NDArray[Any], n: int, seed: int, penalty: float
) -> dict[str, float]:
    """Logistic regression on ``x`` from n cells of each type (half of a rare one) to the others."""
    rng = np.random.default_rng(seed)
    train = []
    for kind in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == kind))
        train.append(rows[: min(n, len(rows) // 2)])
    known = np.zeros(len(labels), bool)
    known[np.concatenate(train)] = True
    spread = x[known].std(0) + (x[known].std(0) == 0)
    values = (x - x[known].mean(0)) / spread if x.shape[1] < 1_000 else x
    model = LogisticRegression(C=penalty, max_iter=300, class_weight="balanced")
    guess = model.fit(values[known], labels[known]).predict(values[~known])
    right = labels[~known]
    return {
        "accuracy": float(accuracy_score(right, guess)),
        "macro_f1": float(f1_score(right, guess, average="macro")),
    }


def of_study(adata: ad.AnnData, seed: int) -> dict[str, npt.NDArray[Any]]:
    """What needs no pretraining: variable genes, and their principal components."""
    study = adata.copy()
    sc.pp.normalize_total(study, target_sum=1e4)
    sc.pp.log1p(study)
    sc.pp.highly_variable_genes(study, n_top_genes=min(2_000, study.n_vars))
    study = study[:, study.var["highly_variable"]].copy()
    found = {"HVG": np.asarray(study.X.todense())}
    sc.pp.scale(study, max_value=10)
    sc.pp.pca(study, n_comps=50, random_state=seed)
    return {**found, "PCA": study.obsm["X_pca"]}


def held_out_corpus(data: Path, study: str, cache: Path) -> Corpus:
    """The corpus with one tested study to validate on."""
    entries = corpus.config(1.0, 0, batch_size=128, lr=1e-3, tokens=256)
    entries["data"]["excluded"] = [name for name in corpus.TEST if name != study]
    entries["data"]["held_out"] = [study]
    return open_corpus(corpus.paths(data), PretrainConfig.from_dict(entries).data, cache=cache)


def likelihoods(
    found: Corpus, models: dict[str, CellModel]
) -> dict[str, dict[str, npt.NDArray[np.float64]]]:
    """Loss of hidden values of held-out cells: squared error + negative log-likelihood of > 0.

    Returns
    -------
    Of each model the mean of each batch of cells: ``"loss"`` from the cell embedding, and
    ``"token_loss"`` from the hidden states of the tokens, where a model has a head for it.
    ``"gene means"`` predicts the mean and the frequency of each gene among hidden tokens.
    """
    views = ViewSettings(n_views=1, mask_low=0.15, mask_high=0.15, max_tokens=None)
    like = next(iter(models.values()))
    fit = FitConfig(batch_size=16)
    epochs = CorpusEpochs(found, like.config.encoder, fit, views, most_held_out=_HELD, ahead=0)
    scores = {}
    objectives = {"loss": (MVC(1.0, per_cell=True), "mvc")}
    objectives["token_loss"] = GEP(1.0, per_cell=True), "expression"
    with torch.inference_mode():
        for name, model in models.items():
            model.eval()
            scores[name] = {
                what: np.array([_loss(objective, b, model, head) for b in _batches(epochs, model)])
                for what, (objective, head) in objectives.items()
                if head in model.heads
            }
    scores["gene means"] = {"loss": np.array([_of_means(epochs, list(epochs.validation()))])}
    return scores


def _loss(objective: Any, batch: CellTrainBatch, model: CellModel, head: str) -> float:
    return float(objective(batch.run(model, {head}), batch).item())


def _batches(epochs: CorpusEpochs, model: CellModel) -> list[CellTrainBatch]:
    """Held-out cells with the gene ids of a model, whose genes may be in another order."""
    batches = list(epochs.validation())
    assert model.vocab is not None
    own = epochs.corpus.vocab
    if model.vocab.tokens == own.tokens:
        return batches
    to = torch.from_numpy(model.vocab.index(own.tokens))
    return [_sorted(replace(b, gene_ids=to[b.gene_ids]), model.vocab.pad_id) for b in batches]


def _sorted(batch: CellTrainBatch, pad: int) -> CellTrainBatch:
    """The same cells with their genes by id; ``<cls>`` stays first, padding last."""
    key = batch.gene_ids.masked_fill(batch.padding_mask, batch.gene_ids.max() + pad + 1)
    key[:, 0] = -1
    order = key.argsort(1)
    names = ("gene_ids", "values", "padding_mask", "target", "masked")
    return replace(batch, **{name: getattr(batch, name).gather(1, order) for name in names})


def _of_means(epochs: CorpusEpochs, batches: Sequence[CellTrainBatch]) -> float:
    n = len(epochs.corpus.vocab)
    count, value, shown = np.full(n, 1e-3), np.zeros(n), np.full(n, 0.5e-3)
    for number, batch in enumerate(epochs.epoch(0)):
        if number == _BATCHES:
            break
        ids = batch.gene_ids[batch.masked].numpy()
        target = batch.target[batch.masked].numpy()
        count += np.bincount(ids, minlength=n)
        value += np.bincount(ids, target, minlength=n)
        shown += np.bincount(ids, target > 0, minlength=n)
    mean = torch.from_numpy(value / count).float()
    rate = torch.from_numpy(shown / count).float()
    total, cells = 0.0, 0
    for batch in batches:
        p = rate[batch.gene_ids].clamp(1e-3, 1 - 1e-3)
        right = torch.where(batch.target > 0, p.log(), (-p).log1p())
        terms = (mean[batch.gene_ids] - batch.target).square() - right
        per_cell = torch.where(batch.masked, terms, 0).sum(1) / batch.masked.sum(1).clamp(min=1)
        total, cells = total + per_cell.sum().item(), cells + len(batch)
    return total / cells
