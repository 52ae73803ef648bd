"""Base classes of the heads of cell models and of their settings."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Self

from torch import Tensor, nn

from scmamba._config import Config

Need = Literal["hidden", "genes", "labels", "batch"]
"""Inputs that are computed only if a head needs them."""


@dataclass(frozen=True)
class HeadConfig(Config):
    """Base class of the settings of heads.

    Examples
    --------
    >>> from scmamba.nn.heads import ClassConfig, HeadConfig
    >>> issubclass(ClassConfig, HeadConfig)
    True
    """


@dataclass(frozen=True)
class Sizes:
    """Sizes of the model that a head is built for.

    Examples
    --------
    >>> from scmamba.nn.heads import Sizes
    >>> Sizes(d_model=64, d_cell=64, d_label=0, d_batch=0, n_batches=0).d_cell
    64
    """

    d_model: int
    """Width of hidden states and gene embeddings."""

    d_cell: int
    """Width of the cell embedding."""

    d_label: int
    """Width of the embedding of batch and modality that decoders use; 0 for none."""

    d_batch: int
    """Width of the batch embedding that decoders use; 0 for none."""

    n_batches: int
    """Number of batches; 0 if the model does not distinguish batches."""


@dataclass(frozen=True)
class Picked:
    """The tokens that are decoded, where these are not all.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.heads import Picked
    >>> picked = Picked.of(torch.tensor([[7, 5, 7]]), torch.tensor([[True, False, True]]))
    >>> picked.ids, picked.gene
    (tensor([7]), tensor([0, 0]))
    """

    place: Tensor
    """(B, L) bool, True at the n tokens that are decoded."""

    cell: Tensor
    """(n,) cell of each."""

    ids: Tensor
    """(U,) their genes, each once."""

    gene: Tensor
    """(n,) position of the gene of each among ``ids``."""

    @classmethod
    def of(cls, gene_ids: Tensor, place: Tensor) -> Self:
        """Pick the tokens (B, L) where ``place`` is True."""
        ids, gene = gene_ids[place].unique(return_inverse=True)
        return cls(place, place.nonzero()[:, 0], ids, gene)

    def spread(self, numbers: Tensor) -> Tensor:
        """Return ``numbers`` (n,) at their places (B, L), and 0 elsewhere."""
        return numbers.new_zeros(self.place.shape).masked_scatter(self.place, numbers)


@dataclass(frozen=True)
class CellState:
    """Input of the heads: state of a model for B cells of L tokens.

    Where only some tokens are decoded (``picked``), ``hidden`` is (n, d_model), ``values`` (n,) and
    ``genes`` (U, d_model): of the picked tokens and of their genes.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.heads import CellState
    >>> cell = torch.zeros(2, 8)
    >>> CellState(cell, drawn=cell).hidden is None
    True
    """

    cell: Tensor
    """(B, d_cell) cell embedding; with a latent, its mean."""

    drawn: Tensor
    """(B, d_cell) cell embedding for decoders; in training, a sample of the latent."""

    log_var: Tensor | None = None
    """(B, d_cell) log variance of the latent."""

    hidden: Tensor | None = None
    """(B, L, d_model) hidden states, where a head needs them."""

    genes: Tensor | None = None
    """(B, L, d_model) gene embeddings, where a head needs them."""

    values: Tensor | None = None
    """(B, L) values of the tokens, where the model read tokens."""

    labels: Tensor | None = None
    """(B, L, d_label) embedding of batch and modality of each token, if the model has them."""

    batch: Tensor | None = None
    """(B, d_batch) embedding of the batch of each cell."""

    batch_ids: Tensor | None = None
    """(B,) batch of each cell, if given."""

    picked: Picked | None = None
    """The tokens that are decoded; None: all."""

    def first(self, n: int | None) -> CellState:
        """Return the state of the first ``n`` cells; None: of all."""
        if n is None:
            return self
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        tensors: dict[str, Any] = {
            name: one[:n] for name, one in parts.items() if isinstance(one, Tensor)
        }
        return CellState(**tensors)


class Head(nn.Module):
    """Base class of heads.

    A head is one file in this folder and one line in :data:`scmamba.nn.heads.HEADS`.

    Examples
    --------
    >>> from scmamba.nn.heads import HEADS, Head
    >>> all(issubclass(head, Head) for head in HEADS.values())
    True
    """

    name: ClassVar[str]
    """Name of the head in configurations and objectives."""

    needs: ClassVar[frozenset[Need]] = frozenset()
    """Inputs that the head needs in addition to the cell embedding."""

    config: ClassVar[type[HeadConfig]]
    """Class of its settings."""

    @classmethod
    def build(cls, config: HeadConfig, sizes: Sizes) -> Self:
        """Build the head from its settings for a model of the given sizes."""
        raise NotImplementedError

    def read(self, state: CellState) -> dict[str, Tensor]:
        """Return the outputs of the head by field of :class:`scmamba.models.CellOutput`."""
        raise NotImplementedError
