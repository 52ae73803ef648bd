"""Which sequences are the same, so that copies are held out together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scmamba.learn.folds import Rows
from scmamba.tasks.sequence._nucleotides import reverse_complement


def groups(texts: Sequence[str], *, double_stranded: bool) -> Rows:
    """(n,) a number for each sequence, the same for equal ones (and the two strands of one)."""
    keys = [min(s, reverse_complement(s)) for s in texts] if double_stranded else list(texts)
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
