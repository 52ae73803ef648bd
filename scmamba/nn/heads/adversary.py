"""Adversary: a head that guesses the batch while the encoder learns to hide it (``dab``)."""

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
    """Settings of :class:`BatchDiscriminator`."""

    n_layer: int = 3
    """Number of Linear layers, the last included."""

    def __post_init__(self) -> None:
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
    """Identity forward; backward, the gradient times ``-scale``.

    Parameters
    ----------
    scale
        Weight of the reversed gradient; the attribute may be ramped in training.

    Notes
    -----
    Ganin & Lempitsky, Unsupervised Domain Adaptation by Backpropagation, ICML 2015.
    """

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """``x`` itself, of any shape."""
        return _Reverse.apply(x, self.scale)

    def extra_repr(self) -> str:
        return f"scale={self.scale}"


class BatchDiscriminator(ClassHead):
    """Batch logits from the cell embedding, behind gradient reversal.

    Parameters
    ----------
    d_model
        Width of the cell embedding.
    n_batches
        Number of batches.
    n_layer
        Number of Linear layers, the last included.
    scale
        See :class:`GradientReversal`.
    """

    name = "adversary"
    config = AdversaryConfig

    def __init__(
        self, d_model: int, n_batches: int, *, n_layer: int = 3, scale: float = 1.0
    ) -> None:
        super().__init__(d_model, n_batches, n_layer=n_layer, activation=nn.LeakyReLU)
        self.reversal = GradientReversal(scale)

    def forward(self, cell: Tensor) -> Tensor:
        """Logits (B, n_batches) of ``cell`` (B, d_model)."""
        return super().forward(self.reversal(cell))

    @classmethod
    def build(cls, config: HeadConfig, sizes: Sizes) -> Self:
        assert isinstance(config, AdversaryConfig)
        return cls(sizes.d_cell, sizes.n_batches, n_layer=config.n_layer)

    def read(self, state: CellState) -> dict[str, Tensor]:
        return {"batch_logits": self(state.cell)}
