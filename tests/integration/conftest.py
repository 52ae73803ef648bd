"""Trainings that take seconds."""

from __future__ import annotations

import pytest

from scmamba.tasks import AnnotationTraining, IntegrationTraining

SMALL = {
    AnnotationTraining: AnnotationTraining(epochs=1, width=16, n_members=1, batch_size=64),
    IntegrationTraining: IntegrationTraining(epochs=1, width=16),
}


@pytest.fixture(scope="session")
def small() -> dict[type, AnnotationTraining | IntegrationTraining]:
    """A training that takes seconds, by its class."""
    return dict(SMALL)
