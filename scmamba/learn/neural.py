"""The neural component: trained from scratch, a head on frozen embeddings, or fine-tuned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import nn

from scmamba.learn.calibration import Kind, loss
from scmamba.learn.folds import Rows
from scmamba.learn.fusion import Fusion
from scmamba.learn.linear import Linear, fit_linear
from scmamba.nn.lora import merge_lora
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
        What the target holds.
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


@dataclass(frozen=True)
class FromScratch:
    """Networks with random starts.

    Attributes
    ----------
    training
        How they are trained, without None.
    parallel
        Whether fits may run side by side.
    """

    training: Any
    parallel: bool

    @property
    def n_members(self) -> int:
        """Networks to average."""
        return int(self.training.n_members)

    def fit(
        self, networks: Networks, train: Rows, val: Rows | None, text: str, member: int = 0
    ) -> NeuralFit:
        """Train one member."""
        return networks.from_scratch(train, val, self.training, member, text)

    @property
    def tries_mamba(self) -> bool:
        """Whether Mamba layers are trained on top of a network without them."""
        training = self.training
        return bool(training.n_layer and getattr(training, "mamba_epochs", 0))

    def without_mamba(self) -> FromScratch:
        """Return the same without Mamba layers."""
        return replace(self, training=replace(self.training, n_layer=0))

    def with_epochs(self, epochs: list[tuple[int, ...]]) -> FromScratch:
        """Median of the best epochs of each stage."""
        bag, full = np.median(epochs, axis=0).round().astype(int).tolist()
        return replace(self, training=replace(self.training, epochs=bag, mamba_epochs=full))


@dataclass(frozen=True)
class Finetune:
    """All weights of a pretrained model, or low-rank parts of its projections (LoRA).

    Attributes
    ----------
    training
        How it is trained, without None.
    seed
        Seed of the new head.
    lora
        Train low-rank parts and the head only.
    """

    training: Any
    seed: int
    lora: bool
    n_members: int = 1
    parallel: bool = False
    tries_mamba: bool = False

    def without_mamba(self) -> Finetune:
        """Return the same: the layers are the pretrained model's."""
        return self

    def fit(
        self, networks: Networks, train: Rows, val: Rows | None, text: str, member: int = 0
    ) -> NeuralFit:
        """Train a copy with a new head; the model that was given stays as it is."""
        network = networks.with_head(lora=self.lora, seed=self.seed)
        result = networks.finetune(network, train, val, self.training, text)
        if self.lora:
            merge_lora(network)
        component = NeuralComponent((network,))
        return NeuralFit(component, history=result.history, epochs=(result.best_epoch,))

    def with_epochs(self, epochs: list[tuple[int, ...]]) -> Finetune:
        """Median of the best epochs."""
        median = int(np.median([best for (best,) in epochs]).round())
        return replace(self, training=replace(self.training, epochs=max(median, 1)))


@dataclass(frozen=True)
class Probe:
    """A linear head on the frozen embeddings of a pretrained model.

    Attributes
    ----------
    penalties
        Strengths of the head's penalty, of which held-out examples choose one.
    balanced
        Weight classes by their inverse frequency.
    """

    model: Any
    penalties: tuple[float, ...]
    balanced: bool = False
    n_members: int = 1
    parallel: bool = False
    tries_mamba: bool = False

    def without_mamba(self) -> Probe:
        """Return the same: the layers are the pretrained model's."""
        return self

    def fit(
        self, networks: Networks, train: Rows, val: Rows | None, text: str, member: int = 0
    ) -> NeuralFit:
        """Fit the head; there are no epochs to choose."""
        x, target = networks.embed(train), networks.target(train)
        heads = [
            fit_linear(
                x,
                target,
                networks.n_outputs,
                kind=networks.kind,
                penalty=penalty,
                balanced=self.balanced,
                standardize=True,
            )
            for penalty in self.penalties
        ]
        best = heads[0]
        if len(heads) > 1 and val is not None:
            held, truth = networks.embed(val), networks.target(val)
            fusion = Fusion(networks.kind)
            losses = [
                loss(networks.kind, fusion.predict(head.logits(held), None), truth)
                for head in heads
            ]
            best = heads[int(np.argmin(losses))]
        return NeuralFit(NeuralComponent((self.model,), best))

    def with_epochs(self, epochs: list[tuple[int, ...]]) -> Probe:
        """Nothing changes."""
        return self


def helpful_members(kind: Kind, outputs: Sequence[Floats], target: npt.NDArray[Any]) -> list[int]:
    """Members in order of their loss on held-out examples, as long as the mean gets better."""
    fusion = Fusion(kind)

    def cost(members: list[int]) -> float:
        mean = np.mean([outputs[i] for i in members], axis=0)
        return loss(kind, fusion.predict(None, mean), target)

    kept: list[int] = []
    for i in sorted(range(len(outputs)), key=lambda i: cost([i])):
        if not kept or cost([*kept, i]) < cost(kept):
            kept.append(i)
    return kept
