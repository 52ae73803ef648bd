"""Places of features in the genome."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba.stream.modalities import genome_order


@dataclass(frozen=True)
class Places:
    """Places of features.

    Attributes
    ----------
    chromosome
        (n,) name of the chromosome, "" where it is not known.
    middle
        (n,) middle of the feature in base pairs.
    """

    chromosome: npt.NDArray[np.object_]
    middle: npt.NDArray[np.float64]

    def take(self, columns: npt.NDArray[np.int64]) -> Places:
        """Return the places of some features, in that order."""
        return Places(self.chromosome[columns], self.middle[columns])


def places_of(intervals: pd.DataFrame) -> Places:
    """Read places from a table with ``chrom``, ``start`` and ``end``."""
    middle = (intervals["start"].to_numpy(float) + intervals["end"].to_numpy(float)) / 2
    return Places(intervals["chrom"].to_numpy(object), np.nan_to_num(middle))


def unknown(n: int) -> Places:
    """Places of features of which none is known."""
    return Places(np.full(n, "", dtype=object), np.zeros(n))


def chromosome_ranks(names: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
    """(n,) rank of each chromosome in the order of the genome, -1 for unknown ones."""
    known = pd.unique(names[names != ""])
    table = pd.DataFrame({"chrom": known, "start": 0, "end": 1})
    rank = np.empty(len(known), np.int64)
    rank[genome_order(table)] = np.arange(len(known))
    place = dict(zip(known, rank.tolist(), strict=True))
    return np.array([place.get(name, -1) for name in names], np.int64)
