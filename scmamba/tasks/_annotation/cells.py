"""Labeled cells as the components of an annotator see them."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import nn

from scmamba.learn.axes import Axes
from scmamba.learn.bag import LabeledMatrix
from scmamba.learn.calibration import Kind
from scmamba.learn.discriminant import Unlabeled, fit_batch_aware
from scmamba.learn.folds import several_batches
from scmamba.learn.linear import Linear, fit_linear
from scmamba.learn.neural import NeuralComponent, NeuralFit, member_seed
from scmamba.learn.ood import ClassGaussians, fit_class_gaussians
from scmamba.learn.staged import train_staged
from scmamba.learn.training import AnnotationTraining
from scmamba.models import CellModel
from scmamba.models.device import resolve_device
from scmamba.nn.heads import ClassHead
from scmamba.nn.lora import add_lora
from scmamba.stream.data import CellData
from scmamba.tasks._annotation.networks import (
    LabelStages,
    label_objective,
    panel_outputs,
)
from scmamba.tasks._forward import Forward, forward
from scmamba.tasks._gene_vectors import start_vectors
from scmamba.train import FitConfig, TimeBudget, fit
from scmamba.train.fit import FitResult

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

_LONGEST = 1199
"""Genes of a cell that a pretrained model is fine-tuned on, at most."""


@dataclass
class CellExamples:
    """Labeled cells.

    Attributes
    ----------
    values
        (n, n_genes) log-normalized values of the panel.
    codes
        (n,) class of each cell.
    n_outputs
        Number of classes.
    axes
        Principal components of all given cells.
    others
        Cells to annotate.
    seed
        Seed of all that is random.
    names
        Names of the panel's genes, of which compact networks are trained.
    start
        The pretrained model whose gene vectors these networks start from, or None.
    model, data
        The pretrained model that is probed or fine-tuned, and the cells as it reads them, or None.
    batches
        (n,) batch of each cell, or None.
    budget, n_fits
        Time that is left for so many fits and what follows them.
    """

    values: sparse.csr_matrix
    codes: Rows
    n_outputs: int
    axes: Axes
    others: Unlabeled
    seed: int
    names: list[str] = field(default_factory=list)
    start: CellModel | None = None
    model: CellModel | None = None
    data: CellData | None = None
    batches: npt.NDArray[np.object_] | None = None
    budget: TimeBudget = field(default_factory=TimeBudget)
    n_fits: int = 1
    kind: Kind = "classification"
    _embedding: npt.NDArray[np.float32] | None = field(default=None, init=False)
    _vectors: npt.NDArray[np.float32] | None = field(default=None, init=False)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def on_cpu(self) -> bool:
        """Whether networks are trained on the processor."""
        if self.model is None:
            return resolve_device().type == "cpu"
        return next(self.model.parameters()).device.type == "cpu"

    def target(self, rows: Rows) -> Rows:
        """(n,) classes."""
        return self.codes[rows]

    def fit_linear(self, rows: Rows) -> Linear:
        """Class-balanced logistic regression; where there are batches, made for new ones.

        Cells that are held out stand for those to annotate, which are without labels.
        """
        x, codes = self.values[rows], self.codes[rows]
        if self.batches is None or not several_batches(self.batches):
            return fit_linear(x, codes, self.n_outputs, balanced=True)
        others, held = self.others, np.setdiff1d(np.arange(len(self)), rows)
        if len(held):
            others = Unlabeled(self.values[held], self.batches[held].astype(str))
        others = others.at_most(len(rows), self.seed)
        return fit_batch_aware(x, codes, self.n_outputs, self.batches[rows], self.axes, others)

    def linear_logits(self, linear: Linear, rows: Rows) -> Floats:
        """(n, n_classes) logits."""
        return linear.logits(self.values[rows])

    def ood_distance(self, train: Rows, rows: Rows) -> Floats:
        """(n,) Mahalanobis distance to the nearest class of ``train``."""
        return self.gaussians(train).distance(self.values[rows])

    def gaussians(self, rows: Rows) -> ClassGaussians:
        """Where the classes of some cells lie."""
        return fit_class_gaussians(self.axes, self.values[rows], self.codes[rows], self.n_outputs)

    def from_scratch(
        self, train: Rows, val: Rows | None, training: AnnotationTraining, member: int, text: str
    ) -> NeuralFit:
        """Train a bag of genes, then with Mamba layers where ``training`` asks for them."""
        stages = LabelStages(
            LabeledMatrix(self.values, self.codes),
            self.names,
            self._start_vectors(training.width),
            train,
            val,
            self.n_outputs,
            training,
            member_seed(self.seed, member),
            text,
            self._next_budget(),
        )
        staged = train_staged(stages, training.n_layer or 0 if training.mamba_epochs else 0)
        bag = None if staged.bag is staged.full else NeuralComponent((staged.bag,))
        return NeuralFit(NeuralComponent((staged.full,)), bag, staged.history, staged.epochs)

    def with_head(self, *, lora: bool, seed: int) -> CellModel:
        """Copy the pretrained model, with a new class head."""
        assert self.model is not None
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
        assert isinstance(network, CellModel) and self.data is not None
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
        budget = self._next_budget()
        result = fit(
            network,
            self.data,
            train,
            [objective],
            config,
            val_rows=val,
            text=text,
            budget=budget,
        )
        budget.extend(result.cuts)
        return result

    def _start_vectors(self, width: int) -> npt.NDArray[np.float32]:
        """(n_genes, k) vectors that compact networks start from, computed once."""
        if self._vectors is None:
            self._vectors = start_vectors(self.axes, width, self.start, self.names, self.values)
        return self._vectors

    def _next_budget(self) -> TimeBudget:
        """Time for the next of the fits that are left; as much is kept for all that follows."""
        part = self.budget.part(1 / (self.n_fits + 1))
        self.n_fits = max(self.n_fits - 1, 1)
        return part

    def embed(self, rows: Rows) -> Floats:
        """(n, D) embeddings of the pretrained model, computed once."""
        if self._embedding is None:
            assert self.model is not None and self.data is not None
            self._embedding = forward(self.model, self.data).embedding
        return self._embedding[rows].astype(np.float64)

    def logits(self, component: NeuralComponent, rows: Rows) -> Floats:
        """(n, n_classes) outputs."""
        if component.head is not None:
            return component.head.logits(self.embed(rows))
        if self.data is None:
            values = self.values[rows]
            outs = [panel_outputs(member, values, self.names) for member in component.members]
        else:
            data = self.data.take(rows)
            outs = [forward(member, data, text="Annotating cells") for member in component.members]
        return mean_logits(component, outs)


def mean_logits(component: NeuralComponent, outs: list[Forward]) -> Floats:
    """(n, n_classes) of what each member of a component gave: of its head, or their mean."""
    if component.head is not None:
        return component.head.logits(outs[0].embedding)
    return np.mean([out.class_logits for out in outs if out.class_logits is not None], axis=0)
