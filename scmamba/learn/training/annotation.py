"""How annotators are trained: what ``training=`` of ``annotate`` takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from scmamba.learn.training.base import Training
from scmamba.learn.training.finetuning import FINETUNE_RATES

_CELL_VISITS = 75_000
"""Labeled cells that an annotator's network sees, over all epochs."""
_CELL_VISITS_PRETRAINED = 30_000
"""The same for one that starts from a pretrained model."""


@dataclass(frozen=True)
class AnnotationTraining(Training):
    """How :func:`scmamba.tasks.annotate` trains its neural component.

    Parameters
    ----------
    epochs
        Passes over the labeled cells: of the network without Mamba layers, or of a pretrained
        model that is fine-tuned. None: 5 to 40, fewer the more cells there are (fine-tuning: 10,
        of which held-out cells may choose fewer).
    learning_rate
        Peak learning rate of AdamW. None: 2e-3 (``mode="finetune"``: 1e-4; ``"lora"``: 1e-3).
    batch_size
        Most cells per step. None: 128 (with Mamba layers, and in fine-tuning: 16).
    width
        Width of the network that is trained from scratch.
    n_layer
        Mamba layers to try in that network. They are kept if they make held-out cells of the first
        fold more likely.
    d_state
        States per head of these layers.
    max_minutes
        Most minutes that fitting may take, kept to a tenth; what was shortened is told in
        ``about``. None: no limit.
    mamba_epochs
        Passes with Mamba layers, which are added after ``epochs`` and start as the identity; held-
        out cells may choose fewer. None: 2.
    gene_dropout
        Fraction of a cell's expressed genes that is hidden in each step, in [0, 1).
    n_members
        Networks with different seeds whose logits are averaged.
    n_folds
        Parts of the labeled cells that are held out in turn.
    patience
        Epochs without a better validation loss before training stops, with Mamba layers and in
        fine-tuning. None: 3 (fine-tuning: 2).
    ema
        Decay of the moving average of the weights, in [0, 1); 0: none. None: 0.99 from scratch, 0
        in fine-tuning.

    Raises
    ------
    ScmambaError
        A value is out of range.

    Examples
    --------
    >>> from scmamba.tasks import AnnotationTraining
    >>> AnnotationTraining.for_cells(12_000).epochs
    6
    >>> AnnotationTraining(epochs=2, n_members=1).n_members
    1
    """

    n_layer: int | None = 0
    mamba_epochs: int | None = None
    gene_dropout: float = 0.7
    n_members: int = 3
    n_folds: int = 3
    patience: int | None = None
    ema: float | None = None

    @classmethod
    def for_cells(cls, n_cells: int, **given: Any) -> AnnotationTraining:
        """Return settings for ``n_cells`` labeled cells; steps grow slower than the data.

        Parameters
        ----------
        n_cells
            Number of labeled cells.
        **given
            Fields to set otherwise.
        """
        return cls(**given).for_n(n_cells)

    def for_n(self, n_cells: int, *, pretrained: bool = False) -> AnnotationTraining:
        """Copy without None, for a compact network trained on ``n_cells`` labeled cells.

        Parameters
        ----------
        n_cells
            Number of labeled cells.
        pretrained
            Whether the network starts from the gene vectors of a pretrained model, and sees fewer
            cells.
        """
        visits = _CELL_VISITS_PRETRAINED if pretrained else _CELL_VISITS
        return self.filled(
            epochs=int(np.clip(visits // max(n_cells, 1), 5, 40)),
            mamba_epochs=2,
            learning_rate=2e-3,
            batch_size=128,
            patience=3,
            ema=0.99,
        )

    def for_finetuning(self, mode: str) -> AnnotationTraining:
        """Copy without None, for a pretrained model in ``mode`` ``"finetune"`` or ``"lora"``."""
        return self.filled(
            epochs=10,
            mamba_epochs=0,
            learning_rate=FINETUNE_RATES[mode],
            batch_size=16,
            patience=2,
            ema=0.0,
        )
