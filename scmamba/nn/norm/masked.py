"""A batch norm that leaves padding out."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MaskedBatchNorm1d(nn.BatchNorm1d):
    """Batch norm over the features of tokens, with statistics of unpadded tokens only.

    Running statistics are updated as in :class:`torch.nn.BatchNorm1d`. Padding becomes zero.

    Parameters
    ----------
    d
        Number of features.
    eps
        Added to the variance; 6.1e-5 in the published model.
    affine
        Whether features have a learned scale and shift.
    least
        Smallest number of tokens that are normalized by their own statistics in training. Fewer
        are normalized by the running statistics, which they update in proportion to their number.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.norm import MaskedBatchNorm1d
    >>> norm = MaskedBatchNorm1d(4)
    >>> padded = torch.tensor([[False, False, True]])
    >>> norm(torch.randn(1, 3, 4), padded)[0, 2]
    tensor([0., 0., 0., 0.], grad_fn=<SelectBackward0>)
    """

    def __init__(self, d: int, eps: float = 6.1e-5, affine: bool = True, *, least: int = 2) -> None:
        super().__init__(d, eps=eps, affine=affine)
        self.least = least

    def forward(self, x: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Normalize ``x`` (..., d); ``padding_mask`` (...) is True where padded."""
        if padding_mask is None:
            return self.norm_tokens(x.flatten(0, -2)).view_as(x)
        return norm_where(x, ~padding_mask, self.norm_tokens)

    def norm_tokens(self, tokens: Tensor) -> Tensor:
        """Normalize tokens (n, d), by their own statistics where there are enough of them."""
        if not self.training or len(tokens) >= self.least:
            return super().forward(tokens)
        assert self.running_mean is not None and self.running_var is not None
        mean, var = self.running_mean.clone(), self.running_var.clone()
        normed = F.batch_norm(tokens, mean, var, self.weight, self.bias, eps=self.eps)
        if self.least > 2 and len(tokens):
            with torch.no_grad():
                rate = (self.momentum or 0.0) * len(tokens) / self.least
                off = tokens.detach() - mean
                self.running_mean.lerp_(mean + off.mean(0), rate)
                self.running_var.lerp_(off.square().mean(0), rate)
        return normed


def norm_where(x: Tensor, real: Tensor, norm: Callable[[Tensor], Tensor]) -> Tensor:
    """``norm`` of the tokens of ``x`` (..., d) where ``real`` (...) is True, 0 elsewhere."""
    index = real.flatten().nonzero().squeeze(1)
    tokens = x.flatten(0, -2)
    normed = norm(tokens.index_select(0, index))
    return torch.zeros_like(tokens, dtype=normed.dtype).index_copy(0, index, normed).view_as(x)
