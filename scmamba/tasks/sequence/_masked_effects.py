"""Changes of sequences by a masked model: what it puts at and around each change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from scmamba.models.sequence.model import SequenceModel
from scmamba.tasks.sequence._batches import Encoded
from scmamba.tasks.sequence._edits import Edit
from scmamba.tasks.sequence._likelihood import masked_log_probs, scored
from scmamba.tasks.sequence._nucleotides import plain_tokens

Ints = npt.NDArray[np.int64]


def masked_effects(
    model: SequenceModel,
    rows: Sequence[Encoded],
    before: Ints,
    edits: Sequence[Edit],
    flank: int,
    batch_size: int | None,
) -> npt.NDArray[np.float64]:
    """Log-probabilities of masked tokens, before and after each change.

    Parameters
    ----------
    rows
        Different sequences, and behind them the changed copy of each of the n changes.
    before
        (n,) which of ``rows`` each change was made on.
    flank
        Nucleotides on each side that are compared too, unless one nucleotide replaces another.

    Returns
    -------
    (4, n) sums before and after, and the nucleotides that they run over, before and after.
    """
    terms = [
        (i, *term)
        for i, (k, edit) in enumerate(zip(before, edits, strict=True))
        for term in _terms(model, rows, int(k), len(rows) - len(before) + i, edit, flank)
    ]
    totals = np.zeros((4, len(edits)))
    if not terms:
        return totals
    change, side, row, place, target, length = np.array(terms, dtype=np.int64).T
    asked, query = np.unique(np.stack([row, place]), axis=1, return_inverse=True)
    query = query.reshape(-1)
    members = np.split(np.argsort(query, kind="stable"), np.cumsum(np.bincount(query))[:-1])
    queries = [(int(r), np.array([p])) for r, p in asked.T]
    for q, log_probs in masked_log_probs(model, rows, queries, batch_size):
        of = members[q]
        np.add.at(totals, (side[of], change[of]), log_probs[0, target[of]])
    np.add.at(totals, (side + 2, change), length)
    return totals


def _terms(
    model: SequenceModel, rows: Sequence[Encoded], ref: int, alt: int, edit: Edit, flank: int
) -> Iterator[tuple[int, int, int, int, int]]:
    """Side (0 before, 1 after), row and token to mask, id to look for, its nucleotides."""
    given, changed = rows[ref], rows[alt]
    if (site := _site(model, given, changed, edit)) is not None:
        for side, encoded in enumerate((given, changed)):
            yield side, ref, site, int(encoded.ids[site]), 1
        return
    for side, row, stop in ((0, ref, edit.stop), (1, alt, edit.start + len(edit.alt))):
        starts, stops = rows[row].spans.T
        near = (starts < stop + flank) & (stops > edit.start - flank)
        for place in np.flatnonzero(near & scored(rows[row], model)).tolist():
            yield side, row, place, int(rows[row].ids[place]), int(stops[place] - starts[place])


def _site(model: SequenceModel, given: Encoded, changed: Encoded, edit: Edit) -> int | None:
    """Return the token of one known nucleotide whose place another known one takes."""
    if not model.tokenizer.nucleotide_ids or edit.stop - edit.start != 1 or len(edit.alt) != 1:
        return None
    site = int(np.flatnonzero(given.spans[:, 0] == edit.start)[0])
    plain = plain_tokens(model.tokenizer, model.config.vocab_size)
    return site if plain[given.ids[site]] and plain[changed.ids[site]] else None
