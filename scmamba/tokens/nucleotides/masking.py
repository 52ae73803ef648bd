"""Hide a share of each sequence's tokens, for masked language modelling, or replace it."""

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
"""Target of a token that no loss looks at, PyTorch's default."""
MASKED, RANDOM = 0.8, 0.1
"""Of the chosen tokens: the share behind the mask token, and that behind another token at random;
the others stay as they are. Devlin et al., BERT, NAACL 2019."""


@dataclass(frozen=True)
class TokenMasking:
    """How tokens are hidden.

    Attributes
    ----------
    ratio
        Share of a sequence's tokens to choose, in (0, 1); at least one is.
    mask_id
        What stands in place of a hidden token.
    choosable
        Ids that may be chosen and that stand in at random: of known nucleotides alone.
    """

    ratio: float
    mask_id: int
    choosable: Ints

    def __post_init__(self) -> None:
        if not 0 < self.ratio < 1:
            raise ScmambaError(f"mask_ratio={self.ratio}; give a share above 0 and below 1")

    @classmethod
    def of(cls, tokenizer: NucleotideTokenizer, ratio: float = 0.15) -> TokenMasking:
        """Masking with the tokens of ``tokenizer``.

        Raises
        ------
        ScmambaError
            It has no mask token, or the ratio is out of range.
        """
        if tokenizer.mask_id is None:
            raise ScmambaError(
                f"{tokenizer} has no mask token, so nothing can be hidden; train causally"
            )
        return cls(ratio, tokenizer.mask_id, known_tokens(tokenizer))

    def __call__(
        self, sequences: Sequence[Ints], rng: np.random.Generator
    ) -> tuple[list[Ints], list[Ints]]:
        """Hide tokens of each sequence.

        Parameters
        ----------
        sequences
            (length,) ids of each; left as they are.
        rng
            Decides which, and what stands in their place.

        Returns
        -------
        ids
            The same with some replaced.
        target
            The ids that were chosen, -100 elsewhere.
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
    """Replaces tokens at random, so that no network learns sequences by heart.

    Attributes
    ----------
    ratio
        Share of the tokens to replace, in [0, 1), each by itself.
    choosable
        Ids that may be replaced and that stand in.
    """

    ratio: float
    choosable: Ints

    def __call__(self, sequences: Sequence[Ints], rng: np.random.Generator) -> list[Ints]:
        """Each sequence (length,) with some ids replaced; the originals stay as they are."""
        noisy = []
        for ids in sequences:
            chosen = (rng.random(len(ids)) < self.ratio) & np.isin(ids, self.choosable)
            new = ids.copy()
            new[chosen] = rng.choice(self.choosable, int(chosen.sum()))
            noisy.append(new)
        return noisy


def known_tokens(tokenizer: NucleotideTokenizer) -> Ints:
    """Ids that stand for known nucleotides alone: neither special tokens nor any with N."""
    letters, tokens = set(ALPHABETS[tokenizer.alphabet]), tokenizer.layout.tokens
    known = [i for i, token in enumerate(tokens) if token and set(token.upper()) <= letters]
    return np.array(known, dtype=np.int64)
