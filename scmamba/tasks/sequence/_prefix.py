"""Many changed copies of one sequence: what they share with it is read once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from scmamba._allocator import keep_freed_memory
from scmamba.models.sequence.model import SequenceModel
from scmamba.nn.scan.state import State
from scmamba.stream import pad
from scmamba.tasks.sequence._batches import Encoded, batches, progress, token_budget
from scmamba.tasks.sequence._likelihood import of_targets, scored
from scmamba.tasks.sequence._model import device_of

_BLOCK = 64
"""Tokens between the states that are kept: a copy starts from the last one before its change."""


@torch.inference_mode()
def shared_log_probs(
    model: SequenceModel,
    reference: Encoded,
    mutants: Sequence[Encoded],
    batch_size: int | None = None,
) -> list[npt.NDArray[np.float64]]:
    """Return ``causal_log_probs`` of ``mutants``, sooner where they begin as ``reference``.

    Parameters
    ----------
    model
        Causal.
    reference
        The sequence that the others were made from.
    """
    keep_freed_memory()
    device, vocabulary = device_of(model), model.config.vocab_size
    groups: dict[int, list[int]] = defaultdict(list)
    for i, row in enumerate(mutants):
        groups[min(_common(reference, row), len(row) - 1) // _BLOCK * _BLOCK].append(i)
    ids = torch.from_numpy(reference.ids)[None].to(device)
    before = np.full(len(reference), np.nan)
    found = [np.full(len(row), np.nan) for row in mutants]
    step, done, states = token_budget(model), 0, None
    last = torch.zeros(1, 1, vocabulary, device=device)
    for start in progress(sorted(groups), "scoring changed sequences"):
        while done < start:
            piece = ids[:, done : min(done + step, start)]
            logits, states = model.step(piece, states)
            before[done : done + piece.shape[1]] = of_targets(
                torch.cat([last, logits[:, :-1]], 1), piece
            )[0]
            last, done = logits[:, -1:], done + piece.shape[1]
        members = groups[start]
        lengths = [len(mutants[i]) - start for i in members]
        for batch in batches(model, lengths, batch_size):
            rows = [mutants[members[k]].ids[start:] for k in batch]
            piece, _ = pad(rows, model.tokenizer.pad_id, device)
            logits, _ = model.step(piece, _repeat(states, len(batch)))
            first = last.expand(len(batch), -1, -1)
            values = of_targets(torch.cat([first, logits[:, :-1]], 1), piece)
            for k, row, value in zip(batch, rows, values, strict=True):
                i = members[k]
                whole = np.concatenate([before[:start], value[: len(row)]])
                found[i] = np.where(scored(mutants[i], model), whole, np.nan)
    return found


def _repeat(states: list[State] | None, n: int) -> list[State] | None:
    """States of one sequence, for ``n`` that begin alike."""
    if states is None:
        return None
    return [State(*(part.expand(n, *part.shape[1:]) for part in state)) for state in states]


def _common(one: Encoded, other: Encoded) -> int:
    """Tokens that two sequences begin with alike."""
    n = min(len(one), len(other))
    differ = np.flatnonzero(one.ids[:n] != other.ids[:n])
    return int(differ[0]) if len(differ) else n
