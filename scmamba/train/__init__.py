"""Objectives, and the one loop that trains a model on them."""

from __future__ import annotations

from scmamba.train.config import FitConfig
from scmamba.train.fit import FitResult, fit
from scmamba.train.objectives import CLS, GEP, MVC, Objective, class_weights

__all__ = ["CLS", "GEP", "MVC", "FitConfig", "FitResult", "Objective", "class_weights", "fit"]
