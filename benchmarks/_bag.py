"""The ablation of sequence predictors: no Mamba layers, all else as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

from scmamba.tasks import SequenceTraining


@contextmanager
def without_mamba() -> Iterator[None]:
    """Within it, networks from scratch are a stem, positions, pool and head."""
    usual = SequenceTraining.for_n

    def for_n(training: SequenceTraining, n: int, **options: Any) -> SequenceTraining:
        return usual(replace(training, n_layer=0), n, **options)

    with mock.patch.object(SequenceTraining, "for_n", for_n):
        yield
