"""Tokens of cells and sequences: vocabularies, ids, value bins, padded batches, masks."""

from scmamba.tokens.cells.binning import bin_values
from scmamba.tokens.cells.collate import CellBatch, collate
from scmamba.tokens.cells.genes import GeneMatch, resolve
from scmamba.tokens.cells.masking import mask_values
from scmamba.tokens.cells.tokenize import CellTokens, tokenize
from scmamba.tokens.cells.vocab import Vocab
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer, SequenceBatch

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
