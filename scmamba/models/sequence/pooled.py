"""Sequence model with mean pooling and a linear head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from scmamba.models.sequence.model import SequenceModel
from scmamba.nn.pool import masked_mean


class PooledModel(nn.Module):
    """Hidden states, mean pooling over nucleotides, dropout and a linear head.

    For equivariant models (``rc="ps"``), the hidden states of both strands are averaged, so that
    the result does not depend on the strand.

    Parameters
    ----------
    backbone
        Sequence model.
    n_outputs
        Number of classes, labels or numbers to predict.
    per_token
        Whether to predict for every token instead of the whole sequence.
    dropout
        Dropout before the head, in [0, 1).
    """

    special: Tensor

    def __init__(
        self,
        backbone: SequenceModel,
        n_outputs: int,
        *,
        per_token: bool = False,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.backbone, self.per_token = backbone, per_token
        self.head = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(backbone.embedding_width, n_outputs)
        )
        layout = backbone.tokenizer.layout
        special = torch.zeros(backbone.config.vocab_size, dtype=torch.bool)
        special[[i for role, i in layout.specials.items() if role != "unk"]] = True
        self.register_buffer("special", special, persistent=False)

    def forward(self, input_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Logits or numbers (B, n_outputs); with ``per_token`` (B, L, n_outputs)."""
        hidden = self.backbone.hidden_states(input_ids, padding_mask)
        if self.backbone.config.rc == "ps":
            one, other = hidden.chunk(2, -1)
            hidden = (one + other.flip(-1)) / 2
        if self.per_token:
            return self.head(hidden)
        left_out = self.special[input_ids]
        if padding_mask is not None:
            left_out = left_out | padding_mask
        return self.head(masked_mean(hidden, left_out))
