"""Ways to fit a neural component: from scratch, a head on frozen embeddings, or fine-tuning."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scmamba.learn.calibration import loss
from scmamba.learn.folds import Rows
from scmamba.learn.fusion import Fusion
from scmamba.learn.linear import fit_linear
from scmamba.learn.neural import Networks, NeuralComponent, NeuralFit
from scmamba.nn.lora import merge_lora


@dataclass(frozen=True)
class FromScratch:
    """Networks with random starts.

    Attributes
    ----------
    training
        Training of the networks, without None.
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
        Training of the model, without None.
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
