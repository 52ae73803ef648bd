"""Depthwise convolution with SiLU, causal or anti-causal, as before the scans."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scmamba.nn.scan.cpu import convolution as compiled
from scmamba.nn.scan.dispatch import implementation


def conv_silu(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    conv_state: Tensor | None = None,
    reverse: bool = False,
) -> Tensor:
    """SiLU of the convolution of ``x`` along its second axis.

    Parameters
    ----------
    x
        (B, L, channels) input, 0 at padding.
    weight, bias
        (channels, 1, d_conv) and (channels,), as in :class:`torch.nn.Conv1d`.
    conv_state
        (B, d_conv - 1, channels) inputs before the first position, or behind the last with
        ``reverse``; zeros by default. No gradient flows into it.
    reverse
        Each position reads itself and later ones.

    Returns
    -------
    Tensor
        (B, L, channels).

    Examples
    --------
    A sum over two neighbors, before SiLU:

    >>> import torch
    >>> from scmamba.nn.scan.convolution import conv_silu
    >>> x, weight = torch.ones(1, 3, 1), torch.ones(1, 1, 2)
    >>> conv_silu(x, weight, None).flatten()  # silu(1), silu(2), silu(2)
    tensor([0.7311, 1.7616, 1.7616])
    """
    if conv_state is None:
        conv_state = x.new_zeros(len(x), weight.shape[2] - 1, x.shape[2])
    conv_state = conv_state.detach().to(x.dtype)
    if implementation("convolution", [x, weight], vectors=[x.shape[2]]) == "compiled":
        bias = weight.new_zeros(len(weight)) if bias is None else bias
        return compiled.conv_silu(x, conv_state, weight, bias, reverse)
    window = torch.cat([x, conv_state] if reverse else [conv_state, x], 1)
    kernel = weight.flip(2) if reverse else weight
    y = F.conv1d(window.mT, kernel, groups=len(weight))
    # added apart, the bias gets a gradient that is summed pairwise, not token after token
    return F.silu(y if bias is None else y + bias[:, None]).mT
