"""Sequences as tokens, in batches of similar length that fit a budget."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scmamba._arguments import check_count
from scmamba._errors import ScmambaError
from scmamba._progress import progress_bar
from scmamba.models.sequence.model import SequenceModel
from scmamba.stream.buckets import TOKEN_BUDGET, length_buckets
from scmamba.tasks.sequence._inputs import Sequences
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer

_NUMBERS = 1 << 24
"""Numbers in the widest tensor of a batch, about, so that memory does not grow with the work."""


@dataclass(frozen=True)
class Encoded:
    """One sequence as the model reads it.

    Attributes
    ----------
    ids
        (n_tokens,) int64.
    special
        (n_tokens,) True at tokens that stand for no nucleotide.
    spans
        (n_tokens, 2) first and, exclusive, last nucleotide of each token; -1 at special ones.
    """

    ids: npt.NDArray[np.int64]
    special: npt.NDArray[np.bool_]
    spans: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)


def read(
    data: Sequences, tokenizer: NucleotideTokenizer, max_length: int | None = None
) -> tuple[list[str], list[Encoded]]:
    """Return what a user gave, checked: in upper case (U for T in RNA), and as tokens.

    Parameters
    ----------
    max_length
        Most tokens that a sequence may have; None: what the model was made for, if that is known.

    Raises
    ------
    ScmambaError
        A sequence holds a character that the model does not read, or is too long.
    """
    check_count("max_length", max_length)
    texts = clean(data, tokenizer)
    rows = encode(texts, tokenizer)
    limit = tokenizer.max_length if max_length is None else max_length
    for i, row in enumerate(rows):
        if limit is not None and len(row) > limit:
            raise ScmambaError(
                f"{data.describe(i)} has {len(row):,} tokens, and max_length={limit:,}; cut it "
                "into pieces, or set max_length higher: the model runs, but may not have learned "
                "from such lengths"
            )
    return texts, rows


def clean(data: Sequences, tokenizer: NucleotideTokenizer) -> list[str]:
    """Sequences in upper case (U for T in RNA).

    Raises
    ------
    ScmambaError
        One holds a character that the model does not read.
    """
    return [
        tokenizer.clean(sequence, data.describe(i)) for i, sequence in enumerate(data.sequences)
    ]


def encode(texts: Iterable[str], tokenizer: NucleotideTokenizer) -> list[Encoded]:
    """Tokens of each sequence, with special ones where the published tokenizer has them."""
    rows = []
    for text in texts:
        batch = tokenizer.batch([text], max_length=sys.maxsize)
        fields = (batch.input_ids, batch.special_mask, batch.spans)
        rows.append(Encoded(*(field[0].numpy() for field in fields)))
    return rows


def token_budget(model: SequenceModel) -> int:
    """Tokens of a batch, so that its widest tensor stays within bounds."""
    widest = max(model.hidden_width, model.config.vocab_size)
    return int(np.clip(_NUMBERS // widest, 1024, TOKEN_BUDGET))


def batches(
    model: SequenceModel, lengths: Sequence[int], batch_size: int | None
) -> list[npt.NDArray[np.int64]]:
    """Positions of the sequences of each batch, of similar lengths.

    Parameters
    ----------
    lengths
        (n,) tokens of each sequence.
    batch_size
        Sequences a batch; None: as many as :func:`token_budget` holds.
    """
    check_count("batch_size", batch_size)
    budget = token_budget(model) if batch_size is None else None
    return length_buckets(np.asarray(lengths), batch_size=batch_size, token_budget=budget)


def progress(batches: Sequence, text: str) -> Iterator:  # type: ignore[type-arg]
    """Return the batches, with a progress bar that appears when it takes a while."""
    with progress_bar(text, len(batches), unit="batches", delay=2) as bar:
        for batch in batches:
            yield batch
            bar.update()
