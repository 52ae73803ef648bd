"""All between a Mamba-2 mixer's projections on a CPU: the compiled loops behind autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scmamba._compiled import for_rows
from scmamba.nn.scan.cpu import ssd_backward, ssd_forward
from scmamba.nn.scan.cpu.arrays import evenly_spaced, flat
from scmamba.nn.scan.cpu.convolution import gradients
from scmamba.nn.scan.cpu.ssd_forward import RUN, TILE, Given, Shape
from scmamba.nn.scan.tensors import MixerSizes, MixerTensors


def conv_scan_gate(tensors: MixerTensors, norm_weight: Tensor, sizes: MixerSizes) -> Tensor:
    """See :func:`scmamba.nn.scan.mixer.conv_scan_gate`; float32, sizes that fit vectors."""
    y: Tensor = _ConvScanGate.apply(sizes, norm_weight, *tensors)
    return y


class _ConvScanGate(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, sizes: MixerSizes, norm: Tensor, *operands: Tensor
    ) -> Tensor:
        work = _Work(MixerTensors(*operands), sizes)
        y, enters = work.scan(keep=any(ctx.needs_input_grad))
        ctx.sizes = sizes
        ctx.save_for_backward(norm, y, enters, *operands)
        return work.gate(y, norm)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dout: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        norm, y, enters, *operands = ctx.saved_tensors
        work = _Work(MixerTensors(*operands), ctx.sizes)
        return None, *work.backward(norm, y, enters, dout.contiguous())


class _Work:
    """The operands as the loops read them."""

    def __init__(self, operands: MixerTensors, sizes: MixerSizes) -> None:
        zxbc, dt, self.weight, self.bias, A, D = operands
        zxbc = evenly_spaced(zxbc)
        batch, length, width = zxbc.shape
        self.d_inner, self.conv_dim = width - len(self.bias), len(self.bias)
        self.xbc, self.dt, self.A = zxbc[..., self.d_inner :], dt, A
        self.reverse, self.eps = np.array(sizes.directions), np.float32(sizes.eps)
        self.lanes = len(self.reverse) * batch
        self.shape = Shape(
            rows=batch,
            length=length,
            stride=zxbc.stride(1),
            heads=len(D),
            headdim=sizes.headdim,
            groups=sizes.ngroups,
            d_state=sizes.d_state,
            taps=len(self.weight),
            chunk=64 if sizes.d_state > 32 else 32,
            share=_share(len(D) // sizes.ngroups, self.lanes * sizes.ngroups),
        )
        self.given = Given(*map(flat, (zxbc, dt.contiguous(), A, D, self.weight, self.bias)))

    def scan(self, *, keep: bool) -> tuple[Tensor, Tensor]:
        """Result of the scan, and with ``keep`` the states that enter runs of chunks."""
        s = self.shape
        runs = -(-s.length // (s.chunk * RUN)) if keep else 0
        y = self.dt.new_empty(len(self.reverse), s.rows, s.length, self.d_inner)
        enters = self.dt.new_empty(self.lanes, runs, s.heads, s.d_state, s.headdim)
        arrays = self.given, flat(y), flat(enters)
        self._over_units(lambda *units: ssd_forward.forward(*arrays, s, self.reverse, *units))
        return y, enters

    def gate(self, y: Tensor, norm: Tensor) -> Tensor:
        """Sum over directions of ``y`` gated, normed and weighted."""
        out = torch.empty_like(y[0])
        arrays = flat(y), self.given.zxbc, flat(norm), flat(out)
        sizes = self.shape, self.eps, len(self.reverse)
        self._over_tiles(lambda *units: ssd_forward.gate(*arrays, *sizes, *units))
        return out

    def backward(self, norm: Tensor, y: Tensor, enters: Tensor, dout: Tensor) -> tuple[Tensor, ...]:
        """Gradients of the norm's weight and of the operands."""
        s, g = self.shape, self.shape.groups
        parts = s.heads // s.share
        dzxbc = dout.new_empty(s.rows, s.length, self.d_inner + self.conv_dim)
        dnorm, dy = dout.new_zeros(self._tiles, self.d_inner), torch.empty_like(y)
        into = flat(dy), flat(dzxbc), flat(dnorm)
        arrays = flat(y), self.given.zxbc, flat(norm), flat(dout), *into
        sizes = s, dzxbc.shape[2], self.eps, len(self.reverse)
        self._over_tiles(lambda *units: ssd_backward.gate_backward(*arrays, *sizes, *units))

        dBC = dout.new_empty(self.lanes, g, parts // g, s.length, 2, s.d_state)
        steps = dout.new_empty(len(self.reverse), *self.dt.shape)
        rates = dout.new_empty(2, self.lanes, s.heads)
        filled = ssd_backward.Gradients(*map(flat, (dy, dBC, steps, rates)))
        scanned = self.given, flat(enters), filled
        self._over_units(lambda *units: ssd_backward.backward(*scanned, s, self.reverse, *units))

        dBC = dBC.sum(2).permute(0, 2, 3, 1, 4).reshape(*dy.shape[:3], -1)
        dtaps, dbias = torch.zeros_like(self.weight), torch.zeros_like(self.bias)
        tail = dout.new_zeros(s.rows, s.taps - 1, self.conv_dim)
        dxbc = dzxbc[..., self.d_inner :]
        for i, back in enumerate(self.reverse.tolist()):
            for dafter, channels in (
                (dy[i], slice(self.d_inner)),
                (dBC[i], slice(self.d_inner, None)),
            ):
                pads, taps, bias = (
                    t[..., channels].contiguous() for t in (tail, self.weight, self.bias)
                )
                found = gradients(self.xbc[..., channels], pads, taps, bias, dafter, back)
                part = dxbc[..., channels]
                part.copy_(found[0]) if i == 0 else part.add_(found[0])
                dtaps[:, channels] += found[1]
                dbias[channels] += found[2]
        dA, dD = rates.sum(1)
        return dnorm.sum(0), dzxbc, steps.sum(0), dtaps, dbias, dA, dD

    @property
    def _tiles(self) -> int:
        return self.shape.rows * -(-self.shape.length // TILE)

    def _over_units(self, work: Callable[[int, int], None]) -> None:
        s = self.shape
        n = self.lanes * s.length * self.d_inner * s.d_state
        for_rows(work, self.lanes * s.heads // s.share, n, amid_torch=True)

    def _over_tiles(self, work: Callable[[int, int], None]) -> None:
        n = 4 * self.lanes * self.shape.length * self.d_inner
        for_rows(work, self._tiles, n, amid_torch=True)


def _share(heads: int, lanes: int) -> int:
    """Heads of a unit: as many as leave every thread something to do; B and C cost half a head."""
    threads = torch.get_num_threads()

    def cost(share: int) -> float:
        return -(-lanes * (heads // share) // threads) * (share + 0.5)

    return min((n for n in range(1, heads + 1) if heads % n == 0), key=cost)
