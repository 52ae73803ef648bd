"""Training objects check themselves, and are completed by the size of the data."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from scmamba import ScmambaError
from scmamba.tasks import (
    AnnotationTraining,
    IntegrationObjectives,
    IntegrationTraining,
    SequenceTraining,
)


@pytest.mark.parametrize("kind", [AnnotationTraining, IntegrationTraining, SequenceTraining])
def test_nothing_is_left_open_but_what_held_out_examples_choose(kind) -> None:
    whole = kind().for_n(1000)
    open_ = {field.name for field in fields(whole) if getattr(whole, field.name) is None}
    wanted = {"max_minutes"} if kind is AnnotationTraining else {"max_minutes", "n_layer"}
    assert open_ == wanted
    assert kind().for_n(1_000_000).epochs < whole.epochs
    assert kind(epochs=3, learning_rate=0.1).for_n(1000).epochs == 3


def test_fewer_cells_are_seen_from_a_pretrained_start() -> None:
    fresh, started = (AnnotationTraining().for_n(4_000, pretrained=p) for p in (False, True))
    assert (fresh.epochs, started.epochs) == (18, 7)
    fresh, started = (IntegrationTraining().for_n(4_000, pretrained=p) for p in (False, True))
    assert started.epochs == fresh.epochs // 3


@pytest.mark.parametrize("kind", [AnnotationTraining, SequenceTraining])
def test_a_pretrained_model_is_moved_slowly(kind) -> None:
    assert kind().for_finetuning("finetune").learning_rate == 1e-4
    assert kind().for_finetuning("lora").learning_rate == 1e-3
    assert kind(learning_rate=0.5).for_finetuning("lora").learning_rate == 0.5


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (AnnotationTraining, {"epochs": 0}),
        (AnnotationTraining, {"n_folds": 1}),
        (AnnotationTraining, {"ema": 1.0}),
        (AnnotationTraining, {"learning_rate": float("nan")}),
        (IntegrationTraining, {"n_latent": 0}),
        (IntegrationTraining, {"max_cells": 0}),
        (SequenceTraining, {"noise": (0.1, 1.0)}),
        (SequenceTraining, {"noise": ()}),
        (IntegrationObjectives, {"dab": -1.0}),
        (IntegrationObjectives, {"mvc": float("nan")}),
    ],
)
def test_values_out_of_range_are_named(kind, wrong) -> None:
    (name,) = wrong
    with pytest.raises(ScmambaError, match=name):
        kind(**wrong)


def test_they_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        AnnotationTraining().epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(("counts", "expected"), [(True, (0.01, 0.0)), (False, (0.0, 0.01))])
def test_what_is_decoded_depends_on_the_values(counts, expected) -> None:
    found = IntegrationObjectives().for_values(counts=counts)
    assert (found.nb, found.mvc) == expected
    assert IntegrationObjectives(nb=0.5, mvc=0.2).for_values(counts=counts).nb == 0.5
