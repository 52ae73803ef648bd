"""Masking of tokens for masked language modeling, and random replacement of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba.tokens.nucleotides.alphabet import ALPHABETS
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer

Ints = npt.NDArray[np.int64]
IGNORED = -100
"""Target that losses ignore, as PyTorch does by default."""
MASKED, RANDOM = 0.8, 0.1
"""Fractions of the chosen tokens replaced with the mask token and with a random token; the others
stay unchanged (Devlin et al., BERT, NAACL 2019)."""


@dataclass(frozen=True)
class TokenMasking:
    """Masking of tokens for masked language modeling.

    Attributes
    ----------
    ratio
        Fraction of a sequence's tokens to choose, in (0, 1); at least one is chosen.
    mask_id
        Id of the mask token.
    choosable
        Ids that may be masked or used as random replacements: those of known nucleotides.
    """

    ratio: float
    mask_id: int
    choosable: Ints

    def __post_init__(self) -> None:
        """Check the ratio."""
        if not 0 < self.ratio < 1:
            raise ScmambaError(f"mask_ratio={self.ratio}; give a fraction above 0 and below 1")

    @classmethod
    def of(cls, tokenizer: NucleotideTokenizer, ratio: float = 0.15) -> TokenMasking:
        """Set up masking with the tokens of ``tokenizer``.

        Raises
        ------
        ScmambaError
            If the tokenizer has no mask token, or the ratio is out of range.
        """
        if tokenizer.mask_id is None:
            raise ScmambaError(
                f"{tokenizer} has no mask token, so masked language modeling is not possible; "
                "use objective='causal'"
            )
        return cls(ratio, tokenizer.mask_id, known_tokens(tokenizer))

    def __call__(
        self, sequences: Sequence[Ints], rng: np.random.Generator
    ) -> tuple[list[Ints], list[Ints]]:
        """Mask tokens of each sequence.

        Parameters
        ----------
        sequences
            Ids of each sequence, (length,); not modified.
        rng
            Random number generator.

        Returns
        -------
        ids
            Copies of the sequences with some ids replaced.
        target
            Original ids at the chosen positions, -100 elsewhere.
        """
        hidden, targets = [], []
        for ids in sequences:
            places = np.flatnonzero(np.isin(ids, self.choosable))
            n = min(max(round(self.ratio * len(places)), 1), len(places))
            chosen = rng.permutation(places)[:n]
            target = np.full(len(ids), IGNORED, dtype=np.int64)
            target[chosen] = ids[chosen]
            what, new = rng.random(n), ids.copy()
            new[chosen[what < MASKED]] = self.mask_id
            other = chosen[(what >= MASKED) & (what < MASKED + RANDOM)]
            new[other] = rng.choice(self.choosable, len(other))
            hidden.append(new)
            targets.append(target)
        return hidden, targets


@dataclass(frozen=True)
class TokenNoise:
    """Random replacement of tokens, a regularization against memorizing sequences.

    Attributes
    ----------
    ratio
        Probability that a token is replaced, in [0, 1).
    choosable
        Ids that may be replaced and that replace them.
    """

    ratio: float
    choosable: Ints

    def __call__(self, sequences: Sequence[Ints], rng: np.random.Generator) -> list[Ints]:
        """Return copies of the sequences, each (length,), with some ids replaced."""
        noisy = []
        for ids in sequences:
            chosen = (rng.random(len(ids)) < self.ratio) & np.isin(ids, self.choosable)
            new = ids.copy()
            new[chosen] = rng.choice(self.choosable, int(chosen.sum()))
            noisy.append(new)
        return noisy


def known_tokens(tokenizer: NucleotideTokenizer) -> Ints:
    """Ids of tokens made only of known nucleotides: neither special tokens nor any with N."""
    letters, tokens = set(ALPHABETS[tokenizer.alphabet]), tokenizer.layout.tokens
    known = [i for i, token in enumerate(tokens) if token and set(token.upper()) <= letters]
    return np.array(known, dtype=np.int64)
