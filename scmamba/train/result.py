"""What a training leaves besides the weights."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from scmamba.train.budget import Cut


@dataclass(frozen=True)
class FitResult:
    """How a training went.

    Attributes
    ----------
    history
        One row per epoch: ``train_loss``, ``val_loss``, each objective, ``val_accuracy``.
    best_epoch
        The epoch (from 1) whose weights the model has now.
    cuts
        What was shortened to keep to the time budget; empty where all epochs were run or the
        validation loss stopped falling.
    """

    history: pd.DataFrame
    best_epoch: int
    cuts: tuple[Cut, ...] = ()
