"""Decoders: what is likely to be measured in a cell of a given latent, one for each modality."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba.nn.heads import CountHead
from scmamba.nn.losses import negative_binomial_nll

_SMALL = 0.1
_NEVER = -20.0  # log fraction of a gene that was not measured


@dataclass(frozen=True)
class Target:
    """Counts of one modality in B cells.

    Attributes
    ----------
    counts
        (B, n) counts of all features, or of ``columns``.
    size
        (B,) counts of the whole cell.
    covered
        (B, n) whether a feature was measured in the batch of the cell.
    columns
        (n,) positions of the features; None: all of them.
    """

    counts: Tensor
    size: Tensor
    covered: Tensor
    columns: Tensor | None = None


class Decoder(nn.Module):
    """Base class: log-likelihood of counts, and what is expected.

    Parameters
    ----------
    d_latent
        Width of the latent and the batch embedding together.
    n_features, n_batches
        Sizes.
    d_feature
        Width of the encoder's vectors of features.
    width
        Width of the hidden layer.
    """

    def __init__(
        self, d_latent: int, n_features: int, n_batches: int, d_feature: int, width: int = 128
    ) -> None:
        super().__init__()
        self.n_features = n_features
        self.hidden = nn.Sequential(
            nn.Linear(d_latent, width), nn.LayerNorm(width), nn.GELU(), nn.Linear(width, 64)
        )

    def nll(self, latent: Tensor, target: Target, batch_ids: Tensor) -> Tensor:
        """(B,) negative log-likelihood of the counts that were measured, in nats."""
        raise NotImplementedError

    def expected(self, latent: Tensor, size: Tensor, batch_ids: Tensor) -> Tensor:
        """(B, n) expected counts of cells with ``size`` (B,) counts, or probabilities of 1."""
        raise NotImplementedError

    @torch.no_grad()
    def start(self, totals: Tensor, background: Tensor, signal: Tensor, share: Tensor) -> None:
        """Start at the mean of each batch: total counts (n_batches, n), proteins' components."""

    def set_loadings(self, loadings: Tensor) -> None:
        """Take the encoder's loadings (n_features, d) where features have no own vectors."""


class CountDecoder(Decoder):
    """Genes: negative binomial around a fraction of the cell's counts."""

    def __init__(
        self, d_latent: int, n_features: int, n_batches: int, d_feature: int, width: int = 128
    ) -> None:
        super().__init__(d_latent, n_features, n_batches, d_feature, width)
        del self.hidden
        self.head = CountHead(d_latent, n_features, n_batches=n_batches, width=width)

    def nll(self, latent: Tensor, target: Target, batch_ids: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        dispersion: Tensor = self.head.log_dispersion
        share = self.head(latent, None, batch_ids)
        if not target.covered.all():
            whole = target.covered if target.columns is None else torch.ones_like(share).bool()
            share = share.masked_fill(~whole, _NEVER)
            share = share - share.logsumexp(1, keepdim=True)
        if target.columns is not None:
            share, dispersion = share[:, target.columns], dispersion[target.columns]
            share = share.masked_fill(~target.covered, _NEVER)
        log_size = target.size.clamp(min=1e-6).log()[:, None]
        nats = negative_binomial_nll(target.counts, share + log_size, dispersion)
        return nats * (self.n_features / target.counts.shape[1])

    def expected(self, latent: Tensor, size: Tensor, batch_ids: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        return self.head(latent, None, batch_ids).exp() * size[:, None]

    @torch.no_grad()
    def start(self, totals: Tensor, background: Tensor, signal: Tensor, share: Tensor) -> None:
        """See :class:`Decoder`."""
        self.head.set_background(totals)


class ProteinDecoder(Decoder):
    """Proteins: two negative binomials, background and signal (totalVI; Gayoso et al., 2021)."""

    def __init__(
        self, d_latent: int, n_features: int, n_batches: int, d_feature: int, width: int = 128
    ) -> None:
        super().__init__(d_latent, n_features, n_batches, d_feature, width)
        self.out = nn.Linear(64, 3 * n_features)
        self.background = nn.Parameter(torch.zeros(n_batches, n_features))
        self.gap = nn.Parameter(torch.zeros(n_features))
        self.odds = nn.Parameter(torch.zeros(n_features))
        self.log_dispersion = nn.Parameter(torch.zeros(2, n_features))
        with torch.no_grad():
            self.out.weight.mul_(_SMALL)
            self.out.bias.zero_()

    def parts(self, latent: Tensor, batch_ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, n) log means of background and signal, and logits of signal."""
        moved, risen, odds = self.out(self.hidden(latent)).chunk(3, 1)
        low = self.background[batch_ids] + moved
        return low, low + F.softplus(self.gap + risen), self.odds + odds

    def nll(self, latent: Tensor, target: Target, batch_ids: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        low, high, odds = self.parts(latent, batch_ids)
        t: Tensor = self.log_dispersion
        columns = target.columns
        if columns is not None:
            low, high, odds, t = low[:, columns], high[:, columns], odds[:, columns], t[:, columns]
        both = torch.stack(
            [
                F.logsigmoid(-odds) - _nb(target.counts, low, t[0]),
                F.logsigmoid(odds) - _nb(target.counts, high, t[1]),
            ]
        )
        nats = -torch.where(target.covered, both.logsumexp(0), 0).sum(1)
        return nats * (self.n_features / target.counts.shape[1])

    def expected(self, latent: Tensor, size: Tensor, batch_ids: Tensor) -> Tensor:
        """Geometric mean of the components: what log counts are expected to be."""
        low, high, odds = self.parts(latent, batch_ids)
        p = odds.sigmoid()
        return ((1 - p) * low.exp().log1p() + p * high.exp().log1p()).expm1()

    @torch.no_grad()
    def start(self, totals: Tensor, background: Tensor, signal: Tensor, share: Tensor) -> None:
        """See :class:`Decoder`."""
        low = background.clamp(min=_SMALL).expm1().log()
        gap = (signal - background).mean(0).clamp(min=_SMALL)
        self.background.copy_(low)
        self.gap.copy_(gap.expm1().log())
        self.odds.copy_(share.mean(0).clamp(0.01, 0.99).logit())


class PeakDecoder(Decoder):
    """Peaks: the probability that one is open, with the cell's number of open ones given."""

    def __init__(
        self, d_latent: int, n_features: int, n_batches: int, d_feature: int, width: int = 128
    ) -> None:
        super().__init__(d_latent, n_features, n_batches, d_feature, width)
        self.register_buffer("peak", torch.zeros(n_features, d_feature))
        self.peak: Tensor
        self.out = nn.Linear(64, d_feature)
        self.odds = nn.Parameter(torch.zeros(n_batches, n_features))
        self.register_buffer("depth", torch.ones(()))
        self.depth: Tensor

    def logits(
        self, latent: Tensor, size: Tensor, batch_ids: Tensor, columns: Tensor | None = None
    ) -> Tensor:
        """(B, n) log odds of being open, for all peaks or ``columns``."""
        peak = self.peak
        odds: Tensor = self.odds
        if columns is not None:
            peak, odds = peak[columns], odds[:, columns]
        deep = (size.clamp(min=1) / self.depth).log()[:, None]
        return self.out(self.hidden(latent)) @ peak.T + odds[batch_ids] + deep

    def nll(self, latent: Tensor, target: Target, batch_ids: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        logits = self.logits(latent, target.size, batch_ids, target.columns)
        nats = F.binary_cross_entropy_with_logits(logits, target.counts, reduction="none")
        scale = self.n_features / target.counts.shape[1]
        return torch.where(target.covered, nats, 0).sum(1) * scale

    def expected(self, latent: Tensor, size: Tensor, batch_ids: Tensor) -> Tensor:
        """See :class:`Decoder`."""
        return self.logits(latent, size, batch_ids).sigmoid()

    @torch.no_grad()
    def set_loadings(self, loadings: Tensor) -> None:
        """See :class:`Decoder`; each dimension has a mean square of 1."""
        self.peak.copy_(loadings / loadings.square().mean(0).sqrt().clamp(min=1e-12))
        self.out.weight.mul_(_SMALL)
        self.out.bias.zero_()

    @torch.no_grad()
    def start(self, totals: Tensor, background: Tensor, signal: Tensor, share: Tensor) -> None:
        """See :class:`Decoder`; ``share`` (n_batches, 1) is the number of cells."""
        rate = (totals + 0.5) / (share + 1)
        self.odds.copy_(rate.clamp(1e-6, 1 - 1e-3).logit())
        self.depth.fill_(float(totals.sum() / share.sum()))


def _nb(counts: Tensor, log_mean: Tensor, log_dispersion: Tensor) -> Tensor:
    """(B, n) negative log-likelihood of each count, see :func:`negative_binomial_nll`."""
    t = log_dispersion.exp()
    gap = log_mean - log_dispersion
    dense = (counts + t) * F.softplus(gap) - counts * gap
    return dense + torch.lgamma(t) + torch.lgamma(counts + 1) - torch.lgamma(counts + t)


DECODERS: dict[str, type[Decoder]] = {
    "rna": CountDecoder,
    "prot": ProteinDecoder,
    "atac": PeakDecoder,
}
"""The decoder of each kind of modality."""
