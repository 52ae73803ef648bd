"""Nucleotides as text, and as the tokens of a vocabulary."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from scmamba.tokens.nucleotides.alphabet import ALPHABETS
from scmamba.tokens.nucleotides.masking import known_tokens
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer

_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


def letters(tokenizer: NucleotideTokenizer) -> str:
    """Return the four nucleotides that a model reads: ``"ACGT"`` or ``"ACGU"``."""
    return ALPHABETS[tokenizer.alphabet]


def reverse_complement(sequence: str) -> str:
    """Return the other strand of DNA in upper case, read from its own 5' end."""
    return sequence.translate(_COMPLEMENT)[::-1]


@functools.lru_cache(maxsize=8)
def plain_tokens(tokenizer: NucleotideTokenizer, size: int) -> npt.NDArray[np.bool_]:
    """Which ids stand for known nucleotides alone.

    Parameters
    ----------
    size
        Ids of the model, ``vocab_size``: it may know more than its tokenizer.

    Returns
    -------
    (size,) False at special tokens, at those with N and at ids that stand for nothing.
    """
    plain = np.zeros(size, dtype=np.bool_)
    plain[known_tokens(tokenizer)] = True
    return plain
