"""Compact networks trained from scratch: without Mamba layers first, then with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from scmamba.learn.calibration import Kind, base_rates, loss
from scmamba.learn.folds import Rows, Split
from scmamba.learn.fusion import Fusion
from scmamba.learn.fusion_fit import fit_fusion
from scmamba.learn.neural import NeuralComponent, NeuralFit, member_seed
from scmamba.learn.staged import BAG, FULL, start_as
from scmamba.learn.training import SequenceTraining
from scmamba.models.device import resolve_device
from scmamba.models.sequence.compact import CompactConfig, CompactModel
from scmamba.tasks.sequence._supervised.examples import SequenceExamples
from scmamba.tokens.nucleotides.masking import known_tokens

_TRIAL_EPOCHS, _TRIAL_SEQUENCES, _TRIAL_BATCH = 4, 1000, 32
_SURE, _N_LAYER = 1.0, 2
"""Standard errors that a Mamba layer must gain in the trial, and layers that are added if so."""
_MAMBA_PATIENCE = 3
_TOKENS = 512
_BLOCKS = 20
"""Parts of the held-out sequences whose losses are compared."""

Floats = npt.NDArray[np.float64]


@dataclass
class CompactExamples(SequenceExamples):
    """Labeled sequences, and compact networks that learn from them.

    Attributes
    ----------
    network
        Sizes of the networks; the number of Mamba layers is that of the training.
    """

    network: CompactConfig = field(kw_only=True)
    _first: tuple[Rows, NeuralFit] | None = field(default=None, init=False)

    def from_scratch(
        self, train: Rows, val: Rows | None, training: SequenceTraining, member: int, text: str
    ) -> NeuralFit:
        """Train one member; Mamba layers stay where they do not raise the validation loss."""
        bag = self._bag(train, val, training, member, text)
        if not (training.n_layer and training.mamba_epochs):  # folds may have chosen no epochs
            return bag
        full = self._longer(bag, train, val, training, member, f"{text}, Mamba layers")
        if val is None:
            return full
        stages = full.history.groupby("stage")["val_loss"].min()
        return full if stages[FULL] <= stages[BAG] else bag

    def mamba_gain(self, split: Split, training: SequenceTraining) -> tuple[float, float]:
        """How much one Mamba layer lowers the loss of held-out sequences, by a short trial.

        The first member is trained for four epochs more on up to 1,000 sequences, once with a layer
        and once without.

        Returns
        -------
        gain
            Mean difference of the losses; above 0 the layer helps.
        error
            Its standard error.
        """
        train, val = split
        bag = self._bag(train, val, training, 0, "without Mamba layers")
        train = np.random.default_rng(self.seed).permutation(train)[:_TRIAL_SEQUENCES]
        outputs = []
        for n_layer in (0, 1):
            short = replace(
                training, mamba_epochs=_TRIAL_EPOCHS, n_layer=n_layer, batch_size=_TRIAL_BATCH
            )
            text = f"trial with {n_layer} Mamba layers"
            found = self._longer(bag, train, val, short, 0, text)
            outputs.append(self.logits(found.component, val))
        return _gain(self.kind, outputs[0], outputs[1], self.target(val))

    def first(self, split: Split, training: SequenceTraining) -> NeuralComponent:
        """Return the first member without Mamba layers."""
        return self._bag(*split, training, 0, "network 1").component

    def _bag(
        self, train: Rows, val: Rows | None, training: SequenceTraining, member: int, text: str
    ) -> NeuralFit:
        """Train one member without Mamba layers; the first of a split is trained only once."""
        if member == 0 and self._first is not None and np.array_equal(self._first[0], train):
            return self._first[1]
        network = self._build(0, member)
        found = self._fit(network, train, val, training, member, text, BAG)
        if member == 0:
            self._first = train, found
        return found

    def _longer(
        self,
        bag: NeuralFit,
        train: Rows,
        val: Rows | None,
        training: SequenceTraining,
        member: int,
        text: str,
    ) -> NeuralFit:
        """Train a copy of a network on, with ``training.n_layer`` Mamba layers."""
        network = self._build(training.n_layer or 0, member)
        start_as(network, bag.component.model)
        second = replace(training, epochs=training.mamba_epochs, patience=_MAMBA_PATIENCE)
        full = self._fit(network, train, val, second, member, text, FULL)
        history = pd.concat([bag.history, full.history], ignore_index=True)
        history.index = pd.RangeIndex(1, len(history) + 1, name=bag.history.index.name)
        return replace(full, history=history, epochs=(*bag.epochs[:1], *full.epochs[:1]))

    def _fit(
        self,
        network: CompactModel,
        train: Rows,
        val: Rows | None,
        training: SequenceTraining,
        member: int,
        text: str,
        stage: str,
    ) -> NeuralFit:
        """Train a network in place; the weights of the epoch that validated best are kept."""
        assert training.noise
        noise = training.noise[member % len(training.noise)]
        with_mamba = training.n_layer != 0
        left = (training.n_members - member) * (1 + with_mamba) - (stage == FULL and with_mamba)
        seed = member_seed(self.seed, member)
        config = replace(self._config(training), seed=seed, noise=noise, ema_ramp=True)
        replaceable = known_tokens(self.tokenizer)
        result = self._train(network, train, val, config, text, replaceable, 1 / max(left, 1))
        history = result.history.assign(stage=stage)
        return NeuralFit(NeuralComponent((network,)), None, history, (result.best_epoch, 0))

    def _build(self, n_layer: int, member: int) -> CompactModel:
        with torch.random.fork_rng():
            torch.manual_seed(member_seed(self.seed, member))
            network = CompactModel(replace(self.network, n_layer=n_layer))
        return network.to(resolve_device())


def _gain(
    kind: Kind, without: Floats, with_: Floats, target: npt.NDArray[np.generic]
) -> tuple[float, float]:
    """Mean over blocks of held-out examples of what the loss falls, and its standard error."""
    fusion = Fusion(kind)
    falls = [
        loss(kind, fusion.predict(None, without[rows]), target[rows])
        - loss(kind, fusion.predict(None, with_[rows]), target[rows])
        for rows in np.array_split(np.arange(len(target)), min(_BLOCKS, len(target)))
    ]
    error = np.std(falls, ddof=1) / np.sqrt(len(falls)) if len(falls) > 1 else np.inf
    return float(np.mean(falls)), float(error)


def planned(
    examples: CompactExamples, split: Split, training: SequenceTraining
) -> tuple[SequenceTraining, dict[str, float]]:
    """Leave out what cannot pay, after a look at the first network.

    There are no further networks where held-out sequences give it no weight beside the linear
    component, and no Mamba layers where a trial shows no gain.

    Returns
    -------
    training
        With ``n_layer`` and ``n_members`` as the trial chose.
    trial
        ``mamba_gain`` and ``mamba_gain_error``, if there was a trial of a Mamba layer.
    """
    train, val = split
    linear = examples.linear_logits(examples.fit_linear(train), val)
    if linear is not None:
        first = examples.first(split, training)
        rates = base_rates(examples.kind, examples.target(train), examples.n_outputs)
        target = examples.target(val)
        fusion = fit_fusion(examples.kind, linear, examples.logits(first, val), target, rates)
        if fusion.neural_weight == 0:
            n_layer = training.n_layer or 0
            return replace(training, n_members=1, n_layer=n_layer), {}
    if training.n_layer is not None:
        return training, {}
    gain, error = examples.mamba_gain(split, training)
    n_layer = _N_LAYER if gain > _SURE * error else 0
    return replace(training, n_layer=n_layer), {"mamba_gain": gain, "mamba_gain_error": error}


def window_of(lengths: Sequence[int]) -> int:
    """Return how many neighbors to average, for at most 512 tokens in nine of ten sequences."""
    return max(-(-int(np.quantile(lengths, 0.9)) // _TOKENS), 1)
