"""Models that are fitted in seconds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scmamba.tasks import AnnotationTraining, IntegrationTraining


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a demo or tutorial trains takes a moment, whatever the cells."""
    small = {"width": 16, "epochs": 1, "mamba_epochs": 1}

    def annotation(training: AnnotationTraining, n_cells: int) -> AnnotationTraining:
        given = replace(training, **small, n_layer=1, n_members=1, batch_size=64)
        return given.filled(learning_rate=2e-3, ema=0.99, patience=3)

    def integration(training: IntegrationTraining, n_cells: int) -> IntegrationTraining:
        return replace(training, **small).filled(learning_rate=2e-3, batch_size=128)

    monkeypatch.setattr(AnnotationTraining, "for_n", annotation)
    monkeypatch.setattr(IntegrationTraining, "for_n", integration)
