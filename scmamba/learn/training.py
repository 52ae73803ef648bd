"""How models are trained: the objects that ``training=`` and ``objectives=`` take."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np

from scmamba._arguments import check_minutes
from scmamba._errors import ScmambaError

MODES = ("auto", "probe", "finetune", "lora")
"""How a pretrained model may be used."""
FINETUNE_RATES = {"finetune": 1e-4, "lora": 1e-3}
"""Peak learning rates of a pretrained model."""
_INTEGRATION_VISITS, _FINETUNE_VISITS = 380_000, 38_000
"""Cells that an integrating network sees over all epochs, from scratch and in fine-tuning."""
_CELL_VISITS = 75_000
"""Labeled cells that an annotator's network sees, over all epochs."""


@dataclass(frozen=True)
class _Training:
    """Fields that every training has; None is chosen by the data."""

    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    width: int = 64
    n_layer: int | None = 2
    d_state: int = 16
    max_minutes: float | None = None

    def __post_init__(self) -> None:
        check_minutes(self.max_minutes)
        for name, least in _LEAST.items():
            value = getattr(self, name, None)
            if value is not None and value < least:
                raise ScmambaError(f"{name}={value}; give {least} or more")
        if self.learning_rate is not None and not self.learning_rate > 0:
            raise ScmambaError(f"learning_rate={self.learning_rate}; give a number above 0")
        for name in ("ema", "dropout", "gene_dropout"):
            value = getattr(self, name, None)
            if value is not None and not 0 <= value < 1:
                raise ScmambaError(f"{name}={value}; give a number in [0, 1)")

    def filled(self, **chosen: Any) -> Self:
        """A copy in which each field that is None has the value given here."""
        missing = {name: v for name, v in chosen.items() if getattr(self, name) is None}
        return replace(self, **missing)


_LEAST = {
    "epochs": 1,
    "mamba_epochs": 0,
    "batch_size": 1,
    "width": 1,
    "n_layer": 0,
    "d_state": 1,
    "n_latent": 1,
    "n_members": 1,
    "n_folds": 2,
    "patience": 1,
}


@dataclass(frozen=True)
class AnnotationTraining(_Training):
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
        """Settings for ``n_cells`` labeled cells: the number of steps grows slower than the data.

        Parameters
        ----------
        n_cells
            Number of labeled cells.
        **given
            Fields to set otherwise.
        """
        return cls(**given).for_n(n_cells)

    def for_n(self, n_cells: int) -> AnnotationTraining:
        """A copy without None, for a network trained from scratch on ``n_cells`` labeled cells."""
        return self.filled(
            epochs=int(np.clip(_CELL_VISITS // max(n_cells, 1), 5, 40)),
            mamba_epochs=2,
            learning_rate=2e-3,
            batch_size=128,
            patience=3,
            ema=0.99,
        )

    def for_finetuning(self, mode: str) -> AnnotationTraining:
        """A copy without None, for a pretrained model in ``mode`` ``"finetune"`` or ``"lora"``."""
        return self.filled(
            epochs=10,
            mamba_epochs=0,
            learning_rate=FINETUNE_RATES[mode],
            batch_size=16,
            patience=2,
            ema=0.0,
        )


@dataclass(frozen=True)
class SequenceTraining(_Training):
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
        """Settings for ``n`` training sequences.

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
        """A copy without None but for ``n_layer``, to train from scratch on ``n`` sequences."""
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
        """A copy without None, for a pretrained model in ``mode`` ``"finetune"`` or ``"lora"``."""
        return self.filled(
            epochs=10,
            mamba_epochs=0,
            learning_rate=FINETUNE_RATES[mode],
            batch_size=16,
            patience=2,
            noise=(0.0,),
        )


@dataclass(frozen=True)
class IntegrationTraining(_Training):
    """How :func:`scmamba.tasks.integrate` trains its network.

    Parameters
    ----------
    epochs
        Passes over the cells without Mamba layers, or of a pretrained model that is fine-tuned.
        None: 6 to 200, fewer the more cells there are (fine-tuning: 3 to 20).
    learning_rate
        Peak learning rate of AdamW. None: 2e-3 (fine-tuning: 1e-4).
    batch_size
        Cells per step. None: 128 (fine-tuning: 32); half as many with Mamba layers.
    width
        Width of a network that is trained from scratch.
    n_layer
        Mamba layers of that network, added after ``epochs`` and kept. None: no layers; a pretrained
        model keeps its own.
    d_state
        States per head of these layers.
    max_minutes
        Most minutes that fitting may take, kept to a tenth; what was shortened is told in
        ``about``. None: no limit.
    mamba_epochs
        Passes with Mamba layers. None: a 25th of ``epochs``.
    n_latent
        Dimensions of the embedding.

    Raises
    ------
    ScmambaError
        A value is out of range.

    Examples
    --------
    >>> from scmamba.tasks import IntegrationTraining
    >>> IntegrationTraining.for_cells(7_000).epochs
    54
    """

    n_layer: int | None = None
    mamba_epochs: int | None = None
    n_latent: int = 20

    @classmethod
    def for_cells(cls, n_cells: int, **given: Any) -> IntegrationTraining:
        """Settings for ``n_cells`` cells: the number of steps grows slower than the data.

        Parameters
        ----------
        n_cells
            Number of cells.
        **given
            Fields to set otherwise.
        """
        return cls(**given).for_n(n_cells)

    def for_n(self, n_cells: int) -> IntegrationTraining:
        """A copy without None but for ``n_layer``, to train from scratch on ``n_cells`` cells."""
        epochs = self.epochs or int(np.clip(_INTEGRATION_VISITS // max(n_cells, 1), 6, 200))
        return self.filled(
            epochs=epochs, mamba_epochs=max(epochs // 25, 1), learning_rate=2e-3, batch_size=128
        )

    def for_finetuning(self, n_cells: int) -> IntegrationTraining:
        """A copy without None, to fine-tune a pretrained model on ``n_cells`` cells."""
        return self.filled(
            epochs=int(np.clip(_FINETUNE_VISITS // max(n_cells, 1), 3, 20)),
            mamba_epochs=0,
            n_layer=0,
            learning_rate=1e-4,
            batch_size=32,
        )


@dataclass(frozen=True)
class IntegrationObjectives:
    """Weights of the objectives that :func:`scmamba.tasks.integrate` minimizes; 0 turns one off.

    Parameters
    ----------
    nb
        Negative log-likelihood of the counts of a cell, in nats. None: 0.01 for counts, 0 for
        other values.
    kl
        Divergence of the latent from its prior, in nats.
    contrast
        Contrastive loss: two random gene subsets of a cell find each other among cells of the
        same batch.
    dab
        Adversary that predicts the batch from the embedding.
    ecs
        Elastic cell similarity.
    gep
        Hidden expression predicted from gene tokens, zeros included.
    mvc
        Hidden expression predicted from the cell embedding, zeros included. None: 0.01 for values
        that are no counts, else 0.
    cls
        Class of labeled cells; without labels it has no effect.
    supcon
        Supervised contrastive loss: labeled cells find those of their label in all batches.
    explicit_zero
        Whether ``gep`` and ``mvc`` also predict the probability that a gene is expressed.

    Raises
    ------
    ScmambaError
        A weight is negative.

    Examples
    --------
    >>> from scmamba.tasks import IntegrationObjectives
    >>> IntegrationObjectives(dab=0, ecs=1.0).ecs
    1.0
    """

    nb: float | None = None
    kl: float = 0.02
    contrast: float = 0.2
    dab: float = 0.4
    ecs: float = 0.0
    gep: float = 0.0
    mvc: float | None = None
    cls: float = 0.5
    supcon: float = 1.0
    explicit_zero: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not value >= 0:
                raise ScmambaError(f"{field.name}={value}; give 0 (off) or more")

    def for_values(self, *, counts: bool) -> IntegrationObjectives:
        """A copy without None, for counts or for other values, which are binned.

        The squared error of bins is in the hundreds where a cross-entropy is about 1, hence its
        small weight.
        """
        nb, mvc = (0.01, 0.0) if counts else (0.0, 0.01)
        return replace(
            self,
            nb=nb if self.nb is None else self.nb,
            mvc=mvc if self.mvc is None else self.mvc,
        )
