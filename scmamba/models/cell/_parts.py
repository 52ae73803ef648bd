"""Parts of a cell model, built from its configuration."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.models.cell.config import CellConfig
from scmamba.models.cell.encoder import EncoderConfig
from scmamba.nn.heads import HEADS, Sizes
from scmamba.nn.norm import DomainBatchNorm, MaskedBatchNorm1d
from scmamba.nn.pool import AttentionPool, BagPool, ClsPool, MeanPool, SumPool
from scmamba.nn.stack import Stack

_EPS, _LEAST = 1e-7, 8
"""Of norms without learned scale: pooled vectors of a new network are small, batches may be."""


def input_norm(config: CellConfig) -> nn.Module | None:
    """Build the norm of tokens before the layers, or None."""
    c = config.encoder
    if c.input_norm == "per_batch":
        return DomainBatchNorm(c.d_model, config.n_batches, affine=c.input_norm_affine)
    if c.input_norm == "batch":
        return MaskedBatchNorm1d(c.d_model, affine=c.input_norm_affine)
    return None


def stack(config: EncoderConfig) -> Stack:
    """Build the Mamba-2 layers."""
    return Stack(
        config.n_layer,
        config.d_model,
        pre_norm=config.pre_norm,
        mlp_ratio=config.mlp_ratio,
        dropout=config.layer_dropout,
        d_state=config.d_state,
        d_conv=config.d_conv,
        expand=config.expand,
        headdim=config.headdim,
        ngroups=config.ngroups,
        chunk_size=config.chunk_size,
    )


def pool(config: CellConfig) -> nn.Module:
    """Build the pooling from hidden states of tokens to one vector per cell."""
    method, c = config.pool.method, config.encoder
    if method == "attention":
        return AttentionPool(c.d_model, config.pool.n_heads, c.n_genes)
    if method == "cls":
        return ClsPool()
    if config.is_bag:
        return BagPool(method)
    return MeanPool() if method == "mean" else SumPool()


def cell_norm(config: CellConfig) -> nn.Module | None:
    """Build the norm of the pooled vector, or None."""
    if config.pool.norm == "none":
        return None
    if config.pool.norm == "per_batch":
        return DomainBatchNorm(config.encoder.d_model, config.n_batches, eps=_EPS, least=_LEAST)
    if config.pool.norm == "unscaled":
        return MaskedBatchNorm1d(config.encoder.d_model, _EPS, affine=False, least=_LEAST)
    return nn.BatchNorm1d(config.encoder.d_model)


def add_heads(heads: nn.ModuleDict, config: CellConfig, names: Iterable[str]) -> None:
    """Build the heads among ``names`` that the configuration contains, in that order."""
    d_model = config.encoder.d_model
    sizes = Sizes(
        d_model=d_model,
        d_cell=config.d_cell,
        d_label=config.d_label,
        d_batch=d_model if config.has_batch_labels else 0,
        n_batches=config.n_batches,
    )
    for name in names:
        if name in config.heads:
            heads[name] = HEADS[name].build(config.heads[name], sizes)


def flags_of(values: Tensor, padding_mask: Tensor | None, flags: Tensor | None) -> Tensor:
    """Return flags (B, L) of tokens, by default 0, and 2 at padding."""
    if flags is None:
        flags = torch.zeros_like(values, dtype=torch.long)
    elif flags.shape != values.shape or bool(((flags < 0) | (flags > 2)).any()):
        raise ScmambaError(
            f"perturbation_flags of shape {tuple(flags.shape)} for values of shape "
            f"{tuple(values.shape)}; give one flag a token: 0 untouched, 1 perturbed, 2 padding"
        )
    return flags if padding_mask is None else flags.masked_fill(padding_mask, 2)


def given(ids: Tensor | None, name: str, reason: str) -> Tensor:
    """Return ``ids``, or raise an error if they are missing."""
    if ids is None:
        raise ScmambaError(f"{name} is missing: this model has {reason}; give one id per cell")
    return ids
