"""Which cells carry a label, and which one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._log import logger

UNLABELLED = -1
_FEW = 10
"""So many classes are taken for labels however few the cells are."""


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
        """Positions of the labelled cells."""
        return np.flatnonzero(self.codes != UNLABELLED)


def read_labels(obs: pd.DataFrame, labels_key: str, unlabeled_category: str, where: str) -> Labels:
    """Read a column of labels; missing values and ``unlabeled_category`` in any case are none.

    Parameters
    ----------
    obs
        Of the cells to learn from.
    labels_key
        Column of it.
    unlabeled_category
        What stands for "no label" beside NaN and "".
    where
        What an error calls ``obs``.

    Raises
    ------
    ScmambaError
        The column is missing, holds measurements or names of cells, or labels fewer than two
        classes.
    """
    if labels_key not in obs.columns:
        raise ScmambaError(
            f"labels_key={labels_key!r} is not a column of {where}; it has "
            f"{', '.join(map(repr, obs.columns)) or 'no columns'}"
        )
    column = obs[labels_key]
    if pd.api.types.is_float_dtype(column) and not (column.dropna() % 1 == 0).all():
        raise ScmambaError(
            f"{where}[{labels_key!r}] holds measurements ({column.dtype}), not labels; name a "
            "column of categories or text"
        )
    text = column.astype(object).where(column.notna(), "")
    names = np.array([_name(value) for value in text], dtype=object)
    nothing = {"", unlabeled_category.strip().casefold()}
    labelled = np.array([name.casefold() not in nothing for name in names], dtype=bool)
    classes, codes = np.unique(names[labelled].astype(str), return_inverse=True)
    if len(classes) < 2:
        found = f"only {str(classes[0])!r}" if len(classes) else "no label at all"
        raise ScmambaError(
            f"{where}[{labels_key!r}] holds {found}; at least two classes are needed to learn from "
            f"(cells with NaN or {unlabeled_category!r} count as unlabelled)"
        )
    if len(classes) > max(_FEW, len(codes) / 2):
        raise ScmambaError(
            f"{where}[{labels_key!r}] holds {len(classes):,} different values for {len(codes):,} "
            "cells: measurements or names, not labels; name a column of which each value stands "
            "for several cells"
        )
    counts = np.bincount(codes)
    if single := [str(classes[i]) for i in np.flatnonzero(counts == 1)]:
        logger.warning(
            "class(es) with one cell, learned from but never validated: %s", ", ".join(single)
        )
    all_codes = np.full(len(names), UNLABELLED, dtype=np.int64)
    all_codes[labelled] = codes
    return Labels(tuple(map(str, classes)), all_codes)


def _name(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def read_batches(
    obs: pd.DataFrame,
    batch_key: str,
    where: str,
    needed: npt.NDArray[np.int64] | None = None,
) -> npt.NDArray[np.object_]:
    """Temporary."""
    from scmamba._text import label_texts

    if batch_key not in obs:
        raise ScmambaError(
            f"batch_key={batch_key!r} is not a column of {where}; it has "
            f"{', '.join(map(repr, obs.columns)) or 'no columns'}"
        )
    texts, missing = label_texts(obs[batch_key])
    lacking = int(missing.sum() if needed is None else missing[needed].sum())
    if lacking:
        raise ScmambaError(
            f"{where}[{batch_key!r}] is missing for {lacking} cell(s); fill it in or drop those "
            "cells"
        )
    return texts
