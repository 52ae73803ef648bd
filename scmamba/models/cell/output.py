"""Output of a cell model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from torch import Tensor


@dataclass(frozen=True)
class CellOutput:
    """Output of a cell model for B cells of L tokens; fields of absent heads are None.

    Attributes
    ----------
    hidden
        (B, L, D) hidden states, undefined at padding; None for a bag of genes
        (:attr:`CellConfig.is_bag`).
    cell_embedding
        (B, D) cell embedding, not normalized; with a latent, its mean.
    expression, mvc_expression
        (B, L) values predicted from each token, and from the cell embedding.
    expression_zero_prob, mvc_zero_prob
        (B, L) published "zero probability", trained as P(value > 0), in [0, 1].
    class_logits
        (B, n_classes) logits of classes.
    batch_logits
        (B, n_batches) logits of batches, after gradient reversal.
    latent_log_var
        (B, D) log variance of the latent.
    count_log_share, count_log_dispersion
        (B, n_counts) log fraction of each gene in a cell's counts, and (n_counts,) log inverse
        dispersions.
    others
        Outputs of further heads by name.

    Examples
    --------
    >>> import torch
    >>> from scmamba.models import CellModel, preset
    >>> model = CellModel(preset("mini", n_genes=10, n_layer=1, n_classes=3)).eval()
    >>> output = model(torch.tensor([[8, 0, 1]]), torch.tensor([[0.0, 2.0, 5.0]]))
    >>> output.cell_embedding.shape, output.class_logits.shape, output.batch_logits
    (torch.Size([1, 64]), torch.Size([1, 3]), None)
    """

    hidden: Tensor | None
    cell_embedding: Tensor
    expression: Tensor | None = None
    expression_zero_prob: Tensor | None = None
    mvc_expression: Tensor | None = None
    mvc_zero_prob: Tensor | None = None
    class_logits: Tensor | None = None
    batch_logits: Tensor | None = None
    latent_log_var: Tensor | None = None
    count_log_share: Tensor | None = None
    count_log_dispersion: Tensor | None = None
    others: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, hidden: Tensor | None, cell: Tensor, made: Mapping[str, Tensor]) -> CellOutput:
        """Create the output from the results of heads by name; unknown names go to ``others``."""
        named = {one.name for one in fields(cls)}
        known = {name: tensor for name, tensor in made.items() if name in named}
        others = {name: tensor for name, tensor in made.items() if name not in named}
        return cls(hidden, cell, **known, others=others)
