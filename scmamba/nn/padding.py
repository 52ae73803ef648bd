"""Padding, as every mixer meets it: checked once, then blanked."""

from __future__ import annotations

import torch
from torch import Tensor

from scmamba._errors import ScmambaError


def check_padding(padding_mask: Tensor | None, u: Tensor) -> None:
    """Raise if ``padding_mask`` is not boolean (B, L) for ``u`` (B, L, d_model)."""
    if padding_mask is not None and (padding_mask.shape, padding_mask.dtype) != (
        u.shape[:2],
        torch.bool,
    ):
        raise ScmambaError(
            f"padding_mask is {padding_mask.dtype} {tuple(padding_mask.shape)}; "
            f"give torch.bool {tuple(u.shape[:2])}, True where padded"
        )


def blank(t: Tensor, padding_mask: Tensor | None) -> Tensor:
    """``t`` (B, L, ...) with zeros where ``padding_mask`` (B, L) is True."""
    return t if padding_mask is None else t.masked_fill(padding_mask[..., None], 0)
