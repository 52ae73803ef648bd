"""Norms: the gated RMS norm of Mamba-2, and batch norms that respect padding and domains."""

from scmamba.nn.norm.domain import DomainBatchNorm
from scmamba.nn.norm.gated import RMSNormGated, gated_rms_norm
from scmamba.nn.norm.masked import MaskedBatchNorm1d

__all__ = ["DomainBatchNorm", "MaskedBatchNorm1d", "RMSNormGated", "gated_rms_norm"]
