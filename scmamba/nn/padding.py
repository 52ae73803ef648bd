"""Padding masks of mixers: checked once, then applied."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from scmamba._errors import ScmambaError


def check_padding_mask(padding_mask: Tensor | None, u: Tensor) -> None:
    """Check that ``padding_mask`` is boolean (B, L) for ``u`` (B, L, d_model), or None.

    Raises
    ------
    ScmambaError
        The mask has another type or shape.
    """
    if padding_mask is not None and (padding_mask.shape, padding_mask.dtype) != (
        u.shape[:2],
        torch.bool,
    ):
        raise ScmambaError(
            f"padding_mask is {padding_mask.dtype} {tuple(padding_mask.shape)}; "
            f"give torch.bool {tuple(u.shape[:2])}, True where padded"
        )


def zero_padding(t: Tensor, padding_mask: Tensor | None) -> Tensor:
    """Set ``t`` (B, L, ...) to zero where ``padding_mask`` (B, L) is True.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.padding import zero_padding
    >>> zero_padding(torch.ones(1, 3, 1), torch.tensor([[False, False, True]])).flatten()
    tensor([1., 1., 0.])
    """
    return t if padding_mask is None else t.masked_fill(padding_mask[..., None], 0)


def chunked(t: Tensor, size: int) -> Tensor:
    """Split positions into chunks, (B, L, ...) to (B, n_chunks, size, ...), zeros behind the end.

    In a scan, step sizes are 0 there, so that these positions change nothing.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.padding import chunked
    >>> chunked(torch.ones(1, 3, 1), 2).squeeze()
    tensor([[1., 1.],
            [1., 0.]])
    """
    padded = F.pad(t.flatten(2), (0, 0, 0, -t.shape[1] % size))
    return padded.view(len(t), -1, size, *t.shape[2:])
