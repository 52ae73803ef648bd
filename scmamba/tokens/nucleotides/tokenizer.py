"""Tokenizer of DNA and RNA sequences, compatible with published checkpoints."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba._files import atomic
from scmamba._read import read_json, reading
from scmamba.tokens.nucleotides import layouts
from scmamba.tokens.nucleotides.alphabet import ALPHABETS, clean
from scmamba.tokens.nucleotides.batch import SequenceBatch, pad
from scmamba.tokens.nucleotides.files import read_layout
from scmamba.tokens.nucleotides.layouts import TokenLayout, complements
from scmamba.tokens.nucleotides.splitters import SPLITTERS

TRUNCATIONS = ("error", "right", "left")


class NucleotideTokenizer:
    """Tokenizer of DNA or RNA sequences.

    Use :meth:`from_folder` for the files of a checkpoint, :meth:`from_json` for a file written by
    :meth:`to_json`, or :meth:`caduceus`, :meth:`plantcad`, :meth:`mrna` and :meth:`benchmark` for
    vocabularies that need no file.

    Parameters
    ----------
    layout
        Tokens, special tokens and the way to split sequences.

    Attributes
    ----------
    vocab_size
        Number of ids, including unused ones.
    pad_id
        Id of padding; 0 where there is no such token (padding is masked in any case).
    mask_id, unk_id, bos_id, sep_id
        Ids of the other special tokens, or None.
    alphabet
        ``"DNA"`` or ``"RNA"``.
    padding_side
        ``"left"`` or ``"right"``.
    max_length
        Longest sequence that the model was trained on, in tokens, or None.
    complement
        (vocab_size,) id of each token's complement where each nucleotide is one token, else None.
    nucleotide_ids
        Ids of A, C, G, T (or U) and N where each nucleotide is one token, else empty.

    Examples
    --------
    >>> from scmamba.tokens import NucleotideTokenizer
    >>> tokenizer = NucleotideTokenizer.caduceus()
    >>> ids = tokenizer.encode("ACGTN")
    >>> ids.tolist(), tokenizer.decode(ids)
    ([7, 8, 9, 10, 11], 'ACGTN')
    >>> tokenizer.decode(tokenizer.complement[ids][::-1])  # reverse complement
    'NACGT'
    """

    def __init__(self, layout: TokenLayout) -> None:
        self.layout = layout
        self._splitter = SPLITTERS[layout.kind](layout)
        ids = layout.specials
        self.vocab_size = len(layout.tokens)
        self.pad_id = ids.get("pad", 0)
        self.mask_id, self.unk_id = ids.get("mask"), ids.get("unk")
        self.bos_id = ids.get("bos", ids.get("cls"))
        self.sep_id = ids.get("sep")
        self.alphabet, self.padding_side = layout.alphabet, layout.padding_side
        self.max_length = layout.max_length
        self.complement: npt.NDArray[np.int64] | None = None
        self.nucleotide_ids: dict[str, int] = {}
        if layout.kind == "characters":
            self.complement = np.array(complements(layout.tokens), dtype=np.int64)
            letters = ALPHABETS[layout.alphabet] + "N"
            self.nucleotide_ids = {x: int(self._splitter.split(x)[0][0]) for x in letters}

    @classmethod
    def caduceus(cls, size: int = 16, *, max_length: int | None = None) -> NucleotideTokenizer:
        """Create Caduceus' tokenizer, its vocabulary padded to ``size`` ids."""
        return cls(layouts.caduceus(size=size, max_length=max_length))

    @classmethod
    def plantcad(cls, size: int = 8, *, max_length: int | None = None) -> NucleotideTokenizer:
        """Create the tokenizer of PlantCaduceus and PlantCAD2, padded to ``size`` ids."""
        return cls(layouts.plantcad(size, max_length=max_length))

    @classmethod
    def mrna(cls, size: int = 12, *, max_length: int | None = 8192) -> NucleotideTokenizer:
        """Create Mamba2-mRNA's tokenizer, padded to ``size`` ids; T is read as U."""
        return cls(layouts.mrna(size, max_length=max_length))

    @classmethod
    def benchmark(
        cls, alphabet: str = "DNA", *, max_length: int | None = None
    ) -> NucleotideTokenizer:
        """Create the tokenizer of the 18-task benchmark: padding, A, C, G, T (or U), N."""
        return cls(layouts.benchmark(alphabet, max_length=max_length))

    @classmethod
    def from_folder(cls, folder: str | os.PathLike[str]) -> NucleotideTokenizer:
        """Read the tokenizer of a checkpoint's folder.

        The first of these is used: ``tokenizer.json`` (BPE and others, which need the package
        tokenizers; characters do not), ``vocab.txt`` (k-mers), ``tokenizer_config.json`` of
        Caduceus or Mamba2-mRNA, and ``complement_map`` in ``config.json``, which distinguishes
        Caduceus from PlantCAD.

        Raises
        ------
        ScmambaError
            If there is no such file, or it is of an unknown kind.
        """
        with reading(folder):
            return cls(read_layout(Path(folder)))

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> NucleotideTokenizer:
        """Read a file written by :meth:`to_json`."""
        with reading(path):
            return cls(TokenLayout.from_dict(read_json(path), os.fspath(path)))

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the tokenizer to a JSON file, atomically."""
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(self.layout.to_dict()), encoding="utf-8")

    def __len__(self) -> int:
        """Return the number of ids."""
        return self.vocab_size

    def __eq__(self, other: object) -> bool:
        """Whether both have the same layout."""
        return isinstance(other, NucleotideTokenizer) and self.layout == other.layout

    def __hash__(self) -> int:
        """Return the hash of the tokens."""
        return hash(self.layout.tokens)

    def __repr__(self) -> str:
        """Return kind, alphabet and number of ids as text."""
        layout = self.layout
        return f"NucleotideTokenizer({layout.kind}, {layout.alphabet}, {self.vocab_size} ids)"

    def limited(self, max_length: int | None) -> NucleotideTokenizer:
        """Return a copy for sequences of at most ``max_length`` tokens (None for any length)."""
        return NucleotideTokenizer(dataclasses.replace(self.layout, max_length=max_length))

    def clean(self, sequence: str, where: str = "the sequence") -> str:
        """Return ``sequence`` in upper case, checked; in RNA, T becomes U.

        Raises
        ------
        ScmambaError
            If it is empty or holds a character outside the alphabet.
        """
        return clean(sequence, self.alphabet, where)

    def encode(self, sequence: str, *, special: bool | None = None) -> npt.NDArray[np.int64]:
        """Turn one sequence into ids.

        Parameters
        ----------
        sequence
            Nucleotides A, C, G, T (or U) and N, in upper or lower case.
        special
            Whether to add special tokens; None follows the published tokenizer (Caduceus adds
            none).

        Returns
        -------
        (n,) int64 ids.

        Raises
        ------
        ScmambaError
            If the sequence is empty or holds a character outside the alphabet.
        """
        before, behind = self._ends(special)
        return np.concatenate([before, self._splitter.split(self.clean(sequence))[0], behind])

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids into a sequence in upper case; special tokens are omitted, unknown ones are N.

        Raises
        ------
        ScmambaError
            If an id has no token.
        """
        tokens, specials = self.layout.tokens, set(self.layout.specials.values()) - {self.unk_id}
        letters = []
        for i in map(int, ids):
            if not 0 <= i < len(tokens) or not tokens[i]:
                raise ScmambaError(
                    f"id {i} has no token; this tokenizer has {len(tokens)} ids, and "
                    f"{sum(map(bool, tokens))} of them have a token"
                )
            if i == self.unk_id:
                letters.append("N")
            elif i not in specials and tokens[i].isalpha():
                letters.append(tokens[i].upper())
        return "".join(letters)

    def batch(
        self,
        sequences: Sequence[str],
        *,
        max_length: int | None = None,
        truncation: str = "error",
        special: bool | None = None,
    ) -> SequenceBatch:
        """Tokenize sequences and pad them to a common length.

        Parameters
        ----------
        sequences
            One or more sequences.
        max_length
            Largest number of tokens, special ones included; None for ``self.max_length``.
        truncation
            Treatment of longer sequences: ``"error"``, ``"right"`` (remove tokens at the end) or
            ``"left"`` (remove tokens at the start). Special tokens are kept.
        special
            Whether to add special tokens; see :meth:`encode`.

        Raises
        ------
        ScmambaError
            If a sequence is empty, holds a character outside the alphabet or is too long.
        """
        if truncation not in TRUNCATIONS:
            raise ScmambaError(
                f"truncation={truncation!r}; allowed: {', '.join(map(repr, TRUNCATIONS))}"
            )
        if isinstance(sequences, str) or not len(sequences):
            raise ScmambaError(f"sequences={sequences!r}; give a list of at least one sequence")
        limit = self.max_length if max_length is None else max_length
        before, behind = self._ends(special)
        rows = []
        for i, sequence in enumerate(sequences):
            ids, edges = self._splitter.split(self.clean(sequence, f"sequence {i}"))
            room = _room(len(ids), limit, len(before) + len(behind), truncation, i)
            kept = slice(len(ids) - room, None) if truncation == "left" else slice(room)
            spans = np.stack([edges[:-1], edges[1:]], 1)
            rows.append((ids[kept], spans[kept]))
        return pad(rows, before, behind, pad_id=self.pad_id, side=self.padding_side)

    def _ends(self, special: bool | None) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Ids of the special tokens before and after a sequence."""
        layout = self.layout
        wanted = layout.special_by_default if special is None else special
        prefix, suffix = (layout.prefix, layout.suffix) if wanted else ((), ())
        return np.array(prefix, dtype=np.int64), np.array(suffix, dtype=np.int64)


def _room(n: int, limit: int | None, around: int, truncation: str, i: int) -> int:
    """Return the number of tokens that are kept out of ``n``."""
    if limit is None or n + around <= limit:
        return n
    if truncation == "error" or limit <= around:
        raise ScmambaError(
            f"sequence {i} has {n + around} tokens and max_length={limit}; cut it into pieces, "
            'give truncation="right" (keeps its start) or "left" (keeps its end), or set '
            "max_length higher: the model runs, but was not trained on such lengths"
        )
    return limit - around
