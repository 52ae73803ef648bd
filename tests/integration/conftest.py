"""A model that is fitted in seconds."""

from __future__ import annotations

import pytest

from scmamba.tasks._annotation import task
from scmamba.tasks._annotation.deep import Recipe
from scmamba.train import FitConfig


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let annotate train a model of seconds, whatever the cells."""

    def recipe(n_cells: int, seed: int) -> Recipe:
        config = FitConfig(seed=seed, batch_size=64)
        return Recipe(d_model=16, n_layer=1, bag_epochs=1, epochs=1, n_members=1, config=config)

    monkeypatch.setattr(task, "recipe_for", recipe)
