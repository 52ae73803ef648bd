"""Compact sequence model for training from scratch on a few thousand sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba._config import DEEPEST, WIDEST, Config
from scmamba._errors import ScmambaError
from scmamba.nn.norm import MaskedBatchNorm1d
from scmamba.nn.pool import AttentionPool
from scmamba.nn.stack import Stack

_N_CODONS = 64


@dataclass(frozen=True)
class CompactConfig(Config):
    """Configuration of a :class:`CompactModel`; fields are described below each of them."""

    kind: ClassVar[str] = "compact"

    n_outputs: int
    """Number of classes, labels or numbers to predict."""

    per_token: bool = False
    """Whether to predict for every nucleotide instead of the whole sequence."""

    unit: Literal["nucleotide", "codon"] = "nucleotide"
    """What a position holds: a nucleotide, read by a convolution, or a codon."""

    window: int = 1
    """Neighboring positions averaged to one before the layers, which shortens long sequences;
    1 for none."""

    n_positions: int = 0
    """Learned positional embeddings, for aligned sequences; positions beyond share the last.
    0 for none."""

    d_model: int = 64
    """Width of the layers."""

    n_layer: int = 2
    """Number of bidirectional Mamba-2 layers; may be 0."""

    d_state: int = 16
    """Width of the state."""

    headdim: int = 32
    """Width of a head."""

    stem_width: int = 9
    """Kernel width of the convolution in nucleotides, odd."""

    pool_heads: int = 8
    """Number of heads of the attention pooling."""

    dropout: float = 0.1
    """Dropout of the layers, in [0, 1)."""

    head_dropout: float = 0.2
    """Dropout of the head, in [0, 1)."""

    def __post_init__(self) -> None:
        """Check the fields and their combinations."""
        super().__post_init__()
        for name in ("d_model", "d_state", "headdim", "stem_width", "pool_heads", "window"):
            self.between(name, 1, WIDEST)
        self.between("n_layer", 0, DEEPEST)
        self.at_least("n_outputs", 1)
        self.at_least("n_positions", 0)
        for name in ("dropout", "head_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ScmambaError(f"{name}={getattr(self, name)}; give a number in [0, 1)")
        if self.stem_width % 2 == 0:
            raise ScmambaError(f"stem_width={self.stem_width}; give an odd number")
        if self.per_token and self.unit == "codon":
            raise ScmambaError('per_token=True needs unit="nucleotide"')
        if self.per_token and self.window > 1:
            raise ScmambaError(f"per_token=True needs window=1, not {self.window}")


class CompactModel(nn.Module):
    """Nucleotides or codons, positions, bidirectional Mamba-2, attention pooling and a head.

    Ids are those of :meth:`scmamba.tokens.NucleotideTokenizer.benchmark`: padding 0, A 1, C 2,
    G 3, T or U 4, N 5.

    Parameters
    ----------
    config
        Configuration of the model.
    """

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = c = config
        self.stem = CodonStem(c.d_model) if c.unit == "codon" else _ConvStem(c)
        self.position: nn.Embedding | None = None
        if c.n_positions:
            self.position = nn.Embedding(c.n_positions, c.d_model)
            nn.init.normal_(self.position.weight, std=0.02)
        self.stack = Stack(
            c.n_layer,
            c.d_model,
            pre_norm=True,
            dropout=c.dropout,
            d_state=c.d_state,
            headdim=c.headdim,
        )
        self.norm = nn.LayerNorm(c.d_model)
        self.pool = None
        if not c.per_token:
            self.pool = AttentionPool(c.d_model, c.pool_heads, max(c.n_positions, 1))
        self.head = _head(c)

    def forward(self, input_ids: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Logits or numbers (B, n_outputs); with ``per_token`` (B, L, n_outputs).

        Parameters
        ----------
        input_ids
            (B, L) integers from 0 to 5.
        padding_mask
            (B, L) bool, True at padding, which follows the sequence and does not affect results.
        """
        hidden, padding_mask = self.stem(input_ids, padding_mask)
        if self.config.window > 1:
            hidden, padding_mask = window_means(hidden, padding_mask, self.config.window)
        places = self._places(hidden)
        if self.position is not None:
            hidden = hidden + self.position(places)
        hidden = self.norm(self.stack(hidden, padding_mask))
        if self.pool is None:
            return self.head(hidden)
        return self.head(self.pool(hidden, places, padding_mask))

    def _places(self, hidden: Tensor) -> Tensor:
        """(B, L) index of the learned position of each token; 0 if there are none."""
        last = max(self.config.n_positions - 1, 0)
        places = torch.arange(hidden.shape[1], device=hidden.device).clamp(max=last)
        return places.expand(len(hidden), -1)


def window_means(hidden: Tensor, padding_mask: Tensor | None, window: int) -> tuple[Tensor, Tensor]:
    """Average ``window`` neighboring positions, excluding padding.

    Parameters
    ----------
    hidden
        (B, L, D).
    padding_mask
        (B, L), True where padded, or None.
    window
        Number of neighbors.

    Returns
    -------
    hidden
        (B, ceil(L / window), D); 0 where all neighbors are padded.
    padding_mask
        (B, ceil(L / window)), True there.
    """
    if padding_mask is None:
        padding_mask = hidden.new_zeros(hidden.shape[:2], dtype=torch.bool)
    rest = -hidden.shape[1] % window
    seen = F.pad(~padding_mask, (0, rest)).unflatten(1, (-1, window))
    values = F.pad(hidden.masked_fill(padding_mask[..., None], 0), (0, 0, 0, rest))
    count = seen.sum(2)
    means = values.unflatten(1, (-1, window)).sum(2) / count.clamp(min=1)[..., None]
    return means, count == 0


class _ConvStem(nn.Module):
    """One-hot nucleotides (zeros for N), convolution, batch norm and GELU."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, config.d_model, config.stem_width, padding="same")
        self.norm = MaskedBatchNorm1d(config.d_model, eps=1e-5)

    def forward(
        self, input_ids: Tensor, padding_mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return hidden states (B, L, D), 0 at padding, and the unchanged mask."""
        if padding_mask is not None:
            input_ids = input_ids.masked_fill(padding_mask, 0)
        one_hot = F.one_hot(input_ids, 6)[..., 1:5].to(self.conv.weight.dtype)
        hidden = self.conv(one_hot.transpose(1, 2)).transpose(1, 2)
        return F.gelu(self.norm(hidden, padding_mask)), padding_mask


class CodonStem(nn.Module):
    """Embedding of codons, in frame from the first nucleotide; incomplete codons are dropped.

    Parameters
    ----------
    d_model
        Width of the embedding.
    """

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(_N_CODONS + 1, d_model)  # the last one for codons with N

    def forward(
        self, input_ids: Tensor, padding_mask: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return hidden states (B, L // 3, D) and their mask."""
        n = input_ids.shape[1] // 3
        if n == 0:
            raise ScmambaError(
                f"the sequences have {input_ids.shape[1]} nucleotides; a codon has 3"
            )
        letters = (input_ids[:, : 3 * n] - 1).unflatten(1, (n, 3))
        known = ((letters >= 0) & (letters < 4)).all(2)
        codons = (letters * letters.new_tensor([16, 4, 1])).sum(2)
        if padding_mask is not None:
            padding_mask = padding_mask[:, : 3 * n].unflatten(1, (n, 3)).any(2)
        return self.embedding(codons.where(known, _N_CODONS)), padding_mask


def _head(config: CompactConfig) -> nn.Module:
    d, dropout = config.d_model, config.head_dropout
    norm = nn.LayerNorm(d) if config.per_token else MaskedBatchNorm1d(d, eps=1e-5)
    return nn.Sequential(
        norm,
        nn.Dropout(dropout),
        nn.Linear(d, d),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(d, config.n_outputs),
    )
