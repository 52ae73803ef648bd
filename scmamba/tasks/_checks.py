"""Checks of arguments that several tasks take, and what they all flag."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._arguments import near_names
from scmamba._errors import ScmambaError
from scmamba._keys import Keys
from scmamba._log import logger
from scmamba.jobs import Results
from scmamba.models.checkpoint.kinds import told_kind
from scmamba.models.hub.registry import REGISTRY, find
from scmamba.models.hub.repository import local_folder
from scmamba.models.shipped import find_shipped, shipped_models


def check_at_least(lowest: Mapping[str, int], **numbers: int | None) -> None:
    """Raise ScmambaError unless each number that is given reaches its lowest allowed value."""
    for name, number in numbers.items():
        whole = isinstance(number, (int, np.integer)) and not isinstance(number, bool)
        if number is not None and not (whole and number >= lowest[name]):
            raise ScmambaError(f"{name}={number!r}; give a whole number, {lowest[name]} or more")


def check_folder(model: object, *takes: str) -> None:
    """Raise ScmambaError for a folder that is missing, or holds a saved object of another task.

    Parameters
    ----------
    model
        Argument of the user. Registered names and anything but paths pass.
    *takes
        Files of settings of the saved folders that the task reads.
    """
    if not isinstance(model, (str, os.PathLike)):
        return
    folder = local_folder(model)
    card = None if folder.exists() else find_shipped(model)
    if card is not None:
        folder = card.folder
    elif not folder.exists() and find(str(model)) is None:
        known = [one.name for one in shipped_models()]
        raise ScmambaError(
            f"model={str(model)!r}: there is no such folder, and no model is registered under that "
            f"name; {near_names(model, [*known, *REGISTRY])}"
        )
    if told := told_kind(folder, but=takes):
        raise ScmambaError(
            f"model={str(model)!r}: {told}; for this task give a pretrained model, its folder or "
            "registered name"
        )


def flag_empty(
    results: Results, keys: Keys, empty: npt.NDArray[np.bool_], obs: pd.DataFrame
) -> None:
    """Flag cells without a single expressed gene, where there are any or were before."""
    if empty.any():
        logger.warning(
            "%d cell(s) express no gene of the model: kept, flagged in obs[%r]",
            int(empty.sum()),
            keys.empty,
        )
    if empty.any() or keys.empty in obs:
        results.obs[keys.empty] = np.array(empty)
