"""Methods as they are, Harmony with its first ridge, and scmamba with one thing changed.

``python benchmarks/_integration_variants.py NAME CELLS OUTPUT SEED DEVICE`` runs one of them.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from scmamba.cli._integration_methods import METHODS, Method, harmony, main, ours

FIRST_HARMONY = {"lamb": 1, "max_iter_kmeans": 20}
"""As it was published; newer releases estimate the ridge and stop k-means sooner."""
ALL = {
    **METHODS,
    "harmony_first": Method(partial(harmony, **FIRST_HARMONY), "harmonypy", "Harmony, ridge of 1"),
}


def _changed(title: str, **options: Any) -> Method:
    return Method(partial(ours, **options), "scmamba.tasks", title)


ABLATIONS = {
    "bag": _changed("no Mamba layers", n_layer=0),
    "mamba": _changed("two Mamba layers in any case", n_layer=2),
    "no_contrast": _changed("no contrast", contrast_weight=0),
    "no_dab": _changed("no adversary", dab_weight=0),
    "no_kl": _changed("no prior", kl_weight=0),
    "no_nb": _changed("no likelihood of counts", nb_weight=0),
    "ecs": _changed("with elastic similarity", ecs_weight=1),
}

if __name__ == "__main__":
    main(ALL | ABLATIONS, sys.argv[1:])
