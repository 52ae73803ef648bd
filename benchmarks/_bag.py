"""The ablation of sequence predictors: no Mamba layers, all else as it is."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock


@contextmanager
def without_mamba() -> Iterator[None]:
    """Within it, models from scratch are a stem, positions, pool and head, and the linear view."""
    module = importlib.import_module("scmamba.tasks.sequence._supervised.assemble")
    usual = module.recipe_for

    def recipe_for(*given: Any, **options: Any) -> Any:
        recipe = usual(*given, **options)
        return replace(recipe, network=recipe.network.replace(n_layer=0))

    with mock.patch.object(module, "recipe_for", recipe_for):
        yield
