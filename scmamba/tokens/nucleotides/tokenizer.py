"""DNA and RNA to ids and back, as the tokenizer file of a checkpoint says."""

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
    """Nucleotides to the ids that a model knows.

    Made by :meth:`from_folder` (the files of a checkpoint), :meth:`from_json` (what
    :meth:`to_json` wrote), or, for vocabularies that come without a file, :meth:`caduceus`,
    :meth:`plantcad`, :meth:`mrna` and :meth:`benchmark`.

    Parameters
    ----------
    layout
        Tokens, special tokens and the way to cut.

    Attributes
    ----------
    vocab_size
        Number of ids, those that stand for nothing included.
    pad_id
        Id of padding; 0 where there is no such token (a padding mask hides it in any case).
    mask_id, unk_id, bos_id, sep_id
        Ids of the other special tokens, or None.
    alphabet
        ``"DNA"`` or ``"RNA"``.
    padding_side
        ``"left"`` or ``"right"``.
    max_length
        Most tokens that the model was made for, or None.
    complement
        (vocab_size,) id of each token's complement, where every nucleotide is one token; else None.
    nucleotide_ids
        Id of A, C, G, T (or U) and N, where every nucleotide is one token; else empty.
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
        """Caduceus' vocabulary, padded to ``size`` ids."""
        return cls(layouts.caduceus(size=size, max_length=max_length))

    @classmethod
    def plantcad(cls, size: int = 8, *, max_length: int | None = None) -> NucleotideTokenizer:
        """The vocabulary of PlantCaduceus and PlantCAD2, padded to ``size`` ids."""
        return cls(layouts.plantcad(size, max_length=max_length))

    @classmethod
    def mrna(cls, size: int = 12, *, max_length: int | None = 8192) -> NucleotideTokenizer:
        """Mamba2-mRNA's vocabulary, padded to ``size`` ids; T is read as U."""
        return cls(layouts.mrna(size, max_length=max_length))

    @classmethod
    def benchmark(
        cls, alphabet: str = "DNA", *, max_length: int | None = None
    ) -> NucleotideTokenizer:
        """The vocabulary of the 18-task benchmark: padding 0, A 1, C 2, G 3, T (or U) 4, N 5."""
        return cls(layouts.benchmark(alphabet, max_length=max_length))

    @classmethod
    def from_folder(cls, folder: str | os.PathLike[str]) -> NucleotideTokenizer:
        """Read the tokenizer of a checkpoint's folder.

        In this order: ``tokenizer.json`` (BPE and others; characters need no library),
        ``vocab.txt`` (k-mers), ``tokenizer_config.json`` of Caduceus or Mamba2-mRNA, and
        else the ``complement_map`` of ``config.json``, which tells Caduceus from PlantCAD.

        Raises
        ------
        ScmambaError
            There is no such file, or it is of a kind that is not known.
        """
        with reading(folder):
            return cls(read_layout(Path(folder)))

    @classmethod
    def from_json(cls, path: str | os.PathLike[str]) -> NucleotideTokenizer:
        """Read what :meth:`to_json` wrote."""
        with reading(path):
            return cls(TokenLayout.from_dict(read_json(path), os.fspath(path)))

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write everything needed to make the tokenizer again atomically."""
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(self.layout.to_dict()), encoding="utf-8")

    def __len__(self) -> int:
        return self.vocab_size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NucleotideTokenizer) and self.layout == other.layout

    def __hash__(self) -> int:
        return hash(self.layout.tokens)

    def __repr__(self) -> str:
        layout = self.layout
        return f"NucleotideTokenizer({layout.kind}, {layout.alphabet}, {self.vocab_size} ids)"

    def limited(self, max_length: int | None) -> NucleotideTokenizer:
        """The same tokenizer for sequences of at most ``max_length`` tokens (None: any)."""
        return NucleotideTokenizer(dataclasses.replace(self.layout, max_length=max_length))

    def clean(self, sequence: str, where: str = "the sequence") -> str:
        """``sequence`` in upper case, checked; RNA with U for T.

        Raises
        ------
        ScmambaError
            It is empty or holds a character outside the alphabet, named with its position.
        """
        return clean(sequence, self.alphabet, where)

    def encode(self, sequence: str, *, special: bool | None = None) -> npt.NDArray[np.int64]:
        """Ids of one sequence.

        Parameters
        ----------
        sequence
            Of A, C, G, T (or U) and N, in either case.
        special
            Whether special tokens stand around it; None: as the published tokenizer does it
            (Caduceus without).

        Returns
        -------
        (n,) int64.

        Raises
        ------
        ScmambaError
            As :meth:`clean`.
        """
        before, behind = self._ends(special)
        return np.concatenate([before, self._splitter.split(self.clean(sequence))[0], behind])

    def decode(self, ids: Iterable[int]) -> str:
        """The sequence of ``ids``, in upper case; special tokens are left out, unknown is N.

        Raises
        ------
        ScmambaError
            An id stands for no token.
        """
        tokens, specials = self.layout.tokens, set(self.layout.specials.values()) - {self.unk_id}
        letters = []
        for i in map(int, ids):
            if not 0 <= i < len(tokens) or not tokens[i]:
                raise ScmambaError(
                    f"id {i} stands for no token; this tokenizer has {len(tokens)} ids, and "
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
        """Pad some sequences to one length.

        Parameters
        ----------
        sequences
            At least one.
        max_length
            Most tokens of a sequence, special ones included; None: ``self.max_length``.
        truncation
            What to do with a longer one: ``"error"``, or keep its first tokens (``"right"`` is cut
            off) or its last ones (``"left"``). Special tokens stay.
        special
            As in :meth:`encode`.

        Raises
        ------
        ScmambaError
            A sequence is empty, holds a character outside the alphabet or is too long.
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
        """Ids that stand before and behind a sequence."""
        layout = self.layout
        wanted = layout.special_by_default if special is None else special
        prefix, suffix = (layout.prefix, layout.suffix) if wanted else ((), ())
        return np.array(prefix, dtype=np.int64), np.array(suffix, dtype=np.int64)


def _room(n: int, limit: int | None, around: int, truncation: str, i: int) -> int:
    """How many of ``n`` tokens are kept."""
    if limit is None or n + around <= limit:
        return n
    if truncation == "error" or limit <= around:
        raise ScmambaError(
            f"sequence {i} has {n + around} tokens and max_length={limit}; cut it into pieces, "
            'give truncation="right" (keeps its start) or "left" (keeps its end), or set '
            "max_length higher: the model runs, but was not trained on such lengths"
        )
    return limit - around
