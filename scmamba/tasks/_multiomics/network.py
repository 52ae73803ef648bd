"""The network: an encoder and a decoder for each modality around one latent of the cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba.nn.heads import BatchDiscriminator, sample
from scmamba.nn.norm import DomainBatchNorm
from scmamba.nn.stack import Stack
from scmamba.tasks._multiomics.likelihoods import DECODERS, Decoder

_START = -2.0
_LOG_VAR = (-10.0, 2.0)
_LEAST_CELLS = 16
_HEADDIM = 32
_SMALL = 0.1

Order = Literal["genome", "vocabulary", "shuffled"]
"""Order of tokens in a cell's sequence."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of a network.

    Attributes
    ----------
    kinds
        Kind of each modality.
    n_features, d_model
        Features, and width of the pooled vector, of each modality.
    n_latent
        Width of the latent.
    n_batches
        Number of batches.
    n_layer, d_state, width
        Mamba layers, their states, and the width of their tokens.
    """

    kinds: tuple[str, ...]
    n_features: tuple[int, ...]
    d_model: tuple[int, ...]
    n_latent: int = 20
    n_batches: int = 1
    n_layer: int = 0
    d_state: int = 16
    width: int = 64

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Sizes:
        """Create sizes from what :meth:`to_dict` returned."""
        lists = {name: tuple(content[name]) for name in ("kinds", "n_features", "d_model")}
        return cls(**{**content, **lists})


@dataclass(frozen=True)
class Values:
    """Values of one modality in B cells, as bags of features.

    Attributes
    ----------
    features, values
        (n_values,) positions of features and their values, cell after cell.
    starts
        (B,) where each cell begins.
    there
        (B,) whether the modality was measured.
    """

    features: Tensor
    values: Tensor
    starts: Tensor
    there: Tensor


@dataclass(frozen=True)
class Latent:
    """Latents of B cells.

    Attributes
    ----------
    mean, log_var
        (B, n_latent).
    weights
        (B, n_modalities) part of each modality in the precision, 0 where it was not measured.
    """

    mean: Tensor
    log_var: Tensor
    weights: Tensor


class Encoder(nn.Module):
    """Bag of features, norm per batch, and a Gaussian latent: linear in the bag plus an MLP.

    Parameters
    ----------
    n_features, d, n_latent, n_batches
        Sizes: features, pooled vector, latent, batches.
    width
        Width of the hidden layer.
    """

    def __init__(
        self, n_features: int, d: int, n_latent: int, n_batches: int, width: int = 128
    ) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(n_features, d) / d**0.5)
        self.norm = DomainBatchNorm(d, n_batches, least=_LEAST_CELLS)
        self.linear = nn.Linear(d, n_latent, bias=False)
        self.hidden = nn.Sequential(nn.Linear(d, width), nn.LayerNorm(width), nn.GELU())
        self.out = nn.Linear(width, 2 * n_latent)

    def pooled(self, values: Values) -> Tensor:
        """(B, d) weighted sums of embeddings; 0 for cells without values."""
        return F.embedding_bag(
            values.features,
            self.embedding,
            values.starts,
            mode="sum",
            per_sample_weights=values.values,
        )

    def forward(self, pooled: Tensor, there: Tensor, batch_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, n_latent) of pooled cells (B, d)."""
        x = self.norm(pooled[:, None], batch_ids, ~there[:, None])[:, 0]
        return self.latent(x)

    def latent(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, n_latent) of normalized cells (B, d)."""
        moved, log_var = self.out(self.hidden(x)).chunk(2, 1)
        return self.linear(x) + moved, (log_var + _START).clamp(*_LOG_VAR)

    @torch.no_grad()
    def start(self, loadings: Tensor, linear: Tensor, log_var: Tensor) -> None:
        """Start at principal components, a linear map of them, and the variance that it leaves.

        Parameters
        ----------
        loadings
            (n_features, d).
        linear
            (n_latent, d).
        log_var
            (n_latent,).
        """
        self.embedding.copy_(loadings)
        self.linear.weight.copy_(linear)
        self.out.weight.mul_(_SMALL)
        self.out.bias.zero_()
        self.out.bias[len(log_var) :].copy_((log_var - _START).clamp(*_LOG_VAR))


class MultiomicsNetwork(nn.Module):
    """Encoders, a product of their latents, decoders, and an adversary that guesses the batch.

    Parameters
    ----------
    sizes
        See :class:`Sizes`.

    Attributes
    ----------
    trust
        (n_modalities,) factor of each modality's precision in the product.
    """

    trust: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        n_batches, n_latent = sizes.n_batches, sizes.n_latent
        d_batch = 8 if n_batches > 1 else 0
        self.encoders = nn.ModuleList(
            Encoder(n, d, n_latent, n_batches)
            for n, d in zip(sizes.n_features, sizes.d_model, strict=True)
        )
        self.decoders = nn.ModuleList(
            DECODERS[kind](n_latent + d_batch, n, n_batches, d)
            for kind, n, d in zip(sizes.kinds, sizes.n_features, sizes.d_model, strict=True)
        )
        self.batch = nn.Embedding(n_batches, d_batch) if d_batch else None
        self.adversary = BatchDiscriminator(n_latent, n_batches) if d_batch else None
        self.register_buffer("trust", torch.ones(len(sizes.kinds)))
        self.mixer = Mixer(sizes) if sizes.n_layer else None

    def pool(self, values: list[Values]) -> list[Tensor]:
        """(B, d) pooled vector of each modality."""
        pooled = [e.pooled(v) for e, v in zip(self.encoders, values, strict=True)]  # type: ignore[operator]
        if self.mixer is None:
            return pooled
        tables = [e.embedding for e in self.encoders]
        return [p + m for p, m in zip(pooled, self.mixer(values, tables), strict=True)]

    def encode(
        self, pooled: list[Tensor], there: Tensor, batch_ids: Tensor
    ) -> list[tuple[Tensor, Tensor]]:
        """Mean and log variance of the latent from each modality alone."""
        return [
            encoder(one, there[:, m], batch_ids)
            for m, (encoder, one) in enumerate(zip(self.encoders, pooled, strict=True))
        ]

    def join(self, latents: list[tuple[Tensor, Tensor]], there: Tensor) -> Latent:
        """Product of the Gaussians of the modalities that are ``there`` (B, n), and of the prior.

        Wu & Goodman, Multimodal Generative Models for Scalable Weakly-Supervised Learning, 2018.
        """
        precision = torch.stack([(-log_var).exp() for _, log_var in latents], 1)
        precision = precision * (there * self.trust)[:, :, None]
        means = torch.stack([mean for mean, _ in latents], 1)
        total = 1 + precision.sum(1)
        mean = (precision * means).sum(1) / total
        share = (precision / precision.sum(1, keepdim=True).clamp(min=1e-9)).mean(2)
        return Latent(mean, -total.log(), share)

    def decoder_input(self, latent: Tensor, batch_ids: Tensor) -> Tensor:
        """Latent beside the batch embedding."""
        return latent if self.batch is None else torch.cat([latent, self.batch(batch_ids)], 1)

    def decoder(self, m: int) -> Decoder:
        """Return the decoder of modality ``m``."""
        decoder = self.decoders[m]
        assert isinstance(decoder, Decoder)
        return decoder

    def draw(self, latent: Latent) -> Tensor:
        """Return a sample in training, else the mean."""
        return sample(latent.mean, latent.log_var) if self.training else latent.mean


class Mixer(nn.Module):
    """Mamba layers over the tokens of all modalities of a cell, in one sequence.

    A token is the embedding of a feature times its value, plus the embedding of its modality; the
    layers' outputs are pooled by modality and added to the bags. They start as the identity.

    Parameters
    ----------
    sizes
        See :class:`Sizes`.

    Attributes
    ----------
    rank
        (n_features of all modalities,) position of each feature in the order of the sequence.
    """

    rank: Tensor

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        width = -(-sizes.width * 2 // _HEADDIM) * _HEADDIM // 2
        self.enter = nn.ModuleList(nn.Linear(d, width) for d in sizes.d_model)
        self.modality = nn.Embedding(len(sizes.kinds), width)
        self.stack = Stack(
            sizes.n_layer, width, pre_norm=True, d_state=sizes.d_state, headdim=_HEADDIM
        )
        self.leave = nn.ModuleList(nn.Linear(width, d, bias=False) for d in sizes.d_model)
        for one in self.leave:
            assert isinstance(one, nn.Linear)
            nn.init.zeros_(one.weight)
        first = [0]
        for n in sizes.n_features:
            first.append(first[-1] + n)
        self.first = first[:-1]
        self.register_buffer("rank", torch.arange(first[-1]))

    def forward(self, values: list[Values], tables: list[Any]) -> list[Tensor]:
        """Return what is added to the pooled vector (B, d) of each modality."""
        n_cells = len(values[0].starts)
        cells, ranks, tokens, kinds = [], [], [], []
        for m, (one, table) in enumerate(zip(values, tables, strict=True)):
            ends = torch.cat([one.starts[1:], one.starts.new_tensor([len(one.features)])])
            cells.append(torch.repeat_interleave(torch.arange(n_cells), ends - one.starts))
            ranks.append(self.rank[self.first[m] + one.features])
            entered = self.enter[m](table[one.features] * one.values[:, None])
            tokens.append(entered + self.modality.weight[m])
            kinds.append(torch.full_like(one.features, m))
        cell, rank, kind = torch.cat(cells), torch.cat(ranks), torch.cat(kinds)
        order = torch.argsort(cell * (int(self.rank.max()) + 1) + rank)
        cell, kind, token = cell[order], kind[order], torch.cat(tokens)[order]
        lengths = torch.bincount(cell, minlength=n_cells)
        place = torch.arange(len(cell)) - (lengths.cumsum(0) - lengths)[cell]
        padded = token.new_zeros(n_cells, max(int(lengths.max()), 1), token.shape[1])
        padded = padded.index_put((cell, place), token)
        mask = torch.arange(padded.shape[1])[None] >= lengths[:, None]
        moved = (self.stack(padded, mask) - padded)[cell, place]
        added = []
        for m, leave in enumerate(self.leave):
            mine = kind == m
            total = token.new_zeros(n_cells, token.shape[1]).index_add(0, cell[mine], moved[mine])
            number = torch.bincount(cell[mine], minlength=n_cells).clamp(min=1)
            added.append(leave(total / number[:, None]))
        return added
