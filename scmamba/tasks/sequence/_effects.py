"""What changes of sequences do to their likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scmamba.models.sequence.model import SequenceModel
from scmamba.tasks.sequence._batches import Encoded, encode
from scmamba.tasks.sequence._edits import Edit
from scmamba.tasks.sequence._likelihood import causal_log_probs, n_nucleotides, scored
from scmamba.tasks.sequence._masked_effects import masked_effects
from scmamba.tasks.sequence._model import is_causal
from scmamba.tasks.sequence._nucleotides import reverse_complement
from scmamba.tasks.sequence._prefix import shared_log_probs

_SHARED = 8
"""Changes of one sequence from which on the states of their common beginning are reused."""
_AT_ONCE = 1 << 22
"""Nucleotides whose tokens are held at a time, about."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Effects:
    """Log-likelihoods around n changes, in nats.

    Attributes
    ----------
    ref, alt
        (n,) log-likelihood of what was compared, before and after the change.
    ref_length, alt_length
        (n,) nucleotides that it runs over.
    """

    ref: Floats
    alt: Floats
    ref_length: Floats
    alt_length: Floats

    @property
    def ratio(self) -> Floats:
        """(n,) log-likelihood ratio of the changed to the given sequence."""
        return self.alt - self.ref

    @property
    def change(self) -> Floats:
        """(n,) the ratio, had both the same length: that of the given one, and their own means.

        Where lengths are equal it is the ratio. Else the ratio says little but the length: a
        sequence is likelier the shorter it is.
        """
        fair = self.alt * self.ref_length / np.maximum(self.alt_length, 1)
        return np.where((self.alt_length > 0) & (self.ref_length > 0), fair - self.ref, np.nan)


def likelihood_effects(
    model: SequenceModel,
    sequences: Sequence[str],
    edits: Sequence[Edit],
    *,
    both_strands: bool = False,
    flank: int,
    batch_size: int | None = None,
) -> Effects:
    """Compare each sequence with its changed self.

    Of a causal model the whole sequence is compared. Of a masked one: where one known nucleotide
    gives way to another, the log-probabilities of both under one mask ("masked marginals", Meier
    et al., 2021, NeurIPS); else the pseudo-log-likelihood of the changed piece and of ``flank``
    nucleotides on each side, each masked alone, before and after.

    Parameters
    ----------
    sequences
        (n,) upper case, of the model's alphabet; equal ones share work.
    edits
        (n,) the change of each.
    both_strands
        Average with the same comparison on the reverse complement.
    """
    size = max(_AT_ONCE // max(map(len, sequences), default=1), 1)
    parts = [np.zeros((4, 0))]
    for i in range(0, len(edits), size):
        some, changes = sequences[i : i + size], edits[i : i + size]
        part = _effects(model, some, changes, flank, batch_size)
        if both_strands:
            turned = {sequence: reverse_complement(sequence) for sequence in set(some)}
            mirrored = [e.other_strand(len(s)) for s, e in zip(some, changes, strict=True)]
            other = _effects(model, [turned[s] for s in some], mirrored, flank, batch_size)
            part = (part + other) / 2
        parts.append(part)
    return Effects(*np.concatenate(parts, axis=1))


def _effects(
    model: SequenceModel,
    sequences: Sequence[str],
    edits: Sequence[Edit],
    flank: int,
    batch_size: int | None,
) -> Floats:
    """(4, n) the fields of :class:`Effects`."""
    place = {sequence: k for k, sequence in enumerate(dict.fromkeys(sequences))}
    before = np.array([place[sequence] for sequence in sequences])
    changed = (edit.apply(sequence) for sequence, edit in zip(sequences, edits, strict=True))
    rows = encode([*place, *changed], model.tokenizer)
    after = np.arange(len(place), len(rows))
    if is_causal(model):
        total, length = _whole(model, rows, before, batch_size)
        return np.stack([total[before], total[after], length[before], length[after]])
    return masked_effects(model, rows, before, edits, flank, batch_size)


def _whole(
    model: SequenceModel, rows: Sequence[Encoded], before: Ints, batch_size: int | None
) -> tuple[Floats, Floats]:
    """Log-likelihood of every row and the nucleotides it runs over.

    The rows are n different sequences, and one changed copy for each number in ``before``, which
    says of which of them.
    """
    n = len(rows) - len(before)
    found: dict[int, Floats] = {}
    for k in np.flatnonzero(np.bincount(before, minlength=n) >= _SHARED).tolist():
        members = n + np.flatnonzero(before == k)
        values = shared_log_probs(model, rows[k], [rows[int(i)] for i in members], batch_size)
        found |= zip(members.tolist(), values, strict=True)
    rest = [i for i in range(len(rows)) if i not in found]
    values = causal_log_probs(model, [rows[i] for i in rest], batch_size)
    found |= zip(rest, values, strict=True)
    total = np.array([np.nansum(found[i]) for i in range(len(rows))])
    length = np.array([n_nucleotides(row, scored(row, model)) for row in rows], dtype=float)
    return total, length
