"""Heads of cell models: one file per head and its settings, registered in :data:`HEADS`."""

from __future__ import annotations

from scmamba.nn.heads.adversary import AdversaryConfig, BatchDiscriminator, GradientReversal
from scmamba.nn.heads.affine import AffineConfig, AffineHead
from scmamba.nn.heads.class_ import ClassConfig, ClassHead
from scmamba.nn.heads.counts import CountConfig, CountHead
from scmamba.nn.heads.expression import ExpressionConfig, ExpressionHead
from scmamba.nn.heads.head import CellState, Head, HeadConfig, Picked, Sizes
from scmamba.nn.heads.latent import LatentConfig, LatentHead, sample
from scmamba.nn.heads.mvc import MVCConfig, MVCHead

HEADS: dict[str, type[Head]] = {
    head.name: head
    for head in (
        ExpressionHead,
        MVCHead,
        ClassHead,
        BatchDiscriminator,
        LatentHead,
        CountHead,
        AffineHead,
    )
}
"""All heads by name, in the order in which a model runs them."""

__all__ = [
    "HEADS",
    "AdversaryConfig",
    "AffineConfig",
    "AffineHead",
    "BatchDiscriminator",
    "CellState",
    "ClassConfig",
    "ClassHead",
    "CountConfig",
    "CountHead",
    "ExpressionConfig",
    "ExpressionHead",
    "GradientReversal",
    "Head",
    "HeadConfig",
    "LatentConfig",
    "LatentHead",
    "MVCConfig",
    "MVCHead",
    "Picked",
    "Sizes",
    "sample",
]
