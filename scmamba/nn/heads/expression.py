"""Expression of each token from its hidden state.

The "zero probability" of the published code is the probability that a gene is *not* zero: it is
trained as ``P(value > 0)`` and multiplied by the prediction. Name and meaning are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from scmamba.nn.heads.head import CellState, Head, HeadConfig, Sizes


@dataclass(frozen=True)
class ExpressionConfig(HeadConfig):
    """Settings of :class:`ExpressionHead`.

    Examples
    --------
    >>> from scmamba.nn.heads import ExpressionConfig
    >>> ExpressionConfig(explicit_zero=True)
    ExpressionConfig(explicit_zero=True)
    """

    explicit_zero: bool = False
    """Whether a second branch gives the probability that the gene is expressed."""


class ExpressionHead(Head):
    """Expression of each token from its hidden state (objective ``gep``).

    Parameters
    ----------
    d_model
        Width of hidden states.
    d_label
        Width of the embedding of batch and modality; 0 for none.
    explicit_zero
        Whether a second branch gives the probability that the gene is expressed.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.heads import ExpressionHead
    >>> value, expressed = ExpressionHead(8)(torch.zeros(2, 5, 8))
    >>> value.shape, expressed
    (torch.Size([2, 5]), None)
    """

    name = "expression"
    needs = frozenset({"hidden", "labels"})
    config = ExpressionConfig

    def __init__(self, d_model: int, *, d_label: int = 0, explicit_zero: bool = False) -> None:
        super().__init__()
        self.value = value_mlp(d_model + d_label, d_model)
        self.zero = value_mlp(d_model + d_label, d_model) if explicit_zero else None

    def forward(self, hidden: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return expression (B, L), and the probability (B, L) of being expressed or None.

        ``hidden`` is (B, L, d_model), ``label`` (B, L, d_label).
        """
        x = hidden if label is None else torch.cat([hidden, label], -1)
        expressed = None if self.zero is None else self.zero(x).squeeze(-1).sigmoid()
        return self.value(x).squeeze(-1), expressed

    @classmethod
    def build(cls, config: HeadConfig, sizes: Sizes) -> Self:
        """Build the head from its settings; see :meth:`Head.build`."""
        assert isinstance(config, ExpressionConfig)
        return cls(sizes.d_model, d_label=sizes.d_label, explicit_zero=config.explicit_zero)

    def read(self, state: CellState) -> dict[str, Tensor]:
        """Return expression and, with explicit zeros, the probability of expression."""
        assert state.hidden is not None
        value, expressed = self(state.hidden, state.labels)
        found = {"expression": value}
        return found if expressed is None else {**found, "expression_zero_prob": expressed}


def value_mlp(d_in: int, d_model: int) -> nn.Sequential:
    """Two blocks (Linear, LeakyReLU), then Linear to one number."""
    return nn.Sequential(
        nn.Linear(d_in, d_model),
        nn.LeakyReLU(),
        nn.Linear(d_model, d_model),
        nn.LeakyReLU(),
        nn.Linear(d_model, 1),
    )
