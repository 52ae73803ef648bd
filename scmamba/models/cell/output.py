"""What a cell model gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from torch import Tensor


@dataclass(frozen=True)
class CellOutput:
    """What a cell model gives for B cells of L tokens; None where the head is absent.

    Attributes
    ----------
    hidden
        (B, L, D); what stands at padding has no meaning. None where a bag of genes
        (:attr:`CellConfig.is_bag`) was read as a whole.
    cell_embedding
        (B, D), not normalised; the mean of the latent, where there is one.
    expression, mvc_expression
        (B, L): predicted values from each token, and from the cell embedding.
    expression_zero_prob, mvc_zero_prob
        (B, L) in [0, 1]: the published "zero probability", trained as P(value > 0).
    class_logits
        (B, n_classes).
    batch_logits
        (B, n_batches), behind gradient reversal.
    latent_log_var
        (B, D) log variance of the latent.
    count_log_share, count_log_dispersion
        (B, n_counts) logarithms of genes' shares in a cell's counts, and (n_counts,) of their
        inverse dispersions.
    others
        What further heads made, by the names that they give.
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
        """Put what heads made into the field of its name, or else into ``others``."""
        named = {one.name for one in fields(cls)}
        known = {name: tensor for name, tensor in made.items() if name in named}
        others = {name: tensor for name, tensor in made.items() if name not in named}
        return cls(hidden, cell, **known, others=others)
