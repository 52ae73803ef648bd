"""One residual layer around a mixer."""

from __future__ import annotations

from torch import Tensor, nn

from scmamba._errors import ScmambaError


class Block(nn.Module):
    """``x + mixer(x)``, with an optional norm before and an optional MLP after it.

    The published SC-MAMBA2 layer has neither (``pre_norm=False``, ``mlp_ratio=0``).

    Parameters
    ----------
    mixer
        Module called with (x, padding_mask), with an attribute ``d_model``.
    pre_norm
        Whether a LayerNorm precedes the mixer and the MLP.
    mlp_ratio
        Width of the MLP as a multiple of ``d_model``; 0 for no MLP.
    dropout
        Probability of dropping a feature of what the mixer or the MLP adds.

    Raises
    ------
    ScmambaError
        ``mlp_ratio`` is negative.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.block import Block
    >>> from scmamba.nn.mamba2 import Mamba2
    >>> block = Block(Mamba2(16, d_state=8, headdim=16), pre_norm=True, mlp_ratio=2)
    >>> block(torch.randn(2, 5, 16)).shape
    torch.Size([2, 5, 16])
    """

    def __init__(
        self,
        mixer: nn.Module,
        pre_norm: bool = False,
        mlp_ratio: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if mlp_ratio < 0:
            raise ScmambaError(f"mlp_ratio={mlp_ratio}; give 0 (no MLP) or more")
        d_model: int = mixer.d_model  # type: ignore[assignment]
        self.mamba = mixer
        self.norm = nn.LayerNorm(d_model) if pre_norm else None
        self.dropout = nn.Dropout(dropout)
        self.mlp: nn.Module | None = None
        self.mlp_norm: nn.Module | None = None
        if mlp_ratio:
            width = int(d_model * mlp_ratio)
            self.mlp = nn.Sequential(
                nn.Linear(d_model, width), nn.GELU(), nn.Linear(width, d_model)
            )
            self.mlp_norm = nn.LayerNorm(d_model) if pre_norm else None

    def forward(self, x: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Update ``x`` (B, L, d_model); ``padding_mask`` (B, L) is True where padded."""
        inner = x if self.norm is None else self.norm(x)
        x = x + self.dropout(self.mamba(inner, padding_mask))
        if self.mlp is not None:
            inner = x if self.mlp_norm is None else self.mlp_norm(x)
            x = x + self.dropout(self.mlp(inner))
        return x
