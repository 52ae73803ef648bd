"""A trained network on cells: latents of any subset of modalities, and what they decode to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from scmamba.learn.parallel import one_thread
from scmamba.tasks._multiomics.batches import Cells
from scmamba.tasks._multiomics.blocks import Blocks
from scmamba.tasks._multiomics.coding import Coding
from scmamba.tasks._multiomics.network import MultiomicsNetwork
from scmamba.tasks._multiomics.statistics import pool

_BLOCK = 256
_PRIOR_CELLS = 10.0

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Embedded:
    """Cells in the latent.

    Attributes
    ----------
    mean
        (n_cells, n_latent).
    weights
        (n_cells, n_modalities) part of each modality in the precision.
    """

    mean: Floats
    weights: Floats


@dataclass(frozen=True)
class Trained:
    """A network and the codings of its modalities.

    Attributes
    ----------
    network
        The network, in evaluation mode.
    codings
        One per modality.
    """

    network: MultiomicsNetwork
    codings: tuple[Coding, ...]

    def cells(self, blocks: Blocks) -> Cells:
        """Code the values of all cells of ``blocks``."""
        return Cells.of(blocks, self.codings)

    @torch.no_grad()
    def embed(self, cells: Cells, names: Sequence[str] | None = None) -> Embedded:
        """Latents from the modalities ``names`` alone; None: from all that were measured."""
        network, blocks = self.network, cells.blocks
        there = blocks.measured.copy()
        if names is not None:
            there &= np.array([name in names for name in blocks.names])
        seen = torch.from_numpy(there)
        with one_thread():
            pooled = pool(network, cells, there)
            latents = [
                self._latent(m, one, there[:, m], blocks.batch_ids) for m, one in enumerate(pooled)
            ]
            joint = network.join(latents, seen)
        return Embedded(joint.mean.numpy(), joint.weights.numpy())

    def _latent(
        self, m: int, pooled: torch.Tensor, there: npt.NDArray[np.bool_], batch_ids: Ints
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Latent of modality ``m`` alone; cells of a new batch (-1) have statistics of their own.

        These lean on the average of the fitted batches where the cells are few.
        """
        encoder: Any = self.network.encoders[m]
        means, spreads = (
            torch.stack([getattr(bn, name) for bn in encoder.norm.bns])
            for name in ("running_mean", "running_var")
        )
        new = np.flatnonzero((batch_ids < 0) & there)
        if len(new):
            part = len(new) / (len(new) + _PRIOR_CELLS)
            own = pooled[torch.from_numpy(new)]
            mean = means.mean(0).lerp(own.mean(0), part)
            spread = spreads.mean(0).lerp(own.var(0, correction=0), part)
            means, spreads = torch.cat([means, mean[None]]), torch.cat([spreads, spread[None]])
        ids = torch.from_numpy(batch_ids)
        eps = encoder.norm.bns[0].eps
        found: tuple[torch.Tensor, torch.Tensor] = encoder.latent(
            (pooled - means[ids]) / (spreads[ids] + eps).sqrt()
        )
        return found

    @torch.no_grad()
    def decode(
        self,
        m: int,
        latent: Floats,
        size: npt.NDArray[np.float64],
        batch_ids: npt.NDArray[np.int64],
    ) -> Floats:
        """(n, n_features) expected counts of modality ``m``, of cells with ``size`` (n,) counts."""
        self.network.eval()
        n_batches = self.network.sizes.n_batches
        found = np.zeros((len(latent), self.network.sizes.n_features[m]), np.float32)
        for start in range(0, len(latent), _BLOCK):
            rows = slice(start, start + _BLOCK)
            for as_of in range(n_batches):  # a new batch is decoded as all of them on average
                weight = np.where(batch_ids[rows] < 0, 1 / n_batches, batch_ids[rows] == as_of)
                if weight.any():
                    expected = self._expected(m, latent[rows], size[rows], as_of)
                    found[rows] += weight[:, None].astype(np.float32) * expected
        return found

    def _expected(
        self, m: int, latent: Floats, size: npt.NDArray[np.float64], batch: int
    ) -> Floats:
        ids = torch.full((len(latent),), batch)
        given = self.network.decoder_input(torch.from_numpy(latent), ids)
        expected: Floats = (
            self.network.decoder(m).expected(given, torch.from_numpy(size).float(), ids).numpy()
        )
        return expected
