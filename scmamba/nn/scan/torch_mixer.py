"""Convolution, scan, gate and norm of Mamba-2 in PyTorch, block by block, behind autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scmamba.nn.scan.blocked import Activations, BlockedMixer
from scmamba.nn.scan.tensors import MixerSizes, MixerTensors

_KEEP = 1 << 22  # numbers (B * L * d_inner * directions) up to which activations are kept


def conv_scan_gate(tensors: MixerTensors, norm_weight: Tensor, sizes: MixerSizes) -> Tensor:
    """Sum over directions of the gated, normed scan, (B, L, d_inner).

    For training, short inputs keep all activations, about 50 bytes per number. Long ones keep only
    the states between blocks and compute each block again in the backward pass: a sixth slower,
    with memory that does not grow with the activations.
    """
    if torch.is_grad_enabled() and any(t.requires_grad for t in (*tensors, norm_weight)):
        y: Tensor = _ConvScanGate.apply(sizes, *tensors)
        return y * norm_weight
    return _forward(BlockedMixer(tensors, sizes)).mul_(norm_weight)


def _forward(
    mixer: BlockedMixer, keep: Callable[[Tensor, Activations], None] | None = None
) -> Tensor:
    """Compute all blocks; ``keep`` receives each block's initial state and activations."""
    y = mixer.dt.new_empty(mixer.batch, mixer.length, mixer.d_inner)
    for sweep in mixer.sweeps():
        state = mixer.zero_state(sweep[0].rows)
        for block in sweep:
            activations = mixer.forward(block, state)
            if keep is not None:
                keep(state, activations)
            state = activations.scan.final_state
            out = y[block.rows, block.start : block.stop].view_as(activations.gated)
            if block.reverse == mixer.sizes.directions[0]:
                torch.mul(activations.gated, activations.scale, out=out)
            else:
                out.addcmul_(activations.gated, activations.scale)
    return y


class _ConvScanGate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sizes: MixerSizes, *tensors: Tensor) -> Tensor:  # type: ignore[override]
        mixer = BlockedMixer(MixerTensors(*tensors), sizes)
        kept: list[Tensor] = []
        ctx.sizes = sizes
        ctx.recompute = mixer.batch * mixer.length * mixer.d_inner * len(sizes.directions) > _KEEP
        if ctx.recompute:
            y = _forward(mixer, lambda state, activations: kept.append(state))
        else:
            y = _forward(mixer, lambda state, activations: kept.extend(activations.flat()))
        ctx.save_for_backward(*tensors, *kept)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dnormed: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        n, saved = len(MixerTensors._fields), ctx.saved_tensors  # checkpointing reads it once
        tensors, kept = MixerTensors(*saved[:n]), list(saved[n:])
        mixer = BlockedMixer(tensors, ctx.sizes)
        gradients = MixerTensors(*map(torch.zeros_like, tensors))
        with torch.autocast(dnormed.device.type, enabled=False):
            for sweep in reversed(list(mixer.sweeps())):
                dstate = mixer.zero_state(sweep[0].rows)
                for block in reversed(sweep):
                    if ctx.recompute:
                        activations = mixer.forward(block, kept.pop())
                    else:
                        activations = Activations.pop(kept)
                    dstate = mixer.backward(block, activations, dnormed, dstate, gradients)
        return None, *gradients
