"""Staged training: first as a bag of tokens, then with Mamba layers that enter as the identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import pandas as pd
from torch import nn

from scmamba.models import CellModel
from scmamba.train.fit import FitResult

BAG, FULL = "bag", "full"
"""Names of the stages, in the column ``stage`` of the training history."""


class StageTrainer(Protocol):
    """Builds a network and trains it in one stage."""

    def build(self, n_layer: int) -> CellModel:
        """Make a network with ``n_layer`` Mamba layers; 0 makes a bag of tokens."""

    def train_stage(self, network: CellModel, stage: str) -> FitResult:
        """Train ``network`` in place, in stage ``"bag"`` or ``"full"``."""


@dataclass(frozen=True)
class Staged:
    """A network after each stage.

    Attributes
    ----------
    bag
        Without Mamba layers, for comparison.
    full
        With them; the same as ``bag`` where there was one stage only.
    history
        Training curves of both stages, one row per epoch.
    epochs
        The best epoch of each stage; 0 for a stage that was left out.
    """

    bag: CellModel
    full: CellModel
    history: pd.DataFrame
    epochs: tuple[int, int]


def train_staged(trainer: StageTrainer, n_layer: int) -> Staged:
    """Train a network without Mamba layers, then with ``n_layer`` of them.

    The layers' output projections start at zero, so that the second stage begins with the
    predictions of the first. With 0 layers there is only the first stage.
    """
    bag = trainer.build(0)
    first = trainer.train_stage(bag, BAG)
    if not n_layer:
        return Staged(bag, bag, first.history.assign(stage=BAG), (first.best_epoch, 0))
    full = trainer.build(n_layer)
    start_as(full, bag)
    second = trainer.train_stage(full, FULL)
    second.history.index += len(first.history)
    history = pd.concat([first.history.assign(stage=BAG), second.history.assign(stage=FULL)])
    return Staged(bag, full, history, (first.best_epoch, second.best_epoch))


def start_as(full: nn.Module, bag: nn.Module) -> None:
    """Give ``full`` the weights of ``bag``, and Mamba layers that change nothing yet."""
    for name, weight in full.named_parameters():
        if name.startswith("stack.") and name.endswith("mamba.out_proj.weight"):
            nn.init.zeros_(weight)
    copy_shared_weights(bag, full)


def copy_shared_weights(source: nn.Module, target: nn.Module) -> None:
    """Copy the weights that both have; layers and heads of ``target`` alone stay as they are."""
    state = source.state_dict()
    shared = target.state_dict().keys() & state.keys()
    target.load_state_dict({name: state[name] for name in shared}, strict=False)
