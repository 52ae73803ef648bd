"""Adversarial batch discriminator behind a gradient reversal layer (objective ``dab``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn

from scmamba._config import DEEPEST
from scmamba.nn.heads.class_ import ClassHead
from scmamba.nn.heads.head import CellState, HeadConfig, Sizes


@dataclass(frozen=True)
class AdversaryConfig(HeadConfig):
    """Settings of :class:`BatchDiscriminator`.

    Examples
    --------
    >>> from scmamba.nn.heads import AdversaryConfig
    >>> AdversaryConfig(n_layer=2)
    AdversaryConfig(n_layer=2)
    """

    n_layer: int = 3
    """Number of linear layers, including the last."""

    def __post_init__(self) -> None:
        """Check the fields."""
        super().__post_init__()
        self.between("n_layer", 1, DEEPEST)


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return -ctx.scale * grads[0], None


class GradientReversal(nn.Module):
    """Gradient reversal layer: the identity, with gradients multiplied by ``-scale``.

    Parameters
    ----------
    scale
        Weight of the reversed gradient; the attribute may be changed during training.

    Notes
    -----
    Ganin & Lempitsky, Unsupervised Domain Adaptation by Backpropagation, ICML 2015.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.heads import GradientReversal
    >>> x = torch.ones(2, requires_grad=True)
    >>> GradientReversal(0.5)(x).sum().backward()
    >>> x.grad
    tensor([-0.5000, -0.5000])
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x``, of any shape."""
        return _Reverse.apply(x, self.scale)

    def extra_repr(self) -> str:
        """Return the scale as text."""
        return f"scale={self.scale}"


class BatchDiscriminator(ClassHead):
    """Batch logits from the cell embedding after gradient reversal.

    Parameters
    ----------
    d_model
        Width of the cell embedding.
    n_batches
        Number of batches.
    n_layer
        Number of linear layers, including the last.
    scale
        Weight of the reversed gradient; see :class:`GradientReversal`.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.heads import BatchDiscriminator
    >>> BatchDiscriminator(8, n_batches=3)(torch.zeros(2, 8)).shape
    torch.Size([2, 3])
    """

    name = "adversary"
    config = AdversaryConfig

    def __init__(
        self, d_model: int, n_batches: int, *, n_layer: int = 3, scale: float = 1.0
    ) -> None:
        super().__init__(d_model, n_batches, n_layer=n_layer, activation=nn.LeakyReLU)
        self.reversal = GradientReversal(scale)

    def forward(self, cell: Tensor) -> Tensor:
        """Return batch logits (B, n_batches) of cell embeddings (B, d_model)."""
        return super().forward(self.reversal(cell))

    @classmethod
    def build(cls, config: HeadConfig, sizes: Sizes) -> Self:
        """Build the head from its settings; see :meth:`Head.build`."""
        assert isinstance(config, AdversaryConfig)
        return cls(sizes.d_cell, sizes.n_batches, n_layer=config.n_layer)

    def read(self, state: CellState) -> dict[str, Tensor]:
        """Return the batch logits."""
        return {"batch_logits": self(state.cell)}
