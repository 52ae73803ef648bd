"""Labels and batches of cells, read from columns of ``obs``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._text import are_names, holds_measurements, label_texts, obs_column

UNLABELED = -1


@dataclass(frozen=True)
class Labels:
    """Labels of some cells.

    Attributes
    ----------
    classes
        Names, sorted.
    codes
        (n_cells,) int64 position in ``classes``, or -1 where a cell has no label.
    """

    classes: tuple[str, ...]
    codes: npt.NDArray[np.int64]

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Positions of the labeled cells."""
        return np.flatnonzero(self.codes != UNLABELED)


def read_labels(obs: pd.DataFrame, labels_key: str, unlabeled_category: str, where: str) -> Labels:
    """Read a column of labels; missing values and ``unlabeled_category`` in any case are none.

    Parameters
    ----------
    obs
        Annotations of the cells to learn from.
    labels_key
        Column of it.
    unlabeled_category
        Text that stands for "no label", next to what :func:`scmamba._text.label_texts` takes for
        missing.
    where
        Name of ``obs`` in error messages.

    Raises
    ------
    ScmambaError
        The column is missing, holds measurements or names of cells, or labels fewer than two
        classes.
    """
    column = obs_column(obs, labels_key, "labels_key", where)
    if holds_measurements(column):
        raise ScmambaError(
            f"{where}[{labels_key!r}] holds measurements ({column.dtype}), not labels; name a "
            "column of categories or text"
        )
    texts, missing = label_texts(
        column, unlabeled=unlabeled_category, name=f"{where}[{labels_key!r}]"
    )
    classes, codes = np.unique(texts[~missing].astype(str), return_inverse=True)
    if len(classes) < 2:
        found = f"only {str(classes[0])!r}" if len(classes) else "no label at all"
        raise ScmambaError(
            f"{where}[{labels_key!r}] holds {found}; at least two classes are needed to learn from "
            f"(missing values and {unlabeled_category!r} count as unlabeled)"
        )
    if are_names(len(classes), len(codes)):
        raise ScmambaError(
            f"{where}[{labels_key!r}] holds {len(classes):,} different values for {len(codes):,} "
            "cells: measurements or names, not labels; name a column in which each value stands "
            "for several cells"
        )
    counts = np.bincount(codes)
    if single := [str(classes[i]) for i in np.flatnonzero(counts == 1)]:
        logger.warning("class(es) with one cell, which cannot be validated: %s", ", ".join(single))
    all_codes = np.full(len(texts), UNLABELED, dtype=np.int64)
    all_codes[~missing] = codes
    return Labels(tuple(map(str, classes)), all_codes)


def read_batches(
    obs: pd.DataFrame,
    batch_key: str,
    where: str,
    needed: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.object_]:
    """Read the batch of each cell as text.

    Parameters
    ----------
    obs
        Annotations of the cells.
    batch_key
        Column of it.
    where
        Name of ``obs`` in error messages.
    needed
        Positions of the cells whose batch must be known; None: all of them.

    Returns
    -------
    (n_cells,) batches, ``""`` where one is missing and not needed.

    Raises
    ------
    ScmambaError
        The column does not exist, or a cell that needs a batch has none.
    """
    name = f"{where}[{batch_key!r}]"
    texts, missing = label_texts(obs_column(obs, batch_key, "batch_key", where), name=name)
    lacking = int(missing.sum() if needed is None else missing[needed].sum())
    if lacking:
        kind = "" if needed is None else "labeled "
        raise ScmambaError(
            f"{name} is missing for {lacking:,} {kind}cell(s); fill it in or drop those cells"
        )
    return texts
