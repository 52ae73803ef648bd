"""Expression and sequences to tokens: vocabularies, ids, bins, padded batches, masks."""

from scmamba.tokens.binning import bin_values
from scmamba.tokens.cells import CellTokens, tokenize
from scmamba.tokens.collate import CellBatch, collate
from scmamba.tokens.genes import GeneMatch, resolve
from scmamba.tokens.masking import mask_values
from scmamba.tokens.nucleotides import NucleotideTokenizer, SequenceBatch
from scmamba.tokens.vocab import Vocab

__all__ = [
    "CellBatch",
    "CellTokens",
    "GeneMatch",
    "NucleotideTokenizer",
    "SequenceBatch",
    "Vocab",
    "bin_values",
    "collate",
    "mask_values",
    "resolve",
    "tokenize",
]
