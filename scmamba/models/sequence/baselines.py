"""Baseline classifiers of the 18-task benchmark on data of the Nucleotide Transformer.

The sizes are the published ones: a causal Mamba-1 (5.26 M parameters), a CNN (2.10 M) and a
Transformer (3.32 M), each of width 256, with ids 0 for padding, A 1, C 2, G 3, T 4, N 5. Each maps
input_ids (B, L) and padding_mask (B, L) or None to (B, n_outputs); padding does not affect results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.models.sequence.model import SequenceModel
from scmamba.models.sequence.pooled import PooledModel
from scmamba.nn.norm import MaskedBatchNorm1d
from scmamba.nn.pool import masked_mean

VOCAB_SIZE = 6
MAX_LENGTH = 600


def mamba_classifier(n_outputs: int, *, dropout: float = 0.1, **sizes: Any) -> PooledModel:
    """Build causal Mamba-1 layers with pre-norm, mean pooling, dropout and a linear head.

    Parameters
    ----------
    n_outputs
        Classes, labels or numbers to predict.
    dropout
        Dropout before the head, in [0, 1).
    **sizes
        Fields of :class:`~scmamba.models.SequenceConfig` that differ from the published ones.
    """
    backbone = SequenceModel.from_preset("nt-mamba", lm_head=False, **sizes)
    return PooledModel(backbone, n_outputs, dropout=dropout)


class CNNClassifier(nn.Module):
    """Four blocks of convolution, batch norm, ReLU and max pooling by 2, then mean pooling.

    Parameters
    ----------
    n_outputs
        Classes, labels or numbers to predict.
    d_model
        Width of every block.
    kernels
        Width of each block's convolution, odd.
    dropout
        Dropout before the head, in [0, 1).
    """

    def __init__(
        self,
        n_outputs: int,
        *,
        d_model: int = 256,
        kernels: tuple[int, ...] = (15, 9, 5, 3),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCAB_SIZE, d_model, padding_idx=0)
        self.convs = nn.ModuleList(
            nn.Conv1d(d_model, d_model, width, padding="same") for width in kernels
        )
        self.norms = nn.ModuleList(MaskedBatchNorm1d(d_model, eps=1e-5) for _ in kernels)
        self.head = _head(d_model, n_outputs, dropout)

    def forward(self, input_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Logits (B, n_outputs)."""
        shortest = input_ids.shape[1]
        if padding_mask is not None:
            shortest = int((~padding_mask).sum(1).min())
        if shortest < (least := 2 ** len(self.convs)):
            raise ScmambaError(
                f"a sequence has {shortest} positions; this CNN halves them {len(self.convs)} "
                f"times and needs at least {least}"
            )
        x, pad = self.embedding(input_ids).transpose(1, 2), padding_mask
        if pad is not None:
            x = x.masked_fill(pad[:, None], 0)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.max_pool1d(F.relu(norm(conv(x).transpose(1, 2), pad).transpose(1, 2)), 2)
            if pad is not None:  # a pair that contains padding is padding; an odd end is cut off
                pad = pad[:, : 2 * x.shape[2]].unflatten(1, (-1, 2)).any(2)
                x = x.masked_fill(pad[:, None], 0)
        return self.head(masked_mean(x.transpose(1, 2), pad))


class TransformerClassifier(nn.Module):
    """Pre-norm Transformer with a learned class token, whose final state is classified.

    Parameters
    ----------
    n_outputs
        Classes, labels or numbers to predict.
    d_model, n_layer, n_heads, d_ff
        Width, number of layers, number of heads, and width of the feed-forward layers.
    max_length
        Longest sequence, the number of learned positions.
    dropout
        Dropout in the layers and before the head, in [0, 1).
    """

    def __init__(
        self,
        n_outputs: int,
        *,
        d_model: int = 256,
        n_layer: int = 6,
        n_heads: int = 8,
        d_ff: int = 512,
        max_length: int = MAX_LENGTH,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCAB_SIZE, d_model, padding_idx=0)
        self.position = nn.Parameter(torch.empty(max_length + 1, d_model).normal_(std=0.02))
        self.cls = nn.Parameter(torch.empty(d_model).normal_(std=0.02))
        layer = nn.TransformerEncoderLayer(
            d_model, n_heads, d_ff, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(
            layer, n_layer, nn.LayerNorm(d_model), enable_nested_tensor=False
        )
        self.head = _head(d_model, n_outputs, dropout)

    def forward(self, input_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Logits (B, n_outputs)."""
        n, longest = len(input_ids), len(self.position) - 1
        if input_ids.shape[1] > longest:
            raise ScmambaError(
                f"the sequences have {input_ids.shape[1]} positions; this Transformer knows "
                f"{longest}: cut them, or make it with a larger max_length"
            )
        x = torch.cat([self.cls.expand(n, 1, -1), self.embedding(input_ids)], 1)
        x = x + self.position[: x.shape[1]]
        pad = None if padding_mask is None else F.pad(padding_mask, (1, 0))
        return self.head(self.encoder(x, src_key_padding_mask=pad)[:, 0])


BASELINES: dict[str, Callable[..., nn.Module]] = {
    "mamba": mamba_classifier,
    "cnn": CNNClassifier,
    "transformer": TransformerClassifier,
}


def _head(d_model: int, n_outputs: int, dropout: float) -> nn.Module:
    return nn.Sequential(nn.Dropout(dropout), nn.Linear(d_model, n_outputs))
