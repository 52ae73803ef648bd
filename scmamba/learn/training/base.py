"""What every training has: fields, their checks, and how None is filled in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from scmamba._arguments import check_count, check_minutes, check_number


@dataclass(frozen=True)
class Training:
    """Fields that every training has; None is chosen by the data."""

    epochs: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    width: int = 64
    n_layer: int | None = 2
    d_state: int = 16
    max_minutes: float | None = None

    def __post_init__(self) -> None:
        check_minutes(self.max_minutes)
        for name, least in _LEAST.items():
            check_count(name, getattr(self, name, None), least=least)
        check_number("learning_rate", self.learning_rate, low=0, open_low=True)
        for name in ("ema", "dropout", "gene_dropout"):
            check_number(name, getattr(self, name, None), low=0, high=1, open_high=True)

    def filled(self, **chosen: Any) -> Self:
        """Return a copy in which each field that is None has the value given here."""
        missing = {name: v for name, v in chosen.items() if getattr(self, name) is None}
        return replace(self, **missing)


_LEAST = {
    "epochs": 1,
    "mamba_epochs": 0,
    "batch_size": 1,
    "width": 1,
    "n_layer": 0,
    "d_state": 1,
    "n_latent": 1,
    "max_cells": 1,
    "n_members": 1,
    "n_folds": 2,
    "n_genes": 1,
    "patience": 1,
}
