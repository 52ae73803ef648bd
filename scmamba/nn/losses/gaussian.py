"""Divergence and likelihood of normal distributions."""

from __future__ import annotations

from torch import Tensor


def gaussian_kl(mean: Tensor, log_var: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, exp(log_var)) from N(0, 1), in nats.

    Parameters
    ----------
    mean, log_var
        (B, n).

    Returns
    -------
    Tensor
        (B,), summed over n; 0 or more.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.losses import gaussian_kl
    >>> gaussian_kl(torch.tensor([[0.0], [2.0]]), torch.zeros(2, 1))
    tensor([0., 2.])
    """
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(1)


def gaussian_nll(target: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Negative log-likelihood of numbers under N(mean, exp(log_var)), in nats, up to a constant.

    Parameters
    ----------
    target, mean, log_var
        (B, n).

    Returns
    -------
    Tensor
        (B,), summed over n.

    Examples
    --------
    >>> import torch
    >>> from scmamba.nn.losses import gaussian_nll
    >>> gaussian_nll(torch.tensor([[0.0], [2.0]]), torch.zeros(2, 1), torch.zeros(2, 1))
    tensor([0., 2.])
    """
    return 0.5 * ((target - mean).square() * (-log_var).exp() + log_var).sum(1)
