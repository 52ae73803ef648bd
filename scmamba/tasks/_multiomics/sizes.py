"""Sizes of a multi-omics network, and the order of tokens in its Mamba layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Order = Literal["genome", "vocabulary", "shuffled"]
"""Order of tokens in a cell's sequence."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of a network.

    Attributes
    ----------
    kinds
        Kind of each modality.
    n_features, d_model
        Features, and width of the pooled vector, of each modality.
    n_latent
        Width of the latent.
    n_batches
        Number of batches.
    n_layer, d_state, width
        Mamba layers, their states, and the width of their tokens.
    layers
        Names and values of further options of layers that a pretrained model brings; () where
        there are none.
    """

    kinds: tuple[str, ...]
    n_features: tuple[int, ...]
    d_model: tuple[int, ...]
    n_latent: int = 20
    n_batches: int = 1
    n_layer: int = 0
    d_state: int = 16
    width: int = 64
    layers: tuple[tuple[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Sizes:
        """Create sizes from what :meth:`to_dict` returned."""
        lists = {name: tuple(content[name]) for name in ("kinds", "n_features", "d_model")}
        layers = tuple((str(name), value) for name, value in content.get("layers", ()))
        return cls(**{**content, **lists, "layers": layers})
