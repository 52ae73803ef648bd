"""Both components fitted, with every choice made on examples that were held out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._log import logger
from scmamba.learn.calibration import Kind, base_rates, best_temperature, loss
from scmamba.learn.folds import Rows, Split
from scmamba.learn.fusion import Fusion
from scmamba.learn.fusion_fit import fit_fusion
from scmamba.learn.members import helpful_members
from scmamba.learn.neural import Networks, NeuralComponent, NeuralFit, NeuralFitter
from scmamba.learn.parallel import run

Floats = npt.NDArray[np.float64]


class Examples(Networks, Protocol):
    """Labeled cells or sequences, as both components see them."""

    def __len__(self) -> int: ...

    def fit_linear(self, rows: Rows) -> Any:
        """Return the linear component of some examples; None where there is no linear component."""

    def linear_logits(self, linear: Any, rows: Rows) -> Floats | None:
        """(n, n_outputs) its outputs for some examples."""

    def ood_distance(self, train: Rows, rows: Rows) -> Floats | None:
        """(n,) how far ``rows`` are from ``train``; None where that is not asked for."""


@dataclass(frozen=True)
class OutOfFold:
    """Predictions for held-out examples by components that had not seen them.

    Attributes
    ----------
    target
        (n,) classes, or (n, n_outputs) labels or numbers.
    linear, neural, no_mamba
        (n, n_outputs) outputs of each component, and of the neural one without Mamba layers; None
        for a component that does not exist.
    distance
        (n,) distance to the examples that were learned from, or None.
    rows
        (n,) positions of the held-out examples; None: not recorded.
    fold
        (n,) part in which each was held out; None: one part.
    """

    target: npt.NDArray[Any]
    linear: Floats | None
    neural: Floats
    no_mamba: Floats | None = None
    distance: Floats | None = None
    rows: Rows | None = None
    fold: Rows | None = None

    @property
    def mamba_helps(self) -> bool:
        """Whether Mamba layers made held-out labels at least as likely."""
        if self.no_mamba is None:
            return True
        kind: Kind = "classification"
        losses = [
            loss(kind, Fusion(neural_temperature=t).predict(None, logits), self.target)
            for logits in (self.neural, self.no_mamba)
            for t in [best_temperature(kind, logits, self.target)]
        ]
        return losses[0] <= losses[1]


@dataclass(frozen=True)
class SupervisedFit:
    """Components, and what held-out examples chose for them.

    Attributes
    ----------
    linear
        The linear component, or None.
    neural
        The neural component.
    fusion
        Combination of both outputs into one prediction.
    out_of_fold
        Predictions for held-out examples; None where there were too few to hold any out.
    history
        Training curve of the first network, one row per epoch.
    """

    linear: Any
    neural: NeuralComponent
    fusion: Fusion
    out_of_fold: OutOfFold | None
    history: pd.DataFrame


@dataclass(frozen=True)
class _Fold:
    """What one member learned from one split."""

    linear: Any
    neural: NeuralFit
    outputs: OutOfFold

    def without_mamba(self) -> _Fold:
        """Return the component without Mamba layers in place of the one with them."""
        neural, outputs = self.neural, self.outputs
        assert neural.no_mamba is not None and outputs.no_mamba is not None
        kept = replace(
            neural, component=neural.no_mamba, no_mamba=None, epochs=(neural.epochs[0], 0)
        )
        return _Fold(self.linear, kept, replace(outputs, neural=outputs.no_mamba, no_mamba=None))


def fit_supervised(
    examples: Examples, fitter: NeuralFitter, splits: list[Split], *, refit: bool
) -> SupervisedFit:
    """Fit, validate and fuse the components.

    Parameters
    ----------
    examples
        Labeled cells or sequences.
    fitter
        Fitter of the neural component.
    splits
        (train, validation) positions. May be empty: then nothing can be chosen.
    refit
        Fit both components again on all examples, for as long as held-out examples chose. Else
        there must be one split, whose components are kept.
    """
    members = 1 if refit else fitter.n_members
    jobs = [
        (examples, split, member, _text(i, len(splits), member, members))
        for i, split in enumerate(splits)
        for member in range(members)
    ]
    folds: list[_Fold] = []
    if jobs and fitter.tries_mamba:
        folds, jobs = [_fit_fold(fitter, *jobs[0])], jobs[1:]
        if not folds[0].outputs.mamba_helps:
            fitter, folds = fitter.without_mamba(), [folds[0].without_mamba()]
    calls = [(fitter, *job) for job in jobs]
    what = f"{len(splits)} folds" if refit else f"{members} networks"
    folds += run(_fit_fold, calls, text=f"Fitting {what}", spread=fitter.parallel)
    rates = base_rates(examples.kind, examples.target(np.arange(len(examples))), examples.n_outputs)
    fusion, found = Fusion(examples.kind, base_rates=rates), None
    if folds:
        kept = [0] if members == 1 else _helpful(examples.kind, folds)
        found = _joined(folds, kept) if members > 1 else _concatenated(folds)
        fusion = fit_fusion(
            examples.kind, found.linear, found.neural, found.target, rates, found.fold
        )
    else:
        logger.warning("too few labeled examples to hold any out: nothing could be validated")
    if not refit:
        assert found is not None
        networks = [folds[i].neural.component for i in kept]
        component = NeuralComponent(tuple(network.model for network in networks), networks[0].head)
        return SupervisedFit(folds[0].linear, component, fusion, found, folds[0].neural.history)
    if found is not None:
        epochs = [fold.neural.epochs for fold in folds]
        fitter = fitter.with_epochs(epochs)
    everything = np.arange(len(examples))
    n = fitter.n_members
    final = run(
        fitter.fit,
        [(examples, everything, None, _network(member, n), member) for member in range(n)],
        text=f"Fitting {n} networks on all labeled examples",
        spread=fitter.parallel,
    )
    component = NeuralComponent(
        tuple(one.component.model for one in final), final[0].component.head
    )
    history = folds[0].neural.history if folds else final[0].history
    return SupervisedFit(examples.fit_linear(everything), component, fusion, found, history)


def _text(i: int, n_splits: int, member: int, n_members: int) -> str:
    return _network(member, n_members) if n_members > 1 else f"Fitting fold {i + 1} of {n_splits}"


def _network(member: int, n_members: int) -> str:
    return f"Fitting network {member + 1} of {n_members}"


def _fit_fold(
    fitter: NeuralFitter, examples: Examples, split: Split, member: int, text: str
) -> _Fold:
    """Fit both components on one split; the linear one is the same for every member."""
    train, val = split
    neural = fitter.fit(examples, train, val, text, member)
    linear = examples.fit_linear(train) if member == 0 else None
    outputs = OutOfFold(
        target=examples.target(val),
        linear=None if linear is None else examples.linear_logits(linear, val),
        neural=examples.logits(neural.component, val),
        no_mamba=None if neural.no_mamba is None else examples.logits(neural.no_mamba, val),
        distance=examples.ood_distance(train, val) if member == 0 else None,
        rows=val,
    )
    return _Fold(linear, neural, outputs)


def _helpful(kind: Kind, folds: list[_Fold]) -> list[int]:
    outputs = [fold.outputs.neural for fold in folds]
    return helpful_members(kind, outputs, folds[0].outputs.target)


def _joined(folds: list[_Fold], kept: list[int]) -> OutOfFold:
    """Predictions of an ensemble on one split."""
    first = folds[0].outputs
    neural = np.mean([folds[i].outputs.neural for i in kept], axis=0)
    return replace(first, neural=neural, no_mamba=None)


def _concatenated(folds: list[_Fold]) -> OutOfFold:
    """Predictions of one member on every split, one after the other."""
    parts = [fold.outputs for fold in folds]

    def joined(name: str) -> Any:
        found = [getattr(part, name) for part in parts]
        return None if any(one is None for one in found) else np.concatenate(found)

    fold = np.repeat(np.arange(len(parts)), [len(part.target) for part in parts])
    return OutOfFold(**{name: joined(name) for name in _OUTPUTS}, fold=fold)


_OUTPUTS = ("target", "linear", "neural", "no_mamba", "distance", "rows")
