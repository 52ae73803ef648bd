"""Expression of each token after a perturbation, as an affine function of its value before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from scmamba.nn.heads.expression import value_mlp
from scmamba.nn.heads.head import CellState, Head, HeadConfig, Sizes


@dataclass(frozen=True)
class AffineConfig(HeadConfig):
    """Settings of :class:`AffineHead`: none.

    Examples
    --------
    >>> from scmamba.nn.heads import AffineConfig
    >>> AffineConfig()
    AffineConfig()
    """


class AffineHead(Head):
    """Expression after a perturbation: coefficient * value + bias, both from the hidden state.

    Parameters
    ----------
    d_model
        Width of hidden states.
    d_label
        Width of the embedding of batch and modality; 0 for none.

    Notes
    -----
    The decoder of SC-MAMBA2's perturbation checkpoints (bioRxiv 2024.09.30.615775).

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.heads import AffineHead
    >>> AffineHead(8)(torch.zeros(2, 5, 8), torch.ones(2, 5)).shape
    torch.Size([2, 5])
    """

    name = "affine"
    needs = frozenset({"hidden", "labels"})
    config = AffineConfig

    def __init__(self, d_model: int, *, d_label: int = 0) -> None:
        super().__init__()
        self.coefficient = value_mlp(d_model + d_label, d_model)
        self.bias = value_mlp(d_model + d_label, d_model)

    def forward(self, hidden: Tensor, values: Tensor, label: Tensor | None = None) -> Tensor:
        """Return expression (B, L).

        ``hidden`` is (B, L, d_model), ``values`` (B, L), ``label`` (B, L, d_label).
        """
        x = hidden if label is None else torch.cat([hidden, label], -1)
        return self.coefficient(x).squeeze(-1) * values + self.bias(x).squeeze(-1)

    @classmethod
    def build(cls, config: HeadConfig, sizes: Sizes) -> Self:
        """Build the head from its settings; see :meth:`Head.build`."""
        return cls(sizes.d_model, d_label=sizes.d_label)

    def read(self, state: CellState) -> dict[str, Tensor]:
        """Return the expression after the perturbation."""
        assert state.hidden is not None and state.values is not None
        return {"expression": self(state.hidden, state.values, state.labels)}
