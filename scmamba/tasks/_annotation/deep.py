"""The deep view: a compact model trained in stages, or a pretrained one probed or fine-tuned."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from scmamba.models.cell.config import preset
from scmamba.models.cell.model import CellModel
from scmamba.models.device import resolve_device
from scmamba.stream.data import CellData
from scmamba.tasks._annotation.novelty import moments
from scmamba.tokens.cells import tokenize
from scmamba.tokens.vocab import Vocab
from scmamba.train import CLS, GEP, MVC, FitConfig, class_weights, fit

Rows = npt.NDArray[np.int64]

_CLIP = 10.0
SMOOTHING, WEIGHT_POWER = 0.05, 0.25


@dataclass(frozen=True)
class Recipe:
    """How a compact model is trained from scratch.

    Attributes
    ----------
    d_model, n_layer, d_state
        Its size.
    bag_epochs
        Epochs of the model without Mamba layers, on labels.
    epochs
        Epochs with them: they enter as the identity, so nothing is lost.
    pretrain_epochs
        Epochs of masked gene expression on all cells, before labels are seen.
    mask_ratio
        Of pretraining.
    n_members
        Models, of other seeds, whose logits are averaged in the end.
    config
        Rates, sizes and seed of every stage.
    """

    d_model: int = 64
    n_layer: int = 2
    d_state: int = 16
    bag_epochs: int = 8
    epochs: int = 2
    pretrain_epochs: int = 1
    mask_ratio: float = 0.3
    n_members: int = 3
    config: FitConfig = FitConfig()


def recipe_for(n_cells: int, seed: int) -> Recipe:
    """A recipe whose number of steps grows slower than the data: minutes on a CPU."""
    bag = int(np.clip(72_000 // max(n_cells, 1), 2, 40))
    return Recipe(
        bag_epochs=bag,
        epochs=max(bag // 4, 1),
        pretrain_epochs=max(bag // 8, 1),
        config=FitConfig(patience=3, seed=seed),
    )


def compact_data(
    values: sparse.csr_matrix, names: list[str], codes: Rows | None = None
) -> CellData:
    """Tokens of log-normalised values (n_cells, n_genes), one vocabulary entry a column."""
    vocab = Vocab(names)
    tokens = tokenize(values, vocab.index(names), n_bins=None)
    return CellData(tokens, vocab, cls_value=0.0, pad_value=-2.0, labels=codes)


def gene_vectors(values: sparse.csr_matrix, d: int, seed: int) -> npt.NDArray[np.float32]:
    """(n_genes, k) loadings of genes on the first k <= d components of standardised expression."""
    mean, scale = moments(values)
    standard = np.clip((values.toarray() - mean) / scale, -_CLIP, _CLIP)
    k = max(min(d, min(standard.shape) - 1), 1)
    _, strengths, components = randomized_svd(standard, k, random_state=seed)
    return (components * strengths[:, None]).T.astype(np.float32)


def pretrained_compact(
    data: CellData, vectors: npt.NDArray[np.float32], rows: Rows, recipe: Recipe
) -> CellModel:
    """A compact model that has learned masked gene expression (gep, mvc) on ``rows``.

    Gene embeddings start from ``vectors``, one row a gene of the vocabulary.
    """
    model = _compact(data.vocab, recipe, n_layer=0, n_classes=0, pretraining=True)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.config.seed)
        model.init_gene_embedding(vectors, np.arange(len(vectors)))
    if recipe.pretrain_epochs:
        config = replace(
            recipe.config,
            epochs=recipe.pretrain_epochs,
            mask_ratio=recipe.mask_ratio,
            patience=None,
        )
        fit(model, data, rows, [GEP(), MVC()], config, text="pretraining (gep, mvc)")
    return model


@dataclass(frozen=True)
class Stages:
    """A compact model after each stage of learning labels.

    Attributes
    ----------
    bag
        Without Mamba layers, the ablation.
    model
        With them.
    history
        Both stages' curves, one after the other.
    bag_epochs, epochs
        The best ones, to train as long on all labelled cells.
    """

    bag: CellModel
    model: CellModel
    history: pd.DataFrame
    bag_epochs: int
    epochs: int


def train_compact(
    start: CellModel,
    data: CellData,
    train: Rows,
    val: Rows | None,
    n_classes: int,
    recipe: Recipe,
    text: str,
) -> Stages:
    """Learn labels: first as a bag of tokens, then with Mamba layers that enter as the identity.

    Parameters
    ----------
    start
        Pretrained weights; left as they are.
    data
        Cells with labels.
    train, val
        Positions to learn from, and to choose the epoch on (None: all epochs).
    n_classes
        Classes of the head.
    recipe
        Sizes and epochs.
    text
        For the progress bar.
    """
    assert data.labels is not None
    weights = class_weights(data.labels[train], n_classes, WEIGHT_POWER)
    objectives = [CLS(1.0, weights, SMOOTHING)]
    bag = _compact(data.vocab, recipe, n_layer=0, n_classes=n_classes)
    _copy_weights(start, bag)
    config = replace(recipe.config, epochs=recipe.bag_epochs)
    first = fit(bag, data, train, objectives, config, val_rows=val, text=f"{text}: tokens")
    if not (recipe.n_layer and recipe.epochs):
        return Stages(bag, bag, first.history, first.best_epoch, 0)
    model = _compact(data.vocab, recipe, n_layer=recipe.n_layer, n_classes=n_classes)
    for layer in model.stack.layers:
        torch.nn.init.zeros_(layer.mamba.out_proj.weight)
    _copy_weights(bag, model)
    config = replace(
        recipe.config,
        epochs=recipe.epochs,
        lr=recipe.config.lr / 2,
        last_max_tokens=recipe.config.max_tokens,
    )
    second = fit(model, data, train, objectives, config, val_rows=val, text=f"{text}: Mamba")
    second.history.index += len(first.history)
    history = pd.concat(
        [first.history.assign(stage="tokens"), second.history.assign(stage="Mamba")]
    )
    return Stages(bag, model, history, first.best_epoch, second.best_epoch)


def _compact(
    vocab: Vocab, recipe: Recipe, *, n_layer: int, n_classes: int, pretraining: bool = False
) -> CellModel:
    config = preset(
        "mini",
        n_genes=len(vocab),
        d_model=recipe.d_model,
        d_state=recipe.d_state,
        n_layer=n_layer,
        n_classes=n_classes,
        expression=pretraining,
        mvc=pretraining,
        **_COMPACT,
    )
    with torch.random.fork_rng():
        torch.manual_seed(recipe.config.seed)
        model = CellModel(config)
    model.vocab = vocab
    return model.to(resolve_device())


_COMPACT = {
    "value_type": "lognorm",
    "class_layers": 2,
    "class_dropout": 0.1,
    "cell_norm": True,
    "value_encoding": "scaled",
    "gene_norm": False,
    "input_norm": "none",
}


def _copy_weights(source: CellModel, target: CellModel) -> None:
    """Copy what both have; the target's layers and heads of its own stay as they start."""
    shared = target.state_dict().keys() & source.state_dict().keys()
    state = source.state_dict()
    target.load_state_dict({name: state[name] for name in shared}, strict=False)
