"""scmamba's batch correction with one thing changed, to see what each adds.

``python benchmarks/_integration_ours.py NAME CELLS OUTPUT SEED DEVICE`` runs one of them.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from scmamba.cli._integration_methods import METHODS, Method, main, ours


def _method(title: str, **options: Any) -> Method:
    return Method(partial(ours, **options), "scmamba.tasks", title)


ABLATIONS = {
    "bag": _method("no Mamba layers", n_layer=0),
    "mamba": _method("two Mamba layers in any case", n_layer=2),
    "no_contrast": _method("no contrast", contrast_weight=0),
    "no_dab": _method("no adversary", dab_weight=0),
    "no_kl": _method("no prior", kl_weight=0),
    "no_nb": _method("no likelihood of counts", nb_weight=0),
    "ecs": _method("with elastic similarity", ecs_weight=1),
}

if __name__ == "__main__":
    main(METHODS | ABLATIONS, sys.argv[1:])
