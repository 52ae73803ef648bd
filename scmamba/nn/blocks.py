"""What a mixer does between its two projections, for one block of tokens in one direction.

Convolution, SiLU, scan, gate and RMS norm are light on arithmetic; what they cost is memory
traffic. So on a CPU they run over blocks of tokens that stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scmamba.nn import chunks
from scmamba.nn.ssd import chunk_length

_BLOCK = 1 << 19  # numbers in a (tokens, d_inner) block on a CPU: 2 MiB


@dataclass(frozen=True)
class Sizes:
    """What a mixer's tensors do not say by their shapes."""

    headdim: int
    ngroups: int
    d_state: int
    chunk_size: int
    eps: float
    directions: tuple[bool, ...]  # True: from the last position to the first


class Block(NamedTuple):
    """Rows and tokens that are computed at once, in one direction."""

    rows: slice
    start: int
    stop: int
    reverse: bool


class Active(NamedTuple):
    """What a block computes; the backward pass needs all of it."""

    before: Tensor  # (rows, tokens, conv_dim) convolution, with zeros behind up to a whole chunk
    after: Tensor  # the same after SiLU: x, B, C
    y: Tensor  # (rows, tokens, d_inner) scan with skip connection
    gate: Tensor  # (rows, tokens, d_inner) SiLU of z
    gated: Tensor  # (rows, tokens, groups, d_inner / groups)
    scale: Tensor  # (rows, tokens, groups, 1) of the norm: the result is gated * scale
    scan: chunks.Saved

    def flat(self) -> list[Tensor]:
        """All tensors in one list, as autograd keeps them."""
        return [*self[:-1], *self.scan]

    @classmethod
    def pop(cls, kept: list[Tensor]) -> Active:
        """Take back what :meth:`flat` last appended to ``kept``."""
        own, inner = len(cls._fields) - 1, len(chunks.Saved._fields)
        last = kept[-own - inner :]
        del kept[-own - inner :]
        return cls._make([*last[:own], chunks.Saved._make(last[own:])])


class Operands(NamedTuple):
    """The tensors of :func:`scmamba.nn.fused.mix`, or their gradients."""

    zxbc: Tensor  # (batch, L, d_inner + conv_dim)
    dt: Tensor  # (batch, L, heads)
    weight: Tensor  # (width, conv_dim) taps of the convolution
    bias: Tensor  # (conv_dim,)
    A: Tensor  # (heads,)
    D: Tensor  # (heads,)


class Work:
    """The operands, how they are cut into blocks, and what is done to a block."""

    def __init__(self, operands: Operands, sizes: Sizes) -> None:
        zxbc, self.dt, self.weight, self.bias, self.A, D = operands
        self.sizes, self.skip = sizes, D[:, None]
        self.batch, self.length, width = zxbc.shape
        self.taps, self.conv_dim = self.weight.shape
        self.d_inner, self.heads = width - self.conv_dim, len(D)
        self.z, self.xbc = zxbc.split([self.d_inner, self.conv_dim], -1)
        self.chunk = chunk_length(self.length, sizes.chunk_size, sizes.d_state)
        padded = -(-self.length // self.chunk) * self.chunk
        self.rows, self.tokens = self.batch, padded
        if zxbc.device.type == "cpu":
            tokens = max(_BLOCK // self.d_inner, self.chunk)
            self.rows = max(1, min(self.batch, tokens // padded))
            self.tokens = min(padded, tokens // self.chunk * self.chunk)

    def runs(self) -> Iterator[list[Block]]:
        """Blocks in the order of the scan, for each group of rows and each direction."""
        for first in range(0, self.batch, self.rows):
            rows = slice(first, min(first + self.rows, self.batch))
            for reverse in self.sizes.directions:
                starts = range(0, self.length, self.tokens)[:: -1 if reverse else 1]
                ends = (min(start + self.tokens, self.length) for start in starts)
                yield [Block(rows, a, b, reverse) for a, b in zip(starts, ends, strict=True)]

    def no_state(self, rows: slice) -> Tensor:
        """State before the first block of a run."""
        g = self.sizes.ngroups
        shape = (rows.stop - rows.start, g, self.sizes.d_state, self.heads // g, self.sizes.headdim)
        return self.dt.new_zeros(shape)

    def forward(self, block: Block, state: Tensor) -> Active:
        """Convolution, SiLU, scan from ``state``, gate, and scale of the norm."""
        before = self._convolve(block)
        after = F.silu(before)
        inputs = self._inputs(block, after)
        scan = chunks.forward(inputs, state, block.reverse)
        y = torch.addcmul(scan.y, inputs.x, self.skip).view(len(before), -1, self.d_inner)
        y = y[:, : block.stop - block.start]
        gate = F.silu(self.z[block.rows, block.start : block.stop].to(y.dtype))
        gated = (y * gate).view(*y.shape[:2], self.sizes.ngroups, -1)
        square = torch.linalg.vector_norm(gated, dim=-1, keepdim=True).square_()
        scale = square.div_(gated.shape[-1]).add_(self.sizes.eps).rsqrt_()
        return Active(before, after, y, gate, gated, scale, scan)

    def backward(
        self, block: Block, active: Active, dnormed: Tensor, dstate: Tensor, out: Operands
    ) -> Tensor:
        """Add a block's gradients to ``out``.

        Parameters
        ----------
        block, active
            The block, and what :meth:`forward` computed for it.
        dnormed
            (batch, L, d_inner) gradient of the result.
        dstate
            Gradient of the state that left the block.
        out
            Receives the gradients of the operands.

        Returns
        -------
        dstate
            Gradient of the state that entered the block.
        """
        before, after, y, gate, gated, scale, scan = active
        here = block.rows, slice(block.start, block.stop)
        dz, dxbc = out.zxbc.split([self.d_inner, self.conv_dim], -1)

        # norm and gate
        dnormed = dnormed[here].view_as(gated)
        share = (dnormed * gated).mean(-1, keepdim=True).mul_(scale).mul_(scale)
        dgated = torch.addcmul(dnormed, gated, share, value=-1).mul_(scale).view_as(y)
        dz[here] += torch.ops.aten.silu_backward(dgated * y, self.z[here].to(y.dtype))
        dy = self._chunked(dgated.mul_(gate)).unflatten(-1, (self.heads, -1))

        # scan
        inputs = self._inputs(block, after)
        g = chunks.backward(inputs, scan, dy, dstate, block.reverse)
        out.D.add_((dy * inputs.x).sum((0, 1, 2, 4)))
        out.A.add_(g.A)
        out.dt[here] += g.dt.flatten(1, 2)[:, : y.shape[1]]

        # convolution
        dx = g.x.addcmul_(dy, self.skip)
        dafter = torch.cat([t.flatten(3) for t in (dx, g.B, g.C)], -1).view_as(before)
        dbefore = torch.ops.aten.silu_backward(dafter, before)[:, : y.shape[1]]
        out.bias.add_(dbefore.sum((0, 1)))
        for tap, inside, source in self._reach(block):
            part = dbefore[:, inside]
            out.weight[tap].add_((part * self.xbc[block.rows, source]).sum((0, 1)))
            dxbc[block.rows, source].addcmul_(part, self.weight[tap])
        return g.state

    def _inputs(self, block: Block, after: Tensor) -> chunks.Inputs:
        """Inputs of the scan from the output of the convolution."""
        g, d_state = self.sizes.ngroups, self.sizes.d_state
        split = after.view(len(after), -1, self.chunk, self.conv_dim)
        x, B, C = split.split([self.d_inner, g * d_state, g * d_state], -1)
        dt = self._chunked(self.dt[block.rows, block.start : block.stop])
        shape = (*split.shape[:3], g, d_state)
        return chunks.Inputs(
            x.unflatten(-1, (self.heads, -1)), dt, self.A, B.view(shape), C.view(shape)
        )

    def _chunked(self, t: Tensor) -> Tensor:
        """(rows, tokens, ...) to (rows, chunks, positions, ...), zeros behind the end."""
        if behind := -t.shape[1] % self.chunk:
            t = F.pad(t, (0, 0, 0, behind))
        return t.unflatten(1, (-1, self.chunk))

    def _convolve(self, block: Block) -> Tensor:
        """Depthwise convolution over earlier tokens, or over later ones."""
        xbc = self.xbc[block.rows]
        here = self.taps - 1  # the tap that reads the token itself
        out = torch.addcmul(self.bias, xbc[:, block.start : block.stop], self.weight[here])
        for tap, inside, source in self._reach(block):
            if tap != here:
                out[:, inside].addcmul_(xbc[:, source], self.weight[tap])
        behind = -out.shape[1] % self.chunk
        return F.pad(out, (0, 0, 0, behind)) if behind else out

    def _reach(self, block: Block) -> Iterator[tuple[int, slice, slice]]:
        """For each tap: its index, the positions of the block it reaches, and where it reads."""
        for tap in range(self.taps):
            shift = self.taps - 1 - tap if block.reverse else tap - self.taps + 1
            low, high = max(block.start, -shift), min(block.stop, self.length - shift)
            if low < high:
                inside = slice(low - block.start, high - block.start)
                yield tap, inside, slice(low + shift, high + shift)
