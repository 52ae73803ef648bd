"""A network that reads all genes of a cell, the perturbed ones flagged, and corrects effects."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scmamba.nn.linear import Linear
from scmamba.nn.stack import Stack


class ResidualNetwork(nn.Module):
    """Correction of the predicted change of each gene; 0 before it is trained.

    Parameters
    ----------
    genes
        (L, d_gene) vectors of the genes.
    d_perturbation
        Size of the vector of a perturbation.
    width
        Width of the tokens, a multiple of 8.
    n_layer
        Mamba layers over the genes.
    d_state
        States per head of these layers.

    Examples
    --------
    >>> import torch
    >>> network = ResidualNetwork(torch.randn(5, 3), 4, width=8, n_layer=1, d_state=4)
    >>> values = torch.randn(2, 5)
    >>> network(values, values, torch.zeros(2, 5), torch.randn(2, 4)).shape
    torch.Size([2, 5])
    """

    genes: Tensor

    def __init__(
        self, genes: Tensor, d_perturbation: int, *, width: int, n_layer: int, d_state: int
    ) -> None:
        super().__init__()
        self.sizes = {"width": width, "n_layer": n_layer, "d_state": d_state}
        self.register_buffer("genes", genes)
        self.gene = Linear(genes.shape[1], width)
        self.values = Linear(3, width)
        self.perturbation = Linear(d_perturbation, width)
        self.match = Linear(genes.shape[1], width)
        self.norm = nn.LayerNorm(width)
        self.hidden = Linear(width, width)
        self.stack = Stack(n_layer, width, pre_norm=True, d_state=d_state, headdim=8)
        self.output = Linear(width, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(
        self, controls: Tensor, baseline: Tensor, flags: Tensor, perturbation: Tensor
    ) -> Tensor:
        """(B, L) correction.

        Parameters
        ----------
        controls, baseline
            (B, L) expression of control cells, and the change that is predicted without it.
        flags
            (B, L) 1 for perturbed genes.
        perturbation
            (B, d_perturbation) vector of the perturbation.
        """
        vector = self.perturbation(perturbation)[:, None]  # (B, 1, width)
        token = self.gene(self.genes) + self.match(self.genes) * vector + vector
        token = token + self.values(torch.stack([controls, baseline, flags], -1))
        hidden = torch.relu(self.hidden(torch.relu(self.norm(token))))
        found: Tensor = self.output(self.stack(hidden))
        return found[..., 0]
