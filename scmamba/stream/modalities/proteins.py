"""Names of antibodies: what vendors and tools add to them, and isotype controls."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_ADDED = (
    re.compile(r"[\s_.\-]*\(?TotalSeq[\s_.\-]*[ABCD]?\)?$", re.IGNORECASE),
    re.compile(r"[_\-][ACGT]{10,}$"),  # sequence of the tag
    re.compile(r"[_\-]A?DT$", re.IGNORECASE),
    re.compile(r"^(?:ADT|prot|protein|AB)[_:]", re.IGNORECASE),
    re.compile(r"^anti[\s\-](?:human|mouse)(?:[/\-]\w+)?[\s\-]", re.IGNORECASE),
)
_CONTROL = re.compile(
    r"isotype|(?:^|[^a-z])(?:rat|mouse|hamster|rabbit)?[\s_\-]*ig[gm]\d?[abc]?"
    r"(?:$|[\s_.\-].*(?:control|ctrl|iso|totalseq))|(?:^|[\s_\-])(?:control|ctrl)$",
    re.IGNORECASE,
)


def protein_names(names: Sequence[str]) -> npt.NDArray[np.object_]:
    """Remove what vendors add to names of antibodies, so that two data sets match.

    Removed are ``TotalSeq`` suffixes, sequences of tags, ``ADT_`` and ``anti-human``. Names that
    would then not be unique stay as they are.

    Examples
    --------
    >>> protein_names(["CD3_TotalSeqB", "CD4-GAGGTTAGTGATGGA", "CD8a"]).tolist()
    ['CD3', 'CD4', 'CD8a']
    """
    short = [_short(str(name)) for name in names]
    counts = {name: short.count(name) for name in short}
    kept = [a if counts[a] == 1 else str(b) for a, b in zip(short, names, strict=True)]
    return np.array(kept, dtype=object)


def isotype_controls(names: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Mark isotype controls, which measure background alone.

    Examples
    --------
    >>> isotype_controls(["CD4", "IgG1-control", "Mouse_IgG2a_TotalSeqB", "IgD", "IgM"]).tolist()
    [False, True, True, False, False]
    """
    found = [_CONTROL.search(str(name)) is not None and str(name) != "IgM" for name in names]
    return np.array(found, dtype=bool)


def _short(name: str) -> str:
    found = name.strip()
    for pattern in _ADDED:
        found = pattern.sub("", found) or found
    return found
