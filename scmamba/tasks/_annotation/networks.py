"""Compact cell models: built, pretrained on all cells, and trained on labels in stages."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from scmamba.learn.neural import member_seed
from scmamba.learn.ood import moments
from scmamba.learn.staged import BAG, copy_shared_weights
from scmamba.learn.training import AnnotationTraining
from scmamba.models import CellModel, preset
from scmamba.models.device import resolve_device
from scmamba.stream.data import CellData
from scmamba.tokens.cells import tokenize
from scmamba.tokens.vocab import Vocab
from scmamba.train import CLS, GEP, MVC, FitConfig, class_weights, fit
from scmamba.train.fit import FitResult

Rows = npt.NDArray[np.int64]

_CLIP = 10.0  # standard deviations
_SMOOTHING, _CLASS_POWER, _MASK_RATIO = 0.05, 0.25, 0.3
_COMPACT = {
    "value_type": "lognorm",
    "class_layers": 2,
    "class_dropout": 0.1,
    "cell_norm": True,
    "value_encoding": "scaled",
    "gene_norm": False,
    "input_norm": "none",
}


def compact_data(
    values: sparse.csr_matrix, names: list[str], codes: Rows | None = None
) -> CellData:
    """Tokens of log-normalized values (n_cells, n_genes), one vocabulary entry per column."""
    vocab = Vocab(names)
    tokens = tokenize(values, vocab.index(names), n_bins=None)
    return CellData(tokens, vocab, cls_value=0.0, pad_value=-2.0, labels=codes)


def gene_vectors(values: sparse.csr_matrix, d: int, seed: int) -> npt.NDArray[np.float32]:
    """(n_genes, k) loadings of genes on the first k <= d components of standardized expression."""
    from sklearn.utils.extmath import randomized_svd

    mean, scale = moments(values)
    standard = np.clip((values.toarray() - mean) / scale, -_CLIP, _CLIP)
    k = max(min(d, min(standard.shape) - 1), 1)
    _, strengths, components = randomized_svd(standard, k, random_state=seed)
    return (components * strengths[:, None]).T.astype(np.float32)


def pretrained_compact(
    data: CellData, vectors: npt.NDArray[np.float32], training: AnnotationTraining, seed: int
) -> CellModel:
    """A compact model that has learned masked gene expression (gep, mvc) on all cells.

    Gene embeddings start from ``vectors``, one row per gene of the vocabulary.
    """
    model = compact(data.vocab, training, seed, pretraining=True)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model.init_gene_embedding(vectors, np.arange(len(vectors)))
    if training.pretrain_epochs:
        config = fit_config(training, seed, epochs=training.pretrain_epochs)
        config = replace(config, mask_ratio=_MASK_RATIO, patience=None)
        rows = np.arange(len(data))
        fit(model, data, rows, [GEP(), MVC()], config, text="pretraining (gep, mvc)")
    return model


def compact(
    vocab: Vocab,
    training: AnnotationTraining,
    seed: int,
    *,
    n_layer: int = 0,
    n_classes: int = 0,
    pretraining: bool = False,
) -> CellModel:
    """A new model of the genes of ``vocab``."""
    config = preset(
        "mini",
        n_genes=len(vocab),
        d_model=training.width,
        d_state=training.d_state,
        n_layer=n_layer,
        n_classes=n_classes,
        expression=pretraining,
        mvc=pretraining,
        **_COMPACT,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = CellModel(config)
    model.vocab = vocab
    return model.to(resolve_device())


def fit_config(training: AnnotationTraining, seed: int, *, epochs: int | None) -> FitConfig:
    """Settings of one stage of a compact model."""
    assert epochs and training.batch_size and training.learning_rate
    assert training.ema is not None
    return FitConfig(
        epochs=epochs,
        batch_size=training.batch_size,
        lr=training.learning_rate,
        ema=training.ema,
        patience=training.patience,
        seed=seed,
    )


def label_objective(codes: Rows, n_classes: int) -> CLS:
    """Cross-entropy of smoothed labels, in which rare classes count more."""
    return CLS(1.0, class_weights(codes, n_classes, _CLASS_POWER), _SMOOTHING)


@dataclass(frozen=True)
class LabelStages:
    """Trains compact models on labels, stage by stage.

    Attributes
    ----------
    start
        Pretrained compact model; left as it is.
    data
        Cells with labels.
    train, val
        Positions to learn from, and to choose the epoch on (None: all epochs).
    n_classes
        Classes of the head.
    training
        Sizes and epochs, without None.
    seed, member
        Seed of the ensemble, and the member's number.
    text
        Text of the progress bar.
    """

    start: CellModel
    data: CellData
    train: Rows
    val: Rows | None
    n_classes: int
    training: AnnotationTraining
    seed: int
    member: int
    text: str

    def build(self, n_layer: int) -> CellModel:
        """A model with a class head that starts from the pretrained weights."""
        seed = member_seed(self.seed, self.member)
        model = compact(
            self.data.vocab, self.training, seed, n_layer=n_layer, n_classes=self.n_classes
        )
        copy_shared_weights(self.start, model)
        return model

    def train_stage(self, network: CellModel, stage: str) -> FitResult:
        """Learn labels; with Mamba layers at half the rate, on longer cells in the last epoch."""
        assert self.data.labels is not None
        training = self.training
        epochs = training.epochs if stage == BAG else training.mamba_epochs
        config = fit_config(training, member_seed(self.seed, self.member), epochs=epochs)
        if stage != BAG:
            config = replace(config, lr=config.lr / 2, last_max_tokens=config.max_tokens)
        objective = label_objective(self.data.labels[self.train], self.n_classes)
        text = f"{self.text}: {stage}"
        return fit(
            network, self.data, self.train, [objective], config, val_rows=self.val, text=text
        )
