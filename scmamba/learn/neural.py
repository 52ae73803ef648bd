"""The neural component of a supervised model, and what fits it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import nn

from scmamba.learn.calibration import Kind
from scmamba.learn.folds import Rows
from scmamba.learn.linear import Linear
from scmamba.train.fit import FitResult

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class NeuralComponent:
    """Networks whose outputs are averaged, or a pretrained model with a linear head.

    Attributes
    ----------
    members
        Networks of one shape; with a ``head``, one pretrained model.
    head
        Linear head on frozen embeddings.
    """

    members: tuple[Any, ...]
    head: Linear | None = None

    @property
    def model(self) -> Any:
        """The first member."""
        return self.members[0]


@dataclass(frozen=True)
class NeuralFit:
    """A neural component, and how its training went.

    Attributes
    ----------
    component
        The component.
    no_mamba
        The same without Mamba layers, where there is such a thing.
    history
        Training curve, one row per epoch; empty where no network was trained.
    epochs
        Best epoch of each stage.
    """

    component: NeuralComponent
    no_mamba: NeuralComponent | None = None
    history: pd.DataFrame = field(default_factory=pd.DataFrame)
    epochs: tuple[int, ...] = ()


class Networks(Protocol):
    """Labeled cells or sequences, and how networks learn from them and are applied to them.

    Attributes
    ----------
    kind
        Kind of the target: classes, labels or numbers.
    n_outputs
        Number of classes, labels or numbers.
    on_cpu
        Whether networks are trained on the processor, where fits run side by side.
    """

    kind: Kind
    n_outputs: int

    @property
    def on_cpu(self) -> bool:
        """Whether networks are trained on the processor."""

    def target(self, rows: Rows) -> npt.NDArray[Any]:
        """Classes, labels or numbers of some examples."""

    def from_scratch(
        self, train: Rows, val: Rows | None, training: Any, member: int, text: str
    ) -> NeuralFit:
        """Train member ``member`` of an ensemble from scratch."""

    def with_head(self, *, lora: bool, seed: int) -> nn.Module:
        """Copy the pretrained model, with a new head and, if asked, low-rank parts."""

    def finetune(
        self, network: nn.Module, train: Rows, val: Rows | None, training: Any, text: str
    ) -> FitResult:
        """Train such a copy in place."""

    def embed(self, rows: Rows) -> Floats:
        """(n, D) embeddings of the pretrained model."""

    def logits(self, component: NeuralComponent, rows: Rows) -> Floats:
        """(n, n_outputs) outputs for some examples."""


class NeuralFitter(Protocol):
    """One way to fit a neural component.

    Attributes
    ----------
    n_members
        Networks to average.
    parallel
        Whether fits may run side by side, in processes of their own.
    tries_mamba
        Whether a fit also gives the component without Mamba layers, to compare it with.
    """

    @property
    def n_members(self) -> int:
        """Networks to average."""

    @property
    def parallel(self) -> bool:
        """Whether fits may run side by side, in processes of their own."""

    @property
    def tries_mamba(self) -> bool:
        """Whether a fit also gives the component without Mamba layers."""

    def fit(
        self, networks: Networks, train: Rows, val: Rows | None, text: str, member: int = 0
    ) -> NeuralFit:
        """Learn from ``train``; ``val`` chooses the epoch, ``member`` changes the seed."""

    def without_mamba(self) -> Self:
        """Return the same without Mamba layers."""

    def with_epochs(self, epochs: list[tuple[int, ...]]) -> Self:
        """Return the same with the epochs that the folds have chosen, to fit on all examples."""


def member_seed(seed: int, member: int) -> int:
    """Seed of one member of an ensemble."""
    return seed + 7919 * member
