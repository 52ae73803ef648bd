"""The backbone of cell models: a stack of residual mixer layers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from scmamba._errors import ScmambaError
from scmamba.nn.bidirectional import BidirectionalMamba2
from scmamba.nn.block import Block
from scmamba.nn.mamba2 import Mamba2

_MIXERS: dict[str, type[Mamba2]] = {"causal": Mamba2, "bidirectional": BidirectionalMamba2}


class Stack(nn.Module):
    """``n_layer`` blocks, named as in the published state dict: ``layers.N.mamba.*``.

    Parameters
    ----------
    n_layer
        Number of layers.
    d_model
        Width.
    direction
        ``"bidirectional"`` or ``"causal"``.
    pre_norm, mlp_ratio, dropout
        See :class:`~scmamba.nn.block.Block`.
    **mixer
        Further arguments of :class:`~scmamba.nn.mamba2.Mamba2`: ``d_state``, ``headdim``, ...

    Attributes
    ----------
    checkpointing
        Whether the backward pass keeps only the input of each layer and computes the layer again:
        memory of training then hardly grows with ``n_layer``, at a third more time. Default False.

    Raises
    ------
    ScmambaError
        An unknown ``direction``, or a negative ``n_layer``.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.stack import Stack
    >>> stack = Stack(n_layer=2, d_model=16, d_state=8, headdim=16)
    >>> stack(torch.randn(3, 7, 16)).shape
    torch.Size([3, 7, 16])
    """

    checkpointing = False

    def __init__(
        self,
        n_layer: int,
        d_model: int,
        *,
        direction: str = "bidirectional",
        pre_norm: bool = False,
        mlp_ratio: float = 0.0,
        dropout: float = 0.0,
        **mixer: Any,
    ) -> None:
        super().__init__()
        if direction not in _MIXERS:
            raise ScmambaError(f"direction={direction!r}; allowed: {', '.join(map(repr, _MIXERS))}")
        if n_layer < 0:
            raise ScmambaError(f"n_layer={n_layer}; give 0 or more")
        self.layers = nn.ModuleList(
            Block(_MIXERS[direction](d_model, **mixer), pre_norm, mlp_ratio, dropout)
            for _ in range(n_layer)
        )

    def forward(self, x: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Encode ``x`` (B, L, d_model); ``padding_mask`` (B, L) is True where padded."""
        again = self.checkpointing and torch.is_grad_enabled()
        for layer in self.layers:
            if again:
                x = checkpoint(layer, x, padding_mask, use_reentrant=False)
            else:
                x = layer(x, padding_mask)
        return x
