"""A Mamba-2 mixer between its projections in PyTorch, one block of tokens at a time.

Convolution, SiLU, scan, gate and RMS norm need little arithmetic; they cost memory traffic. On a
CPU they therefore run over blocks of tokens that stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scmamba.nn.scan import chunk_gradients, chunks
from scmamba.nn.scan.chunk_decays import wide_type
from scmamba.nn.scan.ssd import chunk_length
from scmamba.nn.scan.tensors import MixerSizes, MixerTensors

BLOCK = 1 << 19
"""Numbers in a (tokens, d_inner) block on a CPU: 2 MiB."""


class TokenBlock(NamedTuple):
    """Rows and tokens that are computed at once, in one direction."""

    rows: slice
    start: int
    stop: int
    reverse: bool


class Activations(NamedTuple):
    """What the forward pass of a block computes and the backward pass needs again."""

    convolved: Tensor  # (rows, tokens, conv_dim), zeros behind the end up to a whole chunk
    xbc: Tensor  # the same after SiLU: x, B, C
    y: Tensor  # (rows, tokens, d_inner) scan with skip connection
    gate: Tensor  # (rows, tokens, d_inner) SiLU of z
    gated: Tensor  # (rows, tokens, groups, d_inner / groups)
    scale: Tensor  # (rows, tokens, groups, 1) of the norm: the result is gated * scale
    scan: chunks.Saved

    def flat(self) -> list[Tensor]:
        """All tensors in one list, as autograd keeps them."""
        return [*self[:-1], *self.scan]

    @classmethod
    def pop(cls, kept: list[Tensor]) -> Activations:
        """Take back what :meth:`flat` last appended to ``kept``."""
        own, inner = len(cls._fields) - 1, len(chunks.Saved._fields)
        last = kept[-own - inner :]
        del kept[-own - inner :]
        return cls._make([*last[:own], chunks.Saved._make(last[own:])])


class BlockedMixer:
    """Forward and backward passes of one block, and the order of the blocks.

    Parameters
    ----------
    tensors, sizes
        What is computed from.
    """

    def __init__(self, tensors: MixerTensors, sizes: MixerSizes) -> None:
        zxbc, self.dt, self.conv_weight, self.conv_bias, self.A, D = tensors
        self.sizes, self.skip = sizes, D[:, None]
        self.batch, self.length, width = zxbc.shape
        self.d_conv, self.conv_dim = self.conv_weight.shape
        self.d_inner, self.heads = width - self.conv_dim, len(D)
        self.z, self.xbc = zxbc.split([self.d_inner, self.conv_dim], -1)
        self.chunk = chunk_length(self.length, sizes.chunk_size, sizes.d_state)
        padded = -(-self.length // self.chunk) * self.chunk
        self.rows, self.tokens = self.batch, padded  # of a block
        if zxbc.device.type == "cpu":
            tokens = max(BLOCK // self.d_inner, self.chunk)
            self.rows = max(1, min(self.batch, tokens // padded))
            self.tokens = min(padded, tokens // self.chunk * self.chunk)

    def sweeps(self) -> Iterator[list[TokenBlock]]:
        """Blocks in the order of the scan, for each group of rows and each direction."""
        for first in range(0, self.batch, self.rows):
            rows = slice(first, min(first + self.rows, self.batch))
            for reverse in self.sizes.directions:
                starts = range(0, self.length, self.tokens)[:: -1 if reverse else 1]
                ends = (min(start + self.tokens, self.length) for start in starts)
                yield [TokenBlock(rows, a, b, reverse) for a, b in zip(starts, ends, strict=True)]

    def zero_state(self, rows: slice) -> Tensor:
        """State before the first block, (rows, groups, d_state, heads / groups, headdim)."""
        g = self.sizes.ngroups
        shape = (rows.stop - rows.start, g, self.sizes.d_state, self.heads // g, self.sizes.headdim)
        return self.dt.new_zeros(shape)

    def forward(self, block: TokenBlock, state: Tensor) -> Activations:
        """Convolution, SiLU, scan from ``state``, gate, and scale of the norm."""
        n_tokens = block.stop - block.start
        convolved = self._convolve(block)  # (rows, whole chunks, conv_dim)
        xbc = F.silu(convolved)
        inputs = self._scan_inputs(block, xbc)
        scan = chunks.forward(inputs, state, block.reverse)
        y = torch.addcmul(scan.y, inputs.x, self.skip).view(len(xbc), -1, self.d_inner)
        y = y[:, :n_tokens]  # (rows, tokens, d_inner)
        gate = F.silu(self.z[block.rows, block.start : block.stop].to(y.dtype))
        gated = (y * gate).view(*y.shape[:2], self.sizes.ngroups, -1)
        square = torch.linalg.vector_norm(gated, dim=-1, keepdim=True).square_()
        scale = square.div_(gated.shape[-1]).add_(self.sizes.eps).rsqrt_()
        return Activations(convolved, xbc, y, gate, gated, scale, scan)

    def backward(
        self,
        block: TokenBlock,
        activations: Activations,
        dnormed: Tensor,
        dfinal_state: Tensor,
        gradients: MixerTensors,
    ) -> Tensor:
        """Add a block's gradients to ``gradients``.

        Parameters
        ----------
        block, activations
            The block, and what :meth:`forward` computed for it.
        dnormed
            (batch, L, d_inner) gradient of the result.
        dfinal_state
            Gradient of the state after the block.
        gradients
            Receives the gradients of the mixer's tensors.

        Returns
        -------
        Tensor
            Gradient of the state before the block.
        """
        convolved, xbc, y, gate, gated, scale, scan = activations
        here = block.rows, slice(block.start, block.stop)
        dz, dxbc_in = gradients.zxbc.split([self.d_inner, self.conv_dim], -1)

        # norm and gate
        dnormed = dnormed[here].view_as(gated)
        along = (dnormed * gated).mean(-1, keepdim=True).mul_(scale).mul_(scale)
        dgated = torch.addcmul(dnormed, gated, along, value=-1).mul_(scale).view_as(y)
        dz[here] += torch.ops.aten.silu_backward(dgated * y, self.z[here].to(y.dtype))
        dy = self._chunked(dgated.mul_(gate)).unflatten(-1, (self.heads, -1))

        # scan
        inputs = self._scan_inputs(block, xbc)
        g = chunk_gradients.backward(inputs, scan, dy, dfinal_state, block.reverse)
        wide = wide_type(dy)  # sums over many tokens
        gradients.D.add_((dy * inputs.x).sum(-1).sum((0, 1, 2), dtype=wide).to(dy.dtype))
        gradients.A.add_(g.A)
        gradients.dt[here] += g.dt.flatten(1, 2)[:, : y.shape[1]]

        # convolution
        dx = g.x.addcmul_(dy, self.skip)
        dxbc = torch.cat([t.flatten(3) for t in (dx, g.B, g.C)], -1).view_as(convolved)
        dconvolved = torch.ops.aten.silu_backward(dxbc, convolved)[:, : y.shape[1]]
        gradients.conv_bias.add_(dconvolved.sum((0, 1)))
        for k, inside, source in self._reach(block):
            part = dconvolved[:, inside]
            gradients.conv_weight[k].add_((part * self.xbc[block.rows, source]).sum((0, 1)))
            dxbc_in[block.rows, source].addcmul_(part, self.conv_weight[k])
        return g.initial_state

    def _scan_inputs(self, block: TokenBlock, xbc: Tensor) -> chunks.Inputs:
        """Cut the output of the convolution into the inputs of the scan."""
        g, d_state = self.sizes.ngroups, self.sizes.d_state
        split = xbc.view(len(xbc), -1, self.chunk, self.conv_dim)
        x, B, C = split.split([self.d_inner, g * d_state, g * d_state], -1)
        dt = self._chunked(self.dt[block.rows, block.start : block.stop])
        shape = (*split.shape[:3], g, d_state)
        return chunks.Inputs(
            x.unflatten(-1, (self.heads, -1)), dt, self.A, B.view(shape), C.view(shape)
        )

    def _chunked(self, t: Tensor) -> Tensor:
        """(rows, tokens, ...) to (rows, chunks, positions, ...), zeros behind the end."""
        if missing := -t.shape[1] % self.chunk:
            t = F.pad(t, (0, 0, 0, missing))
        return t.unflatten(1, (-1, self.chunk))

    def _convolve(self, block: TokenBlock) -> Tensor:
        """Depthwise convolution over the last ``d_conv`` tokens, or the next with ``reverse``."""
        xbc = self.xbc[block.rows]
        own = self.d_conv - 1  # the weight of the token itself
        out = torch.addcmul(self.conv_bias, xbc[:, block.start : block.stop], self.conv_weight[own])
        for k, inside, source in self._reach(block):
            if k != own:
                out[:, inside].addcmul_(xbc[:, source], self.conv_weight[k])
        missing = -out.shape[1] % self.chunk
        return F.pad(out, (0, 0, 0, missing)) if missing else out

    def _reach(self, block: TokenBlock) -> Iterator[tuple[int, slice, slice]]:
        """For each weight of the convolution: positions of the block, and those it reads there."""
        for k in range(self.d_conv):
            shift = self.d_conv - 1 - k if block.reverse else k - self.d_conv + 1
            low, high = max(block.start, -shift), min(block.stop, self.length - shift)
            if low < high:
                inside = slice(low - block.start, high - block.start)
                yield k, inside, slice(low + shift, high + shift)
