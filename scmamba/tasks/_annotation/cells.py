"""Labelled cells as the components of an annotator see them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import nn

from scmamba.learn.calibration import Kind
from scmamba.learn.linear import Linear, fit_linear
from scmamba.learn.neural import NeuralComponent, NeuralFit
from scmamba.learn.ood import fit_class_gaussians
from scmamba.learn.staged import train_staged
from scmamba.learn.training import AnnotationTraining
from scmamba.models import CellModel
from scmamba.nn.heads import ClassHead
from scmamba.nn.lora import add_lora
from scmamba.stream.data import CellData
from scmamba.tasks._annotation.networks import LabelStages, label_objective
from scmamba.tasks._forward import forward
from scmamba.train import FitConfig, fit
from scmamba.train.fit import FitResult

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_LONGEST = 1199
"""Genes of a cell that a pretrained model is fine-tuned on, at most."""


@dataclass
class CellExamples:
    """Labelled cells.

    Attributes
    ----------
    values
        (n, n_genes) log-normalized values of the panel.
    codes
        (n,) class of each cell.
    n_outputs
        Number of classes.
    data
        Tokens with labels: the same cells first, perhaps with unlabelled ones behind them.
    model
        The pretrained model to start from, or the compact one.
    seed
        Seed of all that is random.
    """

    values: sparse.csr_matrix
    codes: Rows
    n_outputs: int
    data: CellData
    model: CellModel
    seed: int
    kind: Kind = "classification"
    _embedding: npt.NDArray[np.float32] | None = field(default=None, init=False)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def on_cpu(self) -> bool:
        """Whether networks are trained on the processor."""
        return next(self.model.parameters()).device.type == "cpu"

    def target(self, rows: Rows) -> Rows:
        """(n,) classes."""
        return self.codes[rows]

    def fit_linear(self, rows: Rows) -> Linear:
        """Class-balanced logistic regression."""
        return fit_linear(self.values[rows], self.codes[rows], self.n_outputs, balanced=True)

    def linear_logits(self, linear: Linear, rows: Rows) -> Floats:
        """(n, n_classes) logits."""
        return linear.logits(self.values[rows])

    def ood_distance(self, train: Rows, rows: Rows) -> Floats:
        """(n,) Mahalanobis distance to the nearest class of ``train``."""
        gaussians = fit_class_gaussians(
            self.values[train], self.codes[train], self.n_outputs, seed=self.seed
        )
        return gaussians.distance(self.values[rows])

    def from_scratch(
        self, train: Rows, val: Rows | None, training: AnnotationTraining, member: int, text: str
    ) -> NeuralFit:
        """Train a compact model as a bag of genes, then with Mamba layers."""
        stages = LabelStages(
            self.model, self.data, train, val, self.n_outputs, training, self.seed, member, text
        )
        assert training.n_layer is not None
        staged = train_staged(stages, training.n_layer if training.mamba_epochs else 0)
        bag = None if staged.bag is staged.full else NeuralComponent((staged.bag,))
        return NeuralFit(NeuralComponent((staged.full,)), bag, staged.history, staged.epochs)

    def with_head(self, *, lora: bool, seed: int) -> CellModel:
        """A copy of the pretrained model with a new class head."""
        model = copy.deepcopy(self.model)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model.config = model.config.replace(n_classes=self.n_outputs, class_dropout=0.0)
            model.replace_head(ClassHead)
            if lora:
                add_lora(model.stack)
        if lora:
            for part in (model.gene_embedding, model.value_embedding):
                part.requires_grad_(False)
        return model

    def finetune(
        self,
        network: nn.Module,
        train: Rows,
        val: Rows | None,
        training: AnnotationTraining,
        text: str,
    ) -> FitResult:
        """Train it in place, on whole cells."""
        assert isinstance(network, CellModel)
        assert training.epochs and training.batch_size and training.learning_rate
        config = FitConfig(
            epochs=training.epochs,
            batch_size=training.batch_size,
            lr=training.learning_rate,
            ema=training.ema or 0.0,
            max_tokens=_LONGEST,
            last_max_tokens=_LONGEST,
            patience=training.patience,
            seed=self.seed,
        )
        objective = label_objective(self.codes[train], self.n_outputs)
        return fit(network, self.data, train, [objective], config, val_rows=val, text=text)

    def embed(self, rows: Rows) -> Floats:
        """(n, D) embeddings of the pretrained model, computed once."""
        if self._embedding is None:
            self._embedding = forward(self.model, self.data).embedding
        return self._embedding[rows].astype(np.float64)

    def logits(self, component: NeuralComponent, rows: Rows) -> Floats:
        """(n, n_classes) outputs."""
        if component.head is not None:
            return component.head.logits(self.embed(rows))
        return cell_logits(component, self.data.take(rows))[0]


def cell_logits(
    component: NeuralComponent, data: CellData
) -> tuple[Floats, npt.NDArray[np.float32]]:
    """Class logits (n, n_classes) of cells, and embeddings (n, D) by the first member."""
    outs = [forward(member, data, text="annotating") for member in component.members]
    if component.head is not None:
        return component.head.logits(outs[0].embedding), outs[0].embedding
    logits = [out.class_logits for out in outs if out.class_logits is not None]
    return np.mean(logits, axis=0), outs[0].embedding
