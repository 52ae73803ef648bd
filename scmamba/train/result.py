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

    Examples
    --------
    >>> import pandas as pd
    >>> from scmamba.train import FitResult
    >>> history = pd.DataFrame({"train_loss": [1.0, 0.5], "val_loss": [1.1, 0.9]}, index=[1, 2])
    >>> FitResult(history, best_epoch=2).history.at[2, "val_loss"]
    np.float64(0.9)
    """

    history: pd.DataFrame
    best_epoch: int
    cuts: tuple[Cut, ...] = ()
