"""The network: an encoder and a decoder for each modality around one latent of the cell."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from scmamba.nn.heads import BatchDiscriminator, sample
from scmamba.tasks._multiomics.encoder import Encoder, Values
from scmamba.tasks._multiomics.likelihoods import DECODERS, Decoder
from scmamba.tasks._multiomics.mixer import Mixer
from scmamba.tasks._multiomics.sizes import Sizes


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
