"""Order of features in a cell's sequence: by place in the genome, by name, or shuffled."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scmamba.tasks._multiomics.blocks import Block
from scmamba.tasks._multiomics.network import Order

_INTERVAL = re.compile(r"^(?:chr)?([^:_-].*?)[:_-](\d+)[-_](\d+)$", re.IGNORECASE)


@dataclass(frozen=True)
class Places:
    """Places of features in the genome.

    Attributes
    ----------
    chromosome
        (n,) number of the chromosome among those named, -1 where the place is not known.
    middle
        (n,) middle of the feature in base pairs.
    """

    chromosome: npt.NDArray[np.int64]
    middle: npt.NDArray[np.float64]


def peak_places(names: Sequence[str]) -> Places:
    """Read places from names of peaks such as ``chr1:1-100``, ``chr1-1-100`` or ``1_1_100``."""
    found = [_INTERVAL.match(name) for name in names]
    chromosomes = sorted({match.group(1) for match in found if match})
    code = {name: i for i, name in enumerate(chromosomes)}
    return Places(
        np.array([code[match.group(1)] if match else -1 for match in found], np.int64),
        np.array([(int(m.group(2)) + int(m.group(3))) / 2 if m else 0.0 for m in found]),
    )


def ranks(blocks: Sequence[Block], order: Order, seed: int) -> npt.NDArray[np.int64]:
    """(n_features of all modalities,) position of each feature in a sequence.

    In genome order, features without a place come first, by modality and name. In vocabulary
    order modalities follow each other, each by name.
    """
    names = [name for block in blocks for name in block.features]
    n = len(names)
    modality = np.repeat(np.arange(len(blocks)), [len(block.features) for block in blocks])
    by_name = np.lexsort((np.array(names, dtype=str), modality))
    if order == "shuffled":
        sequence = by_name[np.random.default_rng(seed).permutation(n)]
    elif order == "vocabulary":
        sequence = by_name
    else:
        known = peak_places(names)
        place = np.empty(n, np.int64)
        place[by_name] = np.arange(n)
        sequence = np.lexsort((place, known.middle, known.chromosome))
    rank = np.empty(n, np.int64)
    rank[sequence] = np.arange(n)
    return rank
