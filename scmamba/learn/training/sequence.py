"""How sequence predictors are trained: what ``training=`` of ``sequence.fit`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scmamba._errors import ScmambaError
from scmamba.learn.training.base import Training
from scmamba.learn.training.finetuning import FINETUNE_RATES


@dataclass(frozen=True)
class SequenceTraining(Training):
    """How :func:`scmamba.tasks.sequence.fit` trains its networks.

    Parameters
    ----------
    epochs
        Most passes over the training sequences without Mamba layers, or of a pretrained model that
        is fine-tuned. None: 5 to 30, fewer the more sequences there are (fine-tuning: 10). The
        epoch with the best validation loss is kept.
    learning_rate
        Peak learning rate of AdamW. None: 2e-3 (``mode="finetune"``: 1e-4; ``"lora"``: 1e-3).
    batch_size
        Sequences per step. None: 32, of more than 2,000 sequences 64 (fine-tuning: 16).
    width
        Width of a network that is trained from scratch.
    n_layer
        Mamba layers of that network, added after ``epochs``; 0: none. None: one or two, if a short
        trial with one layer predicts held-out sequences better than the same network without.
    d_state
        States per head of these layers.
    max_minutes
        Most minutes that fitting may take, kept to a tenth; what was shortened is told in
        ``about``. None: no limit.
    mamba_epochs
        Most passes with Mamba layers, which start as the identity. None: half of ``epochs``.
    n_members
        Networks with different seeds; those that improve the mean on held-out sequences are kept.
        There is only one where it adds nothing to the linear component.
    patience
        Epochs without a better validation loss before training stops. None: 4 (fine-tuning: 2).
    dropout
        Dropout of the layers, in [0, 1).
    noise
        Fraction of nucleotides replaced at random in training, one value for each member in turn.
        None: (0.03, 0, 0.1), for coding sequences (0.01, 0, 0.03).

    Raises
    ------
    ScmambaError
        A value is out of range.

    Examples
    --------
    >>> from scmamba.tasks import SequenceTraining
    >>> SequenceTraining.for_sequences(3000).epochs
    20
    """

    n_layer: int | None = None
    mamba_epochs: int | None = None
    n_members: int = 3
    patience: int | None = None
    dropout: float = 0.15
    noise: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.noise is not None and not (self.noise and all(0 <= x < 1 for x in self.noise)):
            raise ScmambaError(f"noise={self.noise}; give one or more fractions in [0, 1)")

    @classmethod
    def for_sequences(cls, n: int, *, coding: bool = False, **given: Any) -> SequenceTraining:
        """Return settings for ``n`` training sequences.

        Parameters
        ----------
        n
            Number of training sequences.
        coding
            Whether they are open reading frames.
        **given
            Fields to set otherwise.
        """
        return cls(**given).for_n(n, coding=coding)

    def for_n(self, n: int, *, coding: bool = False) -> SequenceTraining:
        """Copy without None but for ``n_layer``, to train from scratch on ``n`` sequences."""
        epochs = self.epochs or int(np.clip(60_000 // max(n, 1), 5, 30))
        return self.filled(
            epochs=epochs,
            mamba_epochs=max(epochs // 2, 1),
            learning_rate=2e-3,
            batch_size=32 if n <= 2000 else 64,
            patience=4,
            noise=(0.01, 0.0, 0.03) if coding else (0.03, 0.0, 0.1),
        )

    def for_finetuning(self, mode: str) -> SequenceTraining:
        """Copy without None, for a pretrained model in ``mode`` ``"finetune"`` or ``"lora"``."""
        return self.filled(
            epochs=10,
            mamba_epochs=0,
            learning_rate=FINETUNE_RATES[mode],
            batch_size=16,
            patience=2,
            noise=(0.0,),
        )
