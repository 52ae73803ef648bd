"""Three ways to split a sequence into tokens: characters, longest k-mers, a library."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba.tokens.nucleotides.layouts import TokenLayout

Ints = npt.NDArray[np.int64]


class Characters:
    """One token per nucleotide, looked up in a table of 256 bytes."""

    def __init__(self, layout: TokenLayout) -> None:
        self.table = np.full(256, -1, dtype=np.int64)
        for i, token in enumerate(layout.tokens):
            if len(token) == 1 and token.upper() in "ACGTUN":
                self.table[ord(token.upper())] = i
        _fill_unknown(self.table, layout)

    def split(self, sequence: str) -> tuple[Ints, Ints]:
        """Return ids (n,) and token boundaries (n + 1,) of a sequence."""
        ids = self.table[np.frombuffer(sequence.encode(), dtype=np.uint8)]
        return ids, np.arange(len(ids) + 1)


class Kmers:
    """Longest matching tokens, from left to right; characters that match none are unknown.

    This is the behavior of ``EsmTokenizer`` of transformers, the tokenizer of the published k-mer
    vocabularies: a sequence of ``ACGT`` is split into k-mers that do not overlap, and the remainder
    at its end or before an N into single nucleotides.
    """

    def __init__(self, layout: TokenLayout) -> None:
        bases = set("ACGTUN")
        words = {token.upper(): i for i, token in enumerate(layout.tokens) if token}
        self.words = {word: i for word, i in words.items() if set(word) <= bases}
        single = Characters(layout).table
        self.words |= {letter: int(single[ord(letter)]) for letter in bases}
        self.lengths = sorted({len(word) for word in self.words}, reverse=True)

    def split(self, sequence: str) -> tuple[Ints, Ints]:
        """Return ids (n,) and token boundaries (n + 1,) of a sequence."""
        ids, ends, start = [], [0], 0
        while start < len(sequence):
            words = (sequence[start : start + length] for length in self.lengths)
            word = next(word for word in words if word in self.words)
            start += len(word)
            ids.append(self.words[word])
            ends.append(start)
        return np.array(ids, dtype=np.int64), np.array(ends, dtype=np.int64)


class Library:
    """``tokenizer.json`` read by the ``tokenizers`` library, an optional dependency."""

    def __init__(self, layout: TokenLayout) -> None:
        self.tokenizer = read_library(layout.library)
        self.upper = "a" not in layout.tokens

    def split(self, sequence: str) -> tuple[Ints, Ints]:
        """Return ids (n,) and token boundaries (n + 1,) of a sequence."""
        given = sequence if self.upper else sequence.lower()
        found = self.tokenizer.encode(given, add_special_tokens=False)
        offsets = np.array(found.offsets, dtype=np.int64).reshape(-1, 2)
        ends = np.append(offsets[:1, 0], offsets[:, 1])
        gap = len(offsets) == 0 or ends[0] != 0 or ends[-1] != len(sequence)
        if gap or (offsets[1:, 0] != offsets[:-1, 1]).any():
            raise ScmambaError(
                "tokenizer.json skips a part of the sequence, because it lacks a token for some "
                "of A, C, G, T, N and an unknown token; use the file that came with the weights"
            )
        return np.array(found.ids, dtype=np.int64), ends


def read_library(text: str) -> Any:
    """Read a tokenizer of the ``tokenizers`` library from the text of ``tokenizer.json``.

    Truncation and padding set in the file are turned off, so that sequences are never truncated
    silently.

    Raises
    ------
    ScmambaError
        If the library is not installed, or the text is not a valid tokenizer.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise ScmambaError(
            "reading tokenizer.json of this model requires the package tokenizers, which is not "
            "installed; pip install 'scmamba[sequence]'"
        ) from error
    try:
        tokenizer = Tokenizer.from_str(text)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a bare Exception, or the panic of compiled code
        raise ScmambaError(
            f"tokenizer.json cannot be read ({error}); fetch the file again"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _fill_unknown(table: Ints, layout: TokenLayout) -> None:
    """Map N to the unknown token where it has none, and check that each base has a token."""
    if table[ord("N")] < 0:
        table[ord("N")] = layout.specials.get("unk", -1)
    if layout.alphabet == "RNA" and table[ord("U")] < 0:
        table[ord("U")] = table[ord("T")]
    bases = "ACGU" if layout.alphabet == "RNA" else "ACGT"
    if missing := [letter for letter in bases + "N" if table[ord(letter)] < 0]:
        raise ScmambaError(
            f"the tokenizer has no token for {', '.join(missing)} and no unknown token; use the "
            "file that came with the weights"
        )


SPLITTERS: dict[str, type[Characters] | type[Kmers] | type[Library]] = {
    "characters": Characters,
    "kmers": Kmers,
    "library": Library,
}
