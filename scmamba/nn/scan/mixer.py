"""What a Mamba-2 mixer does between its two projections, on one page.

For each direction, with the letters of :mod:`scmamba.nn.scan.reference`:

    xbc = silu(conv1d(xbc))                          (B, L, conv_dim = d_inner + 2 G N)
    x, B, C = split(xbc)                             (B, L, H, P), (B, L, G, N), (B, L, G, N)
    y = ssd(x, dt, A, B, C, D)                       (B, L, H, P)
    y = rms_norm(y * silu(z)) * norm_weight          (B, L, d_inner)

Four light operations in a row cost memory traffic rather than arithmetic, so each device has its
own way to fuse them: compiled loops on a CPU (:mod:`scmamba.nn.scan.cpu.mixer`), blocks of tokens
in PyTorch (:mod:`scmamba.nn.scan.torch_mixer`), or the kernels of mamba-ssm, below.
"""

from __future__ import annotations

import torch
from torch import Tensor

from scmamba.nn.norm import gated_rms_norm
from scmamba.nn.scan import cuda, torch_mixer
from scmamba.nn.scan.cpu import mixer as compiled_mixer
from scmamba.nn.scan.dispatch import implementation
from scmamba.nn.scan.tensors import MixerSizes, MixerTensors


def conv_scan_gate(
    zxbc: Tensor,
    dt: Tensor,
    conv_weight: Tensor,
    conv_bias: Tensor | None,
    A: Tensor,
    D: Tensor,
    norm_weight: Tensor,
    sizes: MixerSizes,
) -> Tensor:
    """Convolution, scan, gate and norm, summed over directions.

    Parameters
    ----------
    zxbc
        (B, L, d_inner + conv_dim) gate z, then x, B and C before the convolution; 0 at padding.
    dt
        (B, L, H) step sizes after softplus, 0 at padding.
    conv_weight, conv_bias
        (conv_dim, 1, d_conv) and (conv_dim,) of the depthwise convolution.
    A, D
        (H,) decay rates and skip connection.
    norm_weight
        (d_inner,) weight of the norm.
    sizes
        What the shapes do not say.

    Returns
    -------
    Tensor
        (B, L, d_inner), in at least float32.

    Examples
    --------
    Two heads of eight channels that read four tokens in both directions:

    >>> import torch
    >>> from scmamba.nn.scan.mixer import conv_scan_gate
    >>> from scmamba.nn.scan.tensors import MixerSizes
    >>> sizes = MixerSizes(
    ...     headdim=8, ngroups=1, d_state=4, chunk_size=64, eps=1e-5, directions=(False, True)
    ... )
    >>> zxbc, dt = torch.randn(1, 4, 16 + 24), torch.rand(1, 4, 2)
    >>> weight, A, D = torch.randn(24, 1, 4), -torch.ones(2), torch.ones(2)
    >>> conv_scan_gate(zxbc, dt, weight, None, A, D, torch.ones(16), sizes).shape
    torch.Size([1, 4, 16])
    """
    fits = 2 <= conv_weight.shape[2] <= 4
    vectors = sizes.headdim, sizes.d_state
    chosen = implementation("mamba2", [zxbc], vectors=vectors, cuda_fits=fits)
    if chosen == "cuda":
        return _by_cuda_kernels(zxbc, dt, conv_weight, conv_bias, A, D, norm_weight, sizes)
    conv_bias = A.new_zeros(len(conv_weight)) if conv_bias is None else conv_bias
    dtype = torch.promote_types(zxbc.dtype, torch.float32)
    others = (t.to(dtype) for t in (dt, conv_weight[:, 0].T.contiguous(), conv_bias, A, D))
    tensors, norm_weight = MixerTensors(zxbc, *others), norm_weight.to(dtype)
    with torch.autocast(zxbc.device.type, enabled=False):
        if chosen == "compiled":
            return compiled_mixer.conv_scan_gate(tensors, norm_weight, sizes)
        return torch_mixer.conv_scan_gate(tensors, norm_weight, sizes)


def _by_cuda_kernels(
    zxbc: Tensor,
    dt: Tensor,
    conv_weight: Tensor,
    conv_bias: Tensor | None,
    A: Tensor,
    D: Tensor,
    norm_weight: Tensor,
    sizes: MixerSizes,
) -> Tensor:
    """Run the kernels of mamba-ssm: they are causal, so the second direction flips.

    Padding that comes to lie in front is zero and changes nothing.
    """
    G, N = sizes.ngroups, sizes.d_state
    conv_dim = len(conv_weight)
    d_inner = conv_dim - 2 * G * N
    z, xbc = zxbc.split([d_inner, conv_dim], -1)
    normed = []
    for reverse in sizes.directions:
        xbc_, dt_ = (t.flip(1) if reverse else t for t in (xbc, dt))
        convolved = cuda.conv_silu(xbc_, conv_weight, conv_bias)  # (B, L, conv_dim)
        x, B, C = convolved.split([d_inner, G * N, G * N], -1)
        x = x.unflatten(-1, (-1, sizes.headdim))  # (B, L, H, P)
        B, C = B.unflatten(-1, (G, N)), C.unflatten(-1, (G, N))  # (B, L, G, N)
        y = cuda.ssd(x, dt_, A, B, C, D, sizes.chunk_size).flatten(-2)  # (B, L, d_inner)
        y = y.flip(1) if reverse else y
        normed.append(gated_rms_norm(y, z, norm_weight, G, sizes.eps))  # (B, L, d_inner)
    return torch.stack(normed).sum(0) if len(normed) > 1 else normed[0]
