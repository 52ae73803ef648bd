"""The backbone of DNA and mRNA models: pre-norm residual mixer layers and a final norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from scmamba._errors import ScmambaError
from scmamba.nn.mamba1 import Mamba1
from scmamba.nn.mamba2 import Mamba2
from scmamba.nn.reverse_complement import exchange, merge, strands
from scmamba.nn.scan.state import State
from scmamba.nn.tied import Mixer, TiedBidirectional

_MIXERS: dict[str, type[Mixer]] = {"mamba1": Mamba1, "mamba2": Mamba2}
_NORMS: dict[str, type[nn.Module]] = {"rms": nn.RMSNorm, "layer": nn.LayerNorm}


class SequenceLayer(nn.Module):
    """``x + mixer(norm(x))``.

    Parameters
    ----------
    mixer
        A causal mixer, or two that share their projections.
    norm
        Norm over d_model features.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.mamba1 import Mamba1
    >>> from scmamba.nn.sequence_stack import SequenceLayer
    >>> SequenceLayer(Mamba1(16), torch.nn.LayerNorm(16))(torch.randn(2, 5, 16), None).shape
    torch.Size([2, 5, 16])
    """

    mixer: Mixer | TiedBidirectional

    def __init__(self, mixer: Mixer | TiedBidirectional, norm: nn.Module) -> None:
        super().__init__()
        self.norm, self.mixer = norm, mixer

    def forward(self, x: Tensor, padding_mask: Tensor | None) -> Tensor:
        """Update ``x`` (B, L, d_model); ``padding_mask`` (B, L) is True where padded."""
        return x + self.mixer(self.norm(x), padding_mask)

    def step(self, x: Tensor, state: State | None) -> tuple[Tensor, State]:
        """Update a segment ``x`` (B, l, d_model) after ``state``; the mixer must be causal."""
        assert not isinstance(self.mixer, TiedBidirectional)
        mixed, state = self.mixer.step(self.norm(x), state)
        return x + mixed, state


class SequenceStack(nn.Module):
    """``n_layer`` layers, named ``layers.N.{norm,mixer}``, and ``norm_f``.

    Parameters
    ----------
    n_layer
        Number of layers.
    d_model
        Width; of each strand with ``rc="ps"``.
    mixer
        ``"mamba1"`` or ``"mamba2"``.
    direction
        ``"causal"``, or ``"bidirectional"``: two mixers with shared projections, added.
    rc
        ``"ps"``: input and output are (B, L, 2 * d_model), for two strands that share all
        parameters, see :mod:`~scmamba.nn.reverse_complement`; ``"none"``: one strand.
    exchange_strands
        Whether every layer exchanges the halves of the two strands, as the released PS models do.
    norm
        ``"rms"`` or ``"layer"``.
    norm_eps
        Added to the mean square, or variance.
    **sizes
        Further arguments of the mixers: ``d_state``, ``expand``, ``headdim``, ...

    Attributes
    ----------
    checkpointing
        Whether the backward pass keeps only the input of each layer and computes the layer again:
        memory of training then hardly grows with ``n_layer``, at a third more time. Default False.

    Raises
    ------
    ScmambaError
        An argument has an unknown value, or two of them exclude each other.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.sequence_stack import SequenceStack
    >>> stack = SequenceStack(n_layer=2, d_model=16, direction="bidirectional")
    >>> stack(torch.randn(3, 7, 16)).shape
    torch.Size([3, 7, 16])
    """

    checkpointing = False

    def __init__(
        self,
        n_layer: int,
        d_model: int,
        *,
        mixer: str = "mamba1",
        direction: str = "causal",
        rc: str = "none",
        exchange_strands: bool = False,
        norm: str = "rms",
        norm_eps: float = 1e-5,
        **sizes: Any,
    ) -> None:
        super().__init__()
        allowed = {
            "mixer": (mixer, tuple(_MIXERS)),
            "direction": (direction, ("causal", "bidirectional")),
            "rc": (rc, ("none", "ps")),
            "norm": (norm, tuple(_NORMS)),
        }
        for name, (given, choices) in allowed.items():
            if given not in choices:
                raise ScmambaError(f"{name}={given!r}; allowed: {', '.join(map(repr, choices))}")
        if exchange_strands and rc != "ps":
            raise ScmambaError(f"exchange_strands=True needs rc='ps', not rc={rc!r}")
        if rc == "ps" and direction != "bidirectional":
            raise ScmambaError(
                "rc='ps' needs direction='bidirectional': on the other strand a causal mixer "
                "would see the future"
            )
        self.d_model, self.direction, self.rc = d_model, direction, rc
        self.exchange_strands = exchange_strands

        def make_mixer() -> Mixer | TiedBidirectional:
            one = _MIXERS[mixer](d_model, **sizes)
            if direction == "causal":
                return one
            return TiedBidirectional(one, _MIXERS[mixer](d_model, **sizes))

        def make_norm() -> nn.Module:
            return _NORMS[norm](d_model, eps=norm_eps)

        self.layers = nn.ModuleList(
            SequenceLayer(make_mixer(), make_norm()) for _ in range(n_layer)
        )
        self.norm_f = make_norm()

    def forward(self, x: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Encode the tokens of each row.

        Parameters
        ----------
        x
            (B, L, d_model), or (B, L, 2 * d_model) with ``rc="ps"``.
        padding_mask
            (B, L), True where padded.

        Returns
        -------
        Tensor
            Of the shape of ``x``, after the final norm.
        """
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        if self.rc == "none":
            for layer in self.layers:
                x = self._apply_layer(layer, x, padding_mask)
            return self.norm_f(x)
        x = strands(x)
        if padding_mask is not None:
            padding_mask = torch.cat([padding_mask, padding_mask.flip(1)])
        for layer in self.layers:
            x = self._apply_layer(layer, exchange(x) if self.exchange_strands else x, padding_mask)
        return merge(self.norm_f(x))

    def _apply_layer(self, layer: nn.Module, x: Tensor, padding_mask: Tensor | None) -> Tensor:
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(layer, x, padding_mask, use_reentrant=False)
        return layer(x, padding_mask)

    @torch.no_grad()
    def step(self, x: Tensor, states: Sequence[State] | None = None) -> tuple[Tensor, list[State]]:
        """Encode a segment that follows those before it; causal stacks, without gradients.

        Parameters
        ----------
        x
            (B, l, d_model), without padding. One token is a step of generation, in constant time.
        states
            States that the segment before returned, one per layer; None at the beginning.

        Returns
        -------
        hidden : Tensor
            (B, l, d_model), after the final norm.
        states : list of State
            States after the segment, one per layer.

        Raises
        ------
        ScmambaError
            The stack is bidirectional, or the states are not its own.
        """
        if self.direction != "causal":
            raise ScmambaError(
                f"step needs direction='causal'; this stack is {self.direction} and sees what "
                "follows: call it on whole sequences"
            )
        if states is not None and len(states) != len(self.layers):
            raise ScmambaError(
                f"{len(states)} states for {len(self.layers)} layers; give one per layer"
            )
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        left = []
        entering = [None] * len(self.layers) if states is None else states
        for layer, state in zip(self.layers, entering, strict=True):
            x, after = layer.step(x, state)  # type: ignore[operator]
            left.append(after)
        return self.norm_f(x), left
