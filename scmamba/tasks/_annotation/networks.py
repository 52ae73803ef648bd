"""Compact networks of an annotator: a bag of genes, perhaps with Mamba layers on top."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse

from scmamba.learn.bag import LabeledMatrix, fit_bag, outputs_of_matrix
from scmamba.learn.staged import BAG
from scmamba.learn.training import AnnotationTraining
from scmamba.models import CellModel, preset
from scmamba.models.device import resolve_device
from scmamba.stream.data import CellData
from scmamba.tasks._forward import Forward, forward
from scmamba.tokens.cells.tokenize import tokenize
from scmamba.tokens.cells.vocab import Vocab
from scmamba.train import CLS, FitConfig, class_weights, fit
from scmamba.train.budget import TimeBudget
from scmamba.train.result import FitResult

Rows = npt.NDArray[np.int64]

_SMOOTHING, _CLASS_POWER = 0.05, 0.25
_TOKEN_BATCH = 16
_BAG_FRACTION = 0.2
"""Fraction of the time for the stage without Mamba layers, where another one follows."""
_COMPACT = {
    "value_type": "lognorm",
    "value_encoding": "product",
    "gene_norm": False,
    "input_norm": "none",
    "final_norm": False,
    "pool": "sum",
    "cell_norm": "batch",
    "class_layers": 1,
    "class_dropout": 0.1,
    "class_input_relu": True,
    "expression": False,
    "mvc": False,
}
"""With no Mamba layers: sum of genes' vectors times values, batch norm, ReLU, dropout, Linear."""


def compact_data(
    values: sparse.csr_matrix, names: list[str], codes: Rows | None = None
) -> CellData:
    """Tokens of log-normalized values (n_cells, n_genes), one vocabulary entry per column."""
    vocab = Vocab(names)
    tokens = tokenize(values, vocab.index(names), n_bins=None)
    return CellData(tokens, vocab, cls_value=0.0, pad_value=-2.0, labels=codes)


def compact(
    names: list[str],
    vectors: npt.NDArray[np.float32],
    n_classes: int,
    training: AnnotationTraining,
    seed: int,
    *,
    n_layer: int = 0,
) -> CellModel:
    """Make a network of the genes ``names``, whose vectors start from ``vectors``."""
    vocab = Vocab(names)
    config = preset(
        "mini",
        n_genes=len(vocab),
        d_model=training.width,
        d_state=training.d_state,
        n_layer=n_layer,
        n_classes=n_classes,
        **_COMPACT,
    )
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model = CellModel(config)
        table = model.gene_embedding.embedding.weight
        table.normal_(std=float(np.sqrt(np.mean(vectors**2))))
        table[: len(vectors), : vectors.shape[1]] = torch.from_numpy(vectors)
    model.vocab = vocab
    return model.to(resolve_device())


def label_objective(codes: Rows, n_classes: int) -> CLS:
    """Cross-entropy of smoothed labels, in which rare classes count more."""
    return CLS(1.0, class_weights(codes, n_classes, _CLASS_POWER), _SMOOTHING)


def panel_outputs(model: CellModel, values: sparse.csr_matrix, names: list[str]) -> Forward:
    """Return what a network of the genes ``names`` gives for log-normalized ``values``."""
    if model.config.is_bag:
        return Forward(*outputs_of_matrix(model, values))
    return forward(model, compact_data(values, names), text="Annotating cells")


@dataclass(frozen=True)
class LabelStages:
    """Trains compact networks on labels, stage by stage.

    Attributes
    ----------
    cells
        Labeled cells.
    names, vectors
        Names of their genes, and the vectors to start from.
    train, val
        Positions to learn from, and to validate on (None: nothing is validated).
    n_classes
        Classes of the head.
    training
        Sizes and epochs, without None.
    seed
        Seed of this network.
    text
        Text of the progress bar.
    budget
        Time for both stages.
    """

    cells: LabeledMatrix
    names: list[str]
    vectors: npt.NDArray[np.float32]
    train: Rows
    val: Rows | None
    n_classes: int
    training: AnnotationTraining
    seed: int
    text: str
    budget: TimeBudget

    def build(self, n_layer: int) -> CellModel:
        """Make a network that starts from the gene vectors."""
        return compact(
            self.names, self.vectors, self.n_classes, self.training, self.seed, n_layer=n_layer
        )

    def train_stage(self, network: CellModel, stage: str) -> FitResult:
        """Learn labels: of the matrix, or of tokens with Mamba layers at half the rate."""
        training = self.training
        assert training.epochs and training.batch_size
        assert training.learning_rate and training.ema is not None
        objective = label_objective(self.cells.codes[self.train], self.n_classes)
        config = FitConfig(
            epochs=training.epochs,
            batch_size=training.batch_size,
            lr=training.learning_rate,
            ema=training.ema,
            ema_ramp=True,
            mask_ratio=training.gene_dropout,
            seed=self.seed,
        )
        if stage == BAG:
            result = self._fit_matrix(network, objective, config)
        else:
            result = self._fit_tokens(network, objective, config)
        self.budget.extend(result.cuts)
        return result

    def _fit_matrix(self, network: CellModel, objective: CLS, config: FitConfig) -> FitResult:
        held = None if self.val is None else self.cells.take(self.val)
        return fit_bag(
            network,
            self.cells.take(self.train),
            objective,
            config,
            held=held,
            text=self.text,
            budget=self.budget.part(_BAG_FRACTION) if self.training.n_layer else self.budget,
        )

    def _fit_tokens(self, network: CellModel, objective: CLS, config: FitConfig) -> FitResult:
        """Learn of whole cells: the network knows sums over all of their genes."""
        training = self.training
        assert training.mamba_epochs
        config = replace(
            config,
            epochs=training.mamba_epochs,
            batch_size=min(config.batch_size, _TOKEN_BATCH),
            lr=config.lr / 2,
            mask_ratio=0.0,
            max_tokens=None,
            last_max_tokens=None,
            patience=training.patience,
        )
        return fit(
            network,
            compact_data(self.cells.values, self.names, self.cells.codes),
            self.train,
            [objective],
            config,
            val_rows=self.val,
            text=f"{self.text}: Mamba layers",
            budget=self.budget,
        )
