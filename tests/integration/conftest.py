"""A model that is fitted in seconds."""

from __future__ import annotations

import importlib
from dataclasses import replace

import pytest

from scmamba.tasks._annotation import task
from scmamba.tasks._annotation.deep import Recipe
from scmamba.tasks._integration import recipe as integration
from scmamba.train import FitConfig


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let annotate and integrate train models of seconds, whatever the cells."""

    def recipe(n_cells: int, seed: int) -> Recipe:
        config = FitConfig(seed=seed, batch_size=64)
        return Recipe(d_model=16, n_layer=1, bag_epochs=1, epochs=1, n_members=1, config=config)

    monkeypatch.setattr(task, "recipe_for", recipe)

    def integrating(n_cells: int, seed: int) -> integration.Recipe:
        made = integration.Recipe(d_model=16, n_layer=1, bag_epochs=2, epochs=1)
        return replace(made, config=replace(made.config, seed=seed))

    monkeypatch.setattr(
        importlib.import_module("scmamba.tasks.integrate"), "recipe_for", integrating
    )
