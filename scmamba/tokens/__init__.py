"""Expression to tokens: vocabulary, gene ids, value bins, ragged cells, padded batches, masks."""

from scmamba.tokens.binning import bin_values
from scmamba.tokens.cells import CellTokens, tokenize
from scmamba.tokens.collate import CellBatch, collate
from scmamba.tokens.genes import GeneMatch, resolve
from scmamba.tokens.masking import mask_values
from scmamba.tokens.vocab import Vocab

__all__ = [
    "CellBatch",
    "CellTokens",
    "GeneMatch",
    "Vocab",
    "bin_values",
    "collate",
    "mask_values",
    "resolve",
    "tokenize",
]
