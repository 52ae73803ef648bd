"""Methods as they are, Harmony with its first ridge, and scmamba with one thing changed.

``python benchmarks/_integration_variants.py NAME CELLS OUTPUT SEED DEVICE`` runs one of them.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from scmamba.benchmark import INTEGRATION_METHODS, IntegrationMethod
from scmamba.benchmark._integration.cells import LABEL
from scmamba.benchmark._integration.methods.harmony import harmony
from scmamba.benchmark._integration.methods.scmamba import scmamba
from scmamba.benchmark._integration.program import main
from scmamba.tasks import IntegrationObjectives, IntegrationTraining

FIRST_HARMONY = {"lamb": 1, "max_iter_kmeans": 20}
"""As it was published; newer releases estimate the ridge and stop k-means sooner."""
ALL = {
    **INTEGRATION_METHODS,
    "harmony_first": IntegrationMethod(
        partial(harmony, **FIRST_HARMONY), "harmonypy", "Harmony, ridge of 1"
    ),
}


def _changed(title: str, **options: Any) -> IntegrationMethod:
    labeled = "labels_key" in options
    return IntegrationMethod(partial(scmamba, **options), "scmamba.tasks", title, labels=labeled)


def _off(title: str, *, labels: bool = False, **weights: float) -> IntegrationMethod:
    """Other weights; without Mamba layers, which take most of the time and leave by themselves."""
    given = {"labels_key": LABEL} if labels else {}
    objectives = IntegrationObjectives(**weights)
    return _changed(title, training=_layers(0), objectives=objectives, **given)


def _layers(n: int) -> IntegrationTraining:
    return IntegrationTraining(n_layer=n)


LAYERS = {
    "bag": _changed("no Mamba layers", training=_layers(0)),
    "mamba": _changed("two Mamba layers in any case", training=_layers(2)),
}
OBJECTIVES = {
    "no_contrast": _off("no contrast", contrast=0),
    "no_dab": _off("no adversary", dab=0),
    "no_kl": _off("no prior", kl=0),
    "no_nb": _off("no likelihood of counts", nb=0),
    "ecs": _off("with elastic similarity", ecs=1),
    "no_supcon": _off("labels: no contrast of types", labels=True, supcon=0),
    "no_cls": _off("labels: no class term", labels=True, cls=0),
}

if __name__ == "__main__":
    main(ALL | LAYERS | OBJECTIVES, sys.argv[1:])
