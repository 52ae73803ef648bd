"""Two mixers, one per direction, that share their projections (BiMamba of Caduceus)."""

from __future__ import annotations

from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.nn.mamba1 import Mamba1
from scmamba.nn.mamba2 import Mamba2

Mixer = Mamba1 | Mamba2


class TiedBidirectional(nn.Module):
    """``forward_mixer(x) + flip(reverse_mixer(flip(x)))``, with projections made once.

    ``in_proj`` and ``out_proj`` act on each position alone and are shared, so they run once; the
    second direction is an anti-causal convolution and scan, without a flip (Schiff et al.,
    "Caduceus", 2024, section 3.1).

    Parameters
    ----------
    forward_mixer, reverse_mixer
        Mixers of one class and size; the second takes over the projections of the first.

    Raises
    ------
    ScmambaError
        The mixers differ in class or size.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.mamba1 import Mamba1
    >>> from scmamba.nn.tied import TiedBidirectional
    >>> mixer = TiedBidirectional(Mamba1(16), Mamba1(16))
    >>> mixer(torch.randn(2, 5, 16)).shape
    torch.Size([2, 5, 16])
    """

    def __init__(self, forward_mixer: Mixer, reverse_mixer: Mixer) -> None:
        super().__init__()
        first, second = (
            {name: tuple(p.shape) for name, p in mixer.named_parameters()}
            for mixer in (forward_mixer, reverse_mixer)
        )
        if type(forward_mixer) is not type(reverse_mixer) or first != second:
            raise ScmambaError(
                f"the mixers are {type(forward_mixer).__name__} of parameters {first} and "
                f"{type(reverse_mixer).__name__} of {second}; give two of one class and size"
            )
        self.d_model = forward_mixer.d_model
        self.mamba_fwd, self.mamba_rev = forward_mixer, reverse_mixer
        reverse_mixer.in_proj, reverse_mixer.out_proj = (
            forward_mixer.in_proj,
            forward_mixer.out_proj,
        )

    def forward(self, u: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Mix ``u`` (B, L, d_model); ``padding_mask`` (B, L) is True where padded.

        Padding changes nothing at other positions, wherever it is and whatever it holds.
        """
        projected = self.mamba_fwd.project(u, padding_mask)
        mixed = self.mamba_fwd.conv_scan_gate(projected, padding_mask, (False,))
        mixed = mixed + self.mamba_rev.conv_scan_gate(projected, padding_mask, (True,))
        out = self.mamba_fwd.out_proj
        y = out(mixed.to(u.dtype))
        return y if out.bias is None else y + out.bias  # each direction adds the bias
