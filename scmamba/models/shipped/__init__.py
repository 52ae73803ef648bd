"""Models and annotators that come with the package: what they are, and where their files lie."""

from __future__ import annotations

from scmamba.models.shipped.registry import (
    KINDS,
    ShippedModel,
    find_shipped,
    shipped,
    shipped_models,
    write_card,
)
from scmamba.models.shipped.study import Study

__all__ = [
    "KINDS",
    "ShippedModel",
    "Study",
    "find_shipped",
    "shipped",
    "shipped_models",
    "write_card",
]
