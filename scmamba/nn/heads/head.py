"""What a head of a cell model is: settings, what it needs, and what it makes of a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from torch import Tensor, nn

from scmamba._config import Config

Need = Literal["hidden", "genes", "labels", "batch"]
"""Something that is computed only for heads that read it."""


@dataclass(frozen=True)
class HeadConfig(Config):
    """Settings of a head: the base of every head's own."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of the model that a head is made for."""

    d_model: int
    """Width of hidden states and gene embeddings."""

    d_cell: int
    """Width of the cell embedding."""

    d_label: int
    """Width of what decoders know of each token beside it (batch, modality); 0 for nothing."""

    d_batch: int
    """Width of the embedding of a cell's batch that decoders see; 0 for none."""

    n_batches: int
    """Number of batches; 0 where none are counted."""


@dataclass(frozen=True)
class CellState:
    """What a model knows of B cells of L tokens when its heads are asked."""

    cell: Tensor
    """(B, d_cell) cell embedding; the mean of the latent, where there is one."""

    drawn: Tensor
    """(B, d_cell) the same, in training a draw of the latent: for heads that rebuild the cell."""

    log_var: Tensor | None = None
    """(B, d_cell) log variance of the latent."""

    hidden: Tensor | None = None
    """(B, L, d_model) hidden states, where a head needs them."""

    genes: Tensor | None = None
    """(B, L, d_model) gene embeddings, where a head needs them."""

    labels: Tensor | None = None
    """(B, L, d_label) batch and modality of each token, where there are such labels."""

    batch: Tensor | None = None
    """(B, d_batch) embedding of each cell's batch."""

    batch_ids: Tensor | None = None
    """(B,) batch of each cell, where it was given."""


class Head(nn.Module):
    """Base of the heads.

    A head is one file of this folder, and one line of :data:`scmamba.nn.heads.HEADS`.
    """

    name: ClassVar[str]
    """By which configurations and objectives ask for it."""

    needs: ClassVar[frozenset[Need]] = frozenset()
    """What the model computes for it beside the cell embedding."""

    config: ClassVar[type[HeadConfig]]
    """Type of its settings."""

    @classmethod
    def build(cls, config: HeadConfig, sizes: Sizes) -> Self:
        """Make the head that ``config`` asks for, for a model of ``sizes``."""
        raise NotImplementedError

    def read(self, state: CellState) -> dict[str, Tensor]:
        """What the head makes of the cells, by fields of :class:`scmamba.models.CellOutput`."""
        raise NotImplementedError
