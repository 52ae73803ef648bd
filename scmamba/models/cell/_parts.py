"""Parts of a cell model as its configuration asks for them."""

from __future__ import annotations

from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.models.cell.config import CellConfig
from scmamba.nn.latent import CountHead
from scmamba.nn.norm import DomainBatchNorm
from scmamba.nn.pool import AttentionPool, ClsPool, MeanPool


def pool(config: CellConfig) -> nn.Module:
    """From hidden states of tokens to one vector a cell."""
    if config.pool == "attention":
        return AttentionPool(config.d_model, config.pool_heads, config.n_genes)
    return ClsPool() if config.pool == "cls" else MeanPool()


def cell_norm(config: CellConfig) -> nn.Module | None:
    """Norm of that vector, one for each batch where they are counted, or None."""
    if not config.cell_norm:
        return None
    if config.cell_domains:
        return DomainBatchNorm(config.d_model, config.cell_domains, eps=1e-7, least=8)
    return nn.BatchNorm1d(config.d_model)


def count_head(config: CellConfig) -> CountHead:
    """Decoder of counts, which knows the batch where decoders do."""
    labelled = config.batch_labels and config.n_batches > 0
    return CountHead(
        config.d_cell,
        config.n_counts,
        d_label=config.d_model if labelled else 0,
        n_batches=config.n_batches if labelled else 0,
    )


def given(ids: Tensor | None, name: str, reason: str) -> Tensor:
    """``ids``, or an error where they are missing."""
    if ids is None:
        raise ScmambaError(f"{name} is missing: this model has {reason}; give one id a cell")
    return ids
