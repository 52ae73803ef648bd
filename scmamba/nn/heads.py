"""Heads: expression of every token, expression from the cell embedding, and classes.

The "zero probability" of the published code is the probability that a gene is *not* zero: it is
trained as ``P(value > 0)`` and multiplied with the prediction. Its name is kept, its meaning too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _mlp(d_in: int, d_model: int) -> nn.Sequential:
    """Linear, LeakyReLU, twice; then Linear to one number."""
    return nn.Sequential(
        nn.Linear(d_in, d_model),
        nn.LeakyReLU(),
        nn.Linear(d_model, d_model),
        nn.LeakyReLU(),
        nn.Linear(d_model, 1),
    )


class ExpressionHead(nn.Module):
    """Expression of each token from its hidden state (objective ``gep``).

    Parameters
    ----------
    d_model
        Width of hidden states.
    d_label
        Width of what is known of the cell or token beside it (batch, modality); 0 for nothing.
    explicit_zero
        Whether a second branch gives the probability that the gene is expressed.
    """

    def __init__(self, d_model: int, *, d_label: int = 0, explicit_zero: bool = False) -> None:
        super().__init__()
        self.value = _mlp(d_model + d_label, d_model)
        self.zero = _mlp(d_model + d_label, d_model) if explicit_zero else None

    def forward(self, hidden: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Expression (B, L), and the probability in [0, 1] of being expressed (B, L) or None.

        ``hidden`` is (B, L, d_model), ``label`` (B, L, d_label).
        """
        x = hidden if label is None else torch.cat([hidden, label], -1)
        expressed = None if self.zero is None else self.zero(x).squeeze(-1).sigmoid()
        return self.value(x).squeeze(-1), expressed


class MVCHead(nn.Module):
    """Expression of each gene from the cell embedding alone (objective ``mvc``).

    With q = sigmoid(query(gene)), the value is (W q) . cell. It is computed as q . (W^T cell),
    which multiplies W with one vector a cell instead of one a token.

    Parameters
    ----------
    d_model
        Width of gene embeddings.
    d_label
        Width of what stands beside both (batch, modality); 0 for nothing.
    explicit_zero
        Whether a second product gives the probability that the gene is expressed.
    d_cell
        Width of the cell embedding where it is not ``d_model``.
    """

    def __init__(
        self,
        d_model: int,
        *,
        d_label: int = 0,
        explicit_zero: bool = False,
        d_cell: int | None = None,
    ) -> None:
        super().__init__()
        width, d_side = d_model + d_label, (d_cell or d_model) + d_label
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, d_side, bias=False)
        self.zero = nn.Linear(width, d_side) if explicit_zero else None

    def forward(
        self,
        cell: Tensor,
        genes: Tensor,
        cell_label: Tensor | None = None,
        gene_label: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Expression (B, L), and the probability in [0, 1] of being expressed (B, L) or None.

        ``cell`` is (B, d_cell), ``genes`` (B, L, d_model), ``cell_label`` (B, d_label) and
        ``gene_label`` (B, L, d_label).
        """
        if cell_label is not None and gene_label is not None:
            cell = torch.cat([cell, cell_label], -1)
            genes = torch.cat([genes, gene_label], -1)
        query = self.query(genes).sigmoid()  # (B, L, d)
        value = (query @ (cell @ self.value.weight)[..., None]).squeeze(-1)
        if self.zero is None:
            return value, None
        logit = (query @ (cell @ self.zero.weight)[..., None]).squeeze(-1)
        return value, (logit + (cell @ self.zero.bias)[:, None]).sigmoid()


class ClassHead(nn.Module):
    """Class logits: ``n_layer - 1`` times (Linear, activation, LayerNorm), dropout, then Linear.

    Parameters
    ----------
    d_model
        Width of the cell embedding.
    n_classes
        Number of classes.
    n_layer
        Number of Linear layers, the last included; 1 is a linear head.
    activation
        Makes the activation.
    dropout
        Probability of dropping a feature before the last layer.
    """

    def __init__(
        self,
        d_model: int,
        n_classes: int,
        *,
        n_layer: int = 3,
        activation: type[nn.Module] = nn.ReLU,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.hidden = nn.Sequential()
        for _ in range(n_layer - 1):
            self.hidden.extend([nn.Linear(d_model, d_model), activation(), nn.LayerNorm(d_model)])
        self.dropout = nn.Dropout(dropout)
        self.out = nn.Linear(d_model, n_classes)

    def forward(self, cell: Tensor) -> Tensor:
        """Logits (B, n_classes) of ``cell`` (B, d_model)."""
        return self.out(self.dropout(self.hidden(cell)))
