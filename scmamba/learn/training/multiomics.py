"""How multi-omics models are trained: what ``training=`` and ``objectives=`` take there."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from scmamba._arguments import check_number
from scmamba.learn.training.base import Training

_VISITS = 110_000
"""Cells that the network sees over all epochs."""


@dataclass(frozen=True)
class MultiomicsTraining(Training):
    """How :func:`scmamba.tasks.multiomics` trains its network.

    Parameters
    ----------
    epochs
        Passes over the cells without Mamba layers. None: 6 to 80, fewer the more cells there are.
    learning_rate
        Peak learning rate of AdamW. None: 2e-3.
    batch_size
        Cells per step. None: 128; a quarter of it with Mamba layers.
    width
        Width of the tokens in Mamba layers, and of the pooled vector of each modality at most.
    n_layer
        Mamba layers over the tokens of all modalities, added after ``epochs``; they start as the
        identity. None: no layers.
    d_state
        States per head of these layers.
    max_minutes
        Most minutes that fitting may take, kept to a tenth where predictors of imputed values,
        which are fitted in full, leave time for the network; what was shortened is told in
        ``about``. Where little time is left, the network that held-out cells judge is not trained
        again on all cells. None: no limit.
    mamba_epochs
        Passes with Mamba layers. None: 2.
    n_latent
        Dimensions of the embedding.

    Raises
    ------
    ScmambaError
        A value is out of range.

    Examples
    --------
    >>> from scmamba.tasks import MultiomicsTraining
    >>> MultiomicsTraining(n_layer=1).for_n(2_641).epochs
    41
    """

    n_layer: int | None = None
    mamba_epochs: int | None = None
    n_latent: int = 20

    def for_n(self, n_cells: int) -> MultiomicsTraining:
        """Return a copy without None but for ``n_layer``, to train on ``n_cells`` cells."""
        return self.filled(
            epochs=int(np.clip(_VISITS // max(n_cells, 1), 6, 80)),
            mamba_epochs=2,
            learning_rate=2e-3,
            batch_size=128,
        )


@dataclass(frozen=True)
class MultiomicsObjectives:
    """Weights of the objectives that :func:`scmamba.tasks.multiomics` minimizes; 0 turns one off.

    Parameters
    ----------
    rna, prot, atac
        Negative log-likelihood of each modality of a cell, in nats: negative binomial, mixture of
        two, Bernoulli.
    kl
        Divergence of the latent from its prior, in nats.
    contrast
        Contrastive loss: two random views of a cell, of some of its features and modalities, find
        each other among cells of the same batch.
    anchor
        Negative log-likelihood of the joint principal components of the cell, of which modalities
        count by how reliable they are, in nats.
    dab
        Adversary that predicts the batch from the embedding.

    Raises
    ------
    ScmambaError
        A weight is negative.

    Examples
    --------
    >>> from scmamba.tasks import MultiomicsObjectives
    >>> MultiomicsObjectives(atac=0).of_kind("atac")
    0
    """

    rna: float = 0.01
    prot: float = 0.1
    atac: float = 0.01
    kl: float = 0.02
    contrast: float = 0.2
    anchor: float = 0.1
    dab: float = 0.4

    def __post_init__(self) -> None:
        for field in fields(self):
            check_number(field.name, getattr(self, field.name), low=0, optional=False)

    def of_kind(self, kind: str) -> float:
        """Weight of the likelihood of a kind of modality."""
        weight: float = getattr(self, kind)
        return weight
