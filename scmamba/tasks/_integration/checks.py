"""What cannot be integrated, said before anything is computed; what is odd, said as a warning."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.tasks._annotation.labels import Labels
from scmamba.tasks._integration.integrator import check_batch

MODES = ("auto", "zero-shot", "finetune")
_FEW_BATCHES = 10
"""So many values are taken for batches however few the cells are."""
_FEW_CELLS = 10


def check_options(
    mode: str, model: object, fitted: bool, training: Mapping[str, object], **least: int | None
) -> None:
    """Raise ScmambaError where options do not go together.

    Parameters
    ----------
    mode
        One of :data:`MODES`.
    model
        As :func:`scmamba.tasks.integrate` takes it.
    fitted
        Whether ``model`` is an integrator, into which cells are mapped.
    training
        Options that only training reads, None where they are not given.
    **least
        Numbers, each at least 1, but the seed and the number of layers at least 0.
    """
    if mode not in MODES:
        raise ScmambaError(f"mode={mode!r}; allowed: {', '.join(map(repr, MODES))}")
    if model is None and mode != "auto":
        raise ScmambaError(
            f"mode={mode!r} needs a pretrained model: give model=, or leave mode='auto' to train a "
            "compact model on these cells"
        )
    if fitted and mode != "auto":
        raise ScmambaError(
            f"mode={mode!r} is for pretrained models, and model= is an integration that cells are "
            "mapped into; leave mode='auto'"
        )
    given = [name for name, value in training.items() if value is not None]
    if given and model is not None and mode != "finetune":
        raise ScmambaError(
            f"{', '.join(given)} is read in training, and nothing is trained here; leave it out, "
            "or give mode='finetune' with a pretrained model"
        )
    if mode == "finetune" and training.get("n_layer") is not None:
        raise ScmambaError(
            f"n_layer={training['n_layer']}: a pretrained model keeps its layers; leave it out"
        )
    for name, number in least.items():
        lowest = 1 if name == "n_top_genes" else 0
        if number is not None and number < lowest:
            raise ScmambaError(f"{name}={number}; give {lowest} or more")


def check_correct(
    correct: bool | str, as_of: str, names: npt.NDArray[np.object_], model: object, mode: str
) -> None:
    """Raise ScmambaError where the expression asked for could not be decoded."""
    if correct is False:
        return
    if model is not None and mode != "finetune":
        raise ScmambaError(
            "correct= needs a model that decodes expression, and a pretrained one that is taken as "
            "it is does not: give mode='finetune', or model=None"
        )
    check_batch(as_of, tuple(sorted(set(names.tolist()))))


def check_batches(names: npt.NDArray[np.object_], batch_key: str) -> None:
    """Raise ScmambaError for one batch alone or a column of names; warn of tiny batches."""
    found, sizes = np.unique(names.astype(str), return_counts=True)
    if len(found) < 2:
        raise ScmambaError(
            f"adata.obs[{batch_key!r}] holds one batch only ({str(found[0])!r}): nothing "
            "to integrate; name a column with two batches or more, or map these cells into an "
            "integration: model="
        )
    if len(found) > max(_FEW_BATCHES, len(names) / 2):
        raise ScmambaError(
            f"adata.obs[{batch_key!r}] holds {len(found):,} different values for {len(names):,} "
            "cells; name a column of which each value stands for several cells"
        )
    if small := [str(name) for name, n in zip(found, sizes, strict=True) if n < _FEW_CELLS]:
        logger.warning(
            "batch(es) of fewer than %d cells, normed much like the others: %s",
            _FEW_CELLS,
            ", ".join(small),
        )


def tell_overlap(names: npt.NDArray[np.object_], labels: Labels) -> None:
    """Warn of batches that share no known label with another one."""
    rows = labels.rows
    types = {name: set(labels.codes[rows][names[rows] == name]) for name in set(names.tolist())}
    alone = [
        str(name)
        for name, own in sorted(types.items())
        if own and not any(own & other for key, other in types.items() if key != name)
    ]
    if alone:
        logger.warning(
            "batch(es) without a cell type in common with any other: %s; corrected all the same, "
            "but differences between batches and between cell types cannot be told apart there",
            ", ".join(alone),
        )
