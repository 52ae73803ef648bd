"""The selective scan of Mamba-1, causal or anti-causal, linear in length.

The recurrence, per channel, with a state h of d_state numbers and a rate A of its own for each, is

    causal        h_t = exp(dt_t A) h_{t-1} + dt_t x_t B_t      y_t = h_t . C_t + D x_t
    anti-causal   h_t = exp(dt_t A) h_{t+1} + dt_t x_t B_t      y_t = h_t . C_t + D x_t

(Gu and Dao, "Mamba: linear-time sequence modeling with selective state spaces", 2023, section 3.)
"""

from __future__ import annotations

import torch
from torch import Tensor

from scmamba._errors import ScmambaError
from scmamba.nn.scan import cuda, selective_chunks
from scmamba.nn.scan.cpu import selective as compiled
from scmamba.nn.scan.dispatch import implementation
from scmamba.nn.scan.selective_chunks import Inputs


def selective_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    *,
    D: Tensor | None = None,
    chunk_size: int = 16,
    reverse: bool = False,
    state: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Scan ``x`` along its second axis.

    Parameters
    ----------
    x
        (batch, L, channels) input.
    dt
        (batch, L, channels) step sizes after softplus; 0 at padding, which then contributes
        nothing.
    A
        (channels, d_state) negative decay rates.
    B, C
        (batch, L, d_state) input and output maps.
    D
        (channels,) skip connection; zeros by default.
    chunk_size
        Length of a chunk in plain PyTorch: changes speed and memory, not the result.
    reverse
        Scan from the last position to the first.
    state
        (batch, channels, d_state) state before the first position, or behind the last with
        ``reverse``; zeros by default.

    Returns
    -------
    y : Tensor
        (batch, L, channels), in at least float32.
    state : Tensor
        (batch, channels, d_state) state after the scan.

    Raises
    ------
    ScmambaError
        The shapes do not fit each other.

    Examples
    --------
    A state that decays by half at each step of 1:

    >>> import torch
    >>> from scmamba.nn.scan.selective import selective_scan
    >>> x, one = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1), torch.ones(1, 3, 1)
    >>> y, state = selective_scan(x, one, torch.tensor([[0.5]]).log(), one, one)
    >>> y.flatten()
    tensor([1.0000, 0.5000, 0.2500])
    """
    _check(x, dt, A, B, C, D, state)
    dtype = torch.promote_types(x.dtype, torch.float32)
    with torch.autocast(x.device.type, enabled=False):
        x, dt, A, B, C = (t.to(dtype) for t in (x, dt, A, B, C))
        D = A.new_zeros(len(A)) if D is None else D.to(dtype)
        fits = state is None and dtype == torch.float32
        chosen = implementation("selective_scan", [x, dt, A, B, C, D], cuda_fits=fits)
        if chosen == "cuda":
            y, state = cuda.selective_scan(x, dt, A, B, C, D, reverse=reverse)
        else:
            state = x.new_zeros(len(x), *A.shape) if state is None else state.to(dtype)
            inputs = Inputs(x, dt, A, B, C, state)
            if chosen == "compiled":
                y, state = compiled.scan(inputs, D, reverse)
            else:
                y, state = selective_chunks.scan(inputs, D, chunk_size, reverse)
    return y, state


def _check(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    state: Tensor | None,
) -> None:
    (batch, length, channels), d_state = x.shape, A.shape[-1]
    expected = {
        "dt": (dt, (batch, length, channels)),
        "A": (A, (channels, d_state)),
        "B": (B, (batch, length, d_state)),
        "C": (C, (batch, length, d_state)),
        "D": (D, (channels,)),
        "state": (state, (batch, channels, d_state)),
    }
    for name, (given, shape) in expected.items():
        if given is not None and given.shape != shape:
            raise ScmambaError(
                f"{name} has shape {tuple(given.shape)}; x {tuple(x.shape)} and A "
                f"{tuple(A.shape)} need {shape}"
            )
