"""Words for what a comparison ran."""

from __future__ import annotations

import pandas as pd


def count_runs(runs: pd.DataFrame) -> str:
    """Return the numbers of methods and seeds of a table of runs.

    Examples
    --------
    >>> count_runs(pd.DataFrame({"method": ["a", "b", "b"], "seed": [0, 0, 1]}))
    '2 methods, 2 seeds'
    """
    counts = ((name, runs[name].nunique()) for name in ("method", "seed") if name in runs)
    return ", ".join(f"{n:,} {name}{'' if n == 1 else 's'}" for name, n in counts)
