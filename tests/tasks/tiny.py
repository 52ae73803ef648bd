"""``annotate`` with a training that takes a moment, unless a test gives another one."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from scmamba import tasks
from scmamba.tasks import AnnotationTraining, Annotator
from scmamba.tasks._annotation.saved import ARTIFACT

TINY = AnnotationTraining(
    epochs=2,
    mamba_epochs=1,
    n_members=2,
    width=16,
    n_layer=1,
    d_state=4,
    learning_rate=5e-3,
    ema=0.5,
)
QUICK = replace(TINY, epochs=1, n_layer=0, n_members=1)
"""One epoch of one member, no Mamba layers."""

default = TINY


def annotate(*arguments: Any, **options: Any) -> Any:
    """Annotate; ``training`` is :data:`default` where it is not given."""
    saved = isinstance(options.get("model"), Annotator) or _is_saved(options.get("model"))
    return tasks.annotate(*arguments, **{"training": None if saved else default, **options})


def _is_saved(model: Any) -> bool:
    return isinstance(model, (str, os.PathLike)) and ARTIFACT.is_at(model)
