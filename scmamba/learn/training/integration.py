"""How integrators are trained: ``training=`` and ``objectives=`` of ``integrate``."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from scmamba._arguments import check_flag, check_number
from scmamba.learn.training.base import Training

_VISITS, _VISITS_PRETRAINED, _FINETUNE_VISITS = 380_000, 127_000, 38_000
"""Cells that an integrating network sees over all epochs: from scratch, from the gene vectors of a
pretrained model, and in fine-tuning."""


@dataclass(frozen=True)
class IntegrationTraining(Training):
    """How :func:`scmamba.tasks.integrate` trains its network.

    Parameters
    ----------
    epochs
        Passes over the cells without Mamba layers, or of a pretrained model that is fine-tuned.
        None: 6 to 200, fewer the more cells there are; a third from the gene vectors of a
        pretrained model (fine-tuning: 3 to 20).
    learning_rate
        Peak learning rate of AdamW. None: 2e-3 (fine-tuning: 1e-4).
    batch_size
        Cells per step. None: 128 (fine-tuning: 32); half as many with Mamba layers.
    width
        Width of a compact network.
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
        Dimensions of the latent, and so many principal components beside it, see
        :func:`scmamba.tasks.integrate`.
    max_cells
        Most cells of files that are trained on, drawn with small batches whole; the others are
        mapped. Cells in memory are all trained on.

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
    max_cells: int = 100_000

    @classmethod
    def for_cells(cls, n_cells: int, **given: Any) -> IntegrationTraining:
        """Return settings for ``n_cells`` cells; the number of steps grows slower than the data.

        Parameters
        ----------
        n_cells
            Number of cells.
        **given
            Fields to set otherwise.
        """
        return cls(**given).for_n(n_cells)

    def for_n(self, n_cells: int, *, pretrained: bool = False) -> IntegrationTraining:
        """Copy without None but for ``n_layer``, for a compact network of ``n_cells`` cells.

        Parameters
        ----------
        n_cells
            Number of cells.
        pretrained
            Whether the network starts from the gene vectors of a pretrained model, and sees fewer
            cells.
        """
        visits, most = (_VISITS_PRETRAINED, 67) if pretrained else (_VISITS, 200)
        epochs = self.epochs or int(np.clip(visits // max(n_cells, 1), 6, most))
        return self.filled(
            epochs=epochs, mamba_epochs=max(epochs // 25, 1), learning_rate=2e-3, batch_size=128
        )

    def for_finetuning(self, n_cells: int) -> IntegrationTraining:
        """Return a copy without None, to fine-tune a pretrained model on ``n_cells`` cells."""
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
        check_flag("explicit_zero", self.explicit_zero)
        for field in fields(self):
            if field.name != "explicit_zero":
                check_number(field.name, getattr(self, field.name), low=0)

    def for_values(self, *, counts: bool) -> IntegrationObjectives:
        """Return a copy without None, for counts or for other values, which are binned.

        The squared error of bins is in the hundreds where a cross-entropy is about 1, hence its
        small weight.
        """
        nb, mvc = (0.01, 0.0) if counts else (0.0, 0.01)
        return replace(
            self,
            nb=nb if self.nb is None else self.nb,
            mvc=mvc if self.mvc is None else self.mvc,
        )
