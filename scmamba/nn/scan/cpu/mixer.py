"""Convolution, scan, gate and norm of Mamba-2 on a CPU: compiled loops behind autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scmamba._compiled import for_rows
from scmamba.nn.scan.cpu import gate, ssd_backward, ssd_forward
from scmamba.nn.scan.cpu.arrays import evenly_spaced, flat
from scmamba.nn.scan.cpu.convolution import gradients as conv_gradients
from scmamba.nn.scan.cpu.ssd_chunk import RUN, MixerArrays, ScanShape
from scmamba.nn.scan.cpu.ssd_scratch import ScanGradients
from scmamba.nn.scan.tensors import MixerSizes, MixerTensors


def conv_scan_gate(tensors: MixerTensors, norm_weight: Tensor, sizes: MixerSizes) -> Tensor:
    """See :func:`scmamba.nn.scan.mixer.conv_scan_gate`; float32, sizes that fit vectors.

    For training, the loops keep the result of the scan and a state for every few chunks.
    """
    y: Tensor = _ConvScanGate.apply(sizes, norm_weight, *tensors)
    return y


class _ConvScanGate(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, sizes: MixerSizes, norm_weight: Tensor, *tensors: Tensor
    ) -> Tensor:
        mixer = CompiledMixer(MixerTensors(*tensors), sizes)
        y, initial_states = mixer.scan(keep_states=any(ctx.needs_input_grad))
        ctx.sizes = sizes
        ctx.save_for_backward(norm_weight, y, initial_states, *tensors)
        return mixer.gate(y, norm_weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dout: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        norm_weight, y, initial_states, *tensors = ctx.saved_tensors
        mixer = CompiledMixer(MixerTensors(*tensors), ctx.sizes)
        dzxbc = torch.empty_like(tensors[0], memory_format=torch.contiguous_format)
        dy, dnorm_weight = mixer.gate_backward(y, norm_weight, dout.contiguous(), dzxbc)
        dBC, ddt, dA, dD = mixer.scan_backward(dy, initial_states)  # dy becomes the gradient of x
        dweight, dbias = mixer.conv_backward(dy, dBC, dzxbc)
        return None, dnorm_weight, dzxbc, ddt, dweight, dbias, dA, dD


class CompiledMixer:
    """The tensors of a mixer as the loops read them, and the loops one after another.

    Parameters
    ----------
    tensors, sizes
        What is computed from; float32 on a CPU.
    """

    def __init__(self, tensors: MixerTensors, sizes: MixerSizes) -> None:
        zxbc, dt, self.conv_weight, self.conv_bias, A, D = tensors
        zxbc = evenly_spaced(zxbc)
        batch, length, width = zxbc.shape
        self.d_inner, self.conv_dim = width - len(self.conv_bias), len(self.conv_bias)
        self.xbc, self.dt = zxbc[..., self.d_inner :], dt
        self.reverse, self.eps = np.array(sizes.directions), np.float32(sizes.eps)
        self.n_scans = len(self.reverse) * batch
        self.shape = ScanShape(
            rows=batch,
            length=length,
            stride=zxbc.stride(1),
            heads=len(D),
            headdim=sizes.headdim,
            groups=sizes.ngroups,
            d_state=sizes.d_state,
            d_conv=len(self.conv_weight),
            chunk=64 if sizes.d_state > 32 else 32,
            unit_heads=_heads_per_unit(len(D) // sizes.ngroups, self.n_scans * sizes.ngroups),
        )
        contiguous = (t.contiguous() for t in (dt, A, D, self.conv_weight, self.conv_bias))
        self.arrays = MixerArrays(*map(flat, (zxbc, *contiguous)))

    def scan(self, *, keep_states: bool) -> tuple[Tensor, Tensor]:
        """Scan: result (directions, B, L, d_inner), and states before each run of chunks."""
        s = self.shape
        runs = -(-s.length // (s.chunk * RUN)) if keep_states else 0
        y = self.dt.new_empty(len(self.reverse), s.rows, s.length, self.d_inner)
        states = self.dt.new_empty(self.n_scans, runs, s.heads, s.d_state, s.headdim)
        arrays = self.arrays, flat(y), flat(states)
        self._over_units(lambda *units: ssd_forward.forward(*arrays, s, self.reverse, *units))
        return y, states

    def gate(self, y: Tensor, norm_weight: Tensor) -> Tensor:
        """Gate and normalize ``y``, and add up the directions: (B, L, d_inner)."""
        out = torch.empty_like(y[0])
        arrays = flat(y), self.arrays.zxbc, flat(norm_weight.contiguous()), flat(out)
        sizes = self.shape, self.eps, len(self.reverse)
        self._over_tiles(lambda *units: gate.forward(*arrays, *sizes, *units))
        return out

    def gate_backward(
        self, y: Tensor, norm_weight: Tensor, dout: Tensor, dzxbc: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gradients of ``y`` and of the norm's weight; that of the gate z goes into ``dzxbc``."""
        dy, dnorm_weight = torch.empty_like(y), dout.new_zeros(self._n_tiles, self.d_inner)
        given = flat(y), self.arrays.zxbc, flat(norm_weight.contiguous()), flat(dout)
        filled = flat(dy), flat(dzxbc), flat(dnorm_weight)
        sizes = self.shape, dzxbc.shape[2], self.eps, len(self.reverse)
        self._over_tiles(lambda *units: gate.backward(*given, *filled, *sizes, *units))
        return dy, dnorm_weight.sum(0)

    def scan_backward(
        self, dy: Tensor, initial_states: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gradients of B and C (directions, B, L, 2 * groups * d_state), dt, A and D.

        ``dy`` (directions, B, L, d_inner) becomes the gradient of x.
        """
        s, g = self.shape, self.shape.groups
        parts = s.heads // s.unit_heads
        dBC = dy.new_empty(self.n_scans, g, parts // g, s.length, 2, s.d_state)
        ddt = dy.new_empty(len(self.reverse), *self.dt.shape)
        rates = dy.new_empty(2, self.n_scans, s.heads, dtype=torch.float64)
        arrays = self.arrays, flat(initial_states), ScanGradients(*map(flat, (dy, dBC, ddt, rates)))
        self._over_units(lambda *units: ssd_backward.backward(*arrays, s, self.reverse, *units))
        dBC = dBC.sum(2).permute(0, 2, 3, 1, 4).reshape(*dy.shape[:3], -1)
        dA, dD = rates.sum(1).to(dy.dtype)
        return dBC, ddt.sum(0), dA, dD

    def conv_backward(self, dx: Tensor, dBC: Tensor, dzxbc: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients of the convolution's weight and bias; that of its input goes into ``dzxbc``."""
        s, dxbc = self.shape, dzxbc[..., self.d_inner :]
        dweight, dbias = torch.zeros_like(self.conv_weight), torch.zeros_like(self.conv_bias)
        zeros = dx.new_zeros(s.rows, s.d_conv - 1, self.conv_dim)
        for i, back in enumerate(self.reverse.tolist()):
            for dafter, channels in (
                (dx[i], slice(self.d_inner)),
                (dBC[i], slice(self.d_inner, None)),
            ):
                state, weight, bias = (
                    t[..., channels].contiguous() for t in (zeros, self.conv_weight, self.conv_bias)
                )
                found = conv_gradients(self.xbc[..., channels], state, weight, bias, dafter, back)
                part = dxbc[..., channels]
                part.copy_(found[0]) if i == 0 else part.add_(found[0])
                dweight[:, channels] += found[1]
                dbias[channels] += found[2]
        return dweight, dbias

    @property
    def _n_tiles(self) -> int:
        return self.shape.rows * -(-self.shape.length // gate.TILE)

    def _over_units(self, work: Callable[[int, int], None]) -> None:
        s = self.shape
        n = self.n_scans * s.length * self.d_inner * s.d_state
        for_rows(work, self.n_scans * s.heads // s.unit_heads, n, amid_torch=True)

    def _over_tiles(self, work: Callable[[int, int], None]) -> None:
        n = 4 * self.n_scans * self.shape.length * self.d_inner
        for_rows(work, self._n_tiles, n, amid_torch=True)


def _heads_per_unit(heads: int, n_scans: int) -> int:
    """Heads of a unit of work: as many as leave every thread something to do.

    ``heads`` and ``n_scans`` count per group; computing B and C costs half a head.
    """
    threads = torch.get_num_threads()

    def cost(per_unit: int) -> float:
        return -(-n_scans * (heads // per_unit) // threads) * (per_unit + 0.5)

    return min((n for n in range(1, heads + 1) if heads % n == 0), key=cost)
