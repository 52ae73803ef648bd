"""Order of features in a cell's sequence: by place in the genome, by name, or shuffled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from scmamba.tasks._multiomics.blocks import Block
from scmamba.tasks._multiomics.places import chromosome_ranks, unknown
from scmamba.tasks._multiomics.sizes import Order


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
        parts = [block.places or unknown(len(block.features)) for block in blocks]
        chromosome = chromosome_ranks(np.concatenate([one.chromosome for one in parts]))
        middle = np.concatenate([one.middle for one in parts])
        place = np.empty(n, np.int64)
        place[by_name] = np.arange(n)
        sequence = np.lexsort((place, middle, chromosome))
    rank = np.empty(n, np.int64)
    rank[sequence] = np.arange(n)
    return rank
