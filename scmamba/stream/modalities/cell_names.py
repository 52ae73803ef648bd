"""Whether modalities name the same cells apart: by barcodes with and without a suffix."""

from __future__ import annotations

import os
import re
from itertools import combinations

import pandas as pd

from scmamba._errors import ScmambaError
from scmamba.stream.modalities.container import Modalities

_MOSTLY, _UNIQUE = 0.5, 0.9
"""Fraction of the cells of the smaller modality that matches by barcodes, and of the barcodes of a
modality that occur once."""
_PREFIX, _SUFFIX = re.compile(r"^.*[-_.:#]"), re.compile(r"[-_.:#].*$")


def check_names(found: Modalities) -> None:
    """Raise ScmambaError where two modalities share no name, but would share most by barcodes."""
    names = {name: found.obs.index[one.cells] for name, one in found.items()}
    for (first, own), (second, other) in combinations(names.items(), 2):
        if len(own.intersection(other)):
            continue
        mine, theirs = _barcodes(own), _barcodes(other)
        shared = mine.index.intersection(theirs.index)
        if len(shared) <= _MOSTLY * min(len(own), len(other)):
            continue
        raise ScmambaError(
            f"no cell has the same name in {first!r} ({mine[shared[0]]!r}) and {second!r} "
            f"({theirs[shared[0]]!r}), but {len(shared):,} would by their barcodes "
            f"({shared[0]!r}); cells are matched by name: name those of one modality as in the "
            "other, such as by obs_names.str.replace(r'-\\d+$', '', regex=True), or differently "
            "throughout if they are other cells"
        )


def _barcodes(names: pd.Index) -> pd.Series:
    """Names by barcode: without what all names share at an end, and a number of the lane.

    Empty where that is no barcode: a number, or the same for many cells.
    """
    start = _PREFIX.match(os.path.commonprefix(list(names)))
    end = _SUFFIX.search(os.path.commonprefix([name[::-1] for name in names])[::-1])
    n_start, n_end = len(start[0]) if start else 0, len(end[0]) if end else 0
    bare = names.str.slice(n_start, None).str.slice(None, -n_end or None)
    bare = bare.str.replace(r"[-_.]\d+$", "", regex=True)
    once = ~bare.duplicated(keep=False) & ~bare.str.fullmatch(r"\d*")
    if once.mean() < _UNIQUE:
        return pd.Series(dtype=object)
    return pd.Series(names[once], index=bare[once])
