"""Log-probabilities of tokens: after what stands before them, or masked among all others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from scmamba._allocator import keep_freed_memory
from scmamba._arguments import check_count
from scmamba._errors import ScmambaError
from scmamba.models.sequence.model import SequenceModel
from scmamba.stream import pad
from scmamba.tasks.sequence._batches import Encoded, batches, progress
from scmamba.tasks.sequence._model import device_of, is_causal
from scmamba.tasks.sequence._nucleotides import plain_tokens

Query = tuple[int, npt.NDArray[np.int64]]
"""Position of a sequence, and which of its tokens are masked together."""


def scored(row: Encoded, model: SequenceModel) -> npt.NDArray[np.bool_]:
    """Which tokens of a sequence count: known nucleotides, that the model can predict.

    Special tokens do not, nor those that hold N; of a causal model the first token does not
    either, as nothing stands before it.
    """
    counts = plain_tokens(model.tokenizer, model.config.vocab_size)[row.ids] & ~row.special
    if is_causal(model) and len(counts):
        counts[0] = False
    return counts


def n_nucleotides(row: Encoded, tokens: npt.NDArray[np.bool_]) -> int:
    """How many nucleotides some of a sequence's tokens stand for."""
    return int(np.diff(row.spans[tokens]).sum())


def token_log_probs(
    model: SequenceModel,
    rows: Sequence[Encoded],
    *,
    mask_every: int | None = None,
    batch_size: int | None = None,
) -> list[npt.NDArray[np.float64]]:
    """Natural log-probability of each token of each sequence, over the whole vocabulary.

    Parameters
    ----------
    mask_every
        Of models that are not causal. None: each token is masked alone. k: every k-th together.

    Returns
    -------
    (n_tokens,) of each sequence; NaN where :func:`scored` is False.

    Raises
    ------
    ScmambaError
        ``mask_every`` is given for a causal model or is below 2.
    """
    if is_causal(model):
        refuse_masking(mask_every)
        return causal_log_probs(model, rows, batch_size)
    found = [np.full(len(row), np.nan) for row in rows]
    queries = [
        query
        for i, row in enumerate(rows)
        for query in mask_groups(i, np.flatnonzero(scored(row, model)), mask_every)
    ]
    for q, log_probs in masked_log_probs(model, rows, queries, batch_size):
        i, places = queries[q]
        found[i][places] = log_probs[np.arange(len(places)), rows[i].ids[places]]
    return found


def mask_groups(
    sequence: int, places: npt.NDArray[np.int64], mask_every: int | None
) -> list[Query]:
    """Return queries that mask each of a sequence's ``places`` once, alone or every k-th together.

    Raises
    ------
    ScmambaError
        ``mask_every`` is below 2.
    """
    check_count("mask_every", mask_every, least=2)
    groups = min(mask_every or len(places), len(places))
    return [(sequence, places[j::groups]) for j in range(groups)]


def refuse_masking(mask_every: int | None) -> None:
    """Raise ScmambaError where masking is asked of a causal model."""
    if mask_every is not None:
        raise ScmambaError(
            f"mask_every={mask_every}, but the model is causal: nothing is masked; leave it out"
        )


@torch.inference_mode()
def causal_log_probs(
    model: SequenceModel, rows: Sequence[Encoded], batch_size: int | None = None
) -> list[npt.NDArray[np.float64]]:
    """Log-probability of each token after those before it; see :func:`token_log_probs`."""
    keep_freed_memory()
    found = [np.full(len(row), np.nan) for row in rows]
    parts = batches(model, [len(row) for row in rows], batch_size)
    for batch in progress(parts, "scoring sequences"):
        ids, mask = pad([rows[i].ids for i in batch], model.tokenizer.pad_id, device_of(model))
        after = of_targets(model.logits(ids, mask)[:, :-1], ids[:, 1:])
        for i, values in zip(batch, after, strict=True):
            counts = scored(rows[i], model)
            found[i][counts] = values[: len(counts) - 1][counts[1:]]
    return found


def of_targets(logits: torch.Tensor, targets: torch.Tensor) -> npt.NDArray[np.float64]:
    """Log-probability (B, L) of ``targets`` (B, L) by ``logits`` (B, L, vocab)."""
    logits = logits.float()
    chosen = logits.gather(-1, targets[..., None]).squeeze(-1)
    return (chosen - logits.logsumexp(-1)).cpu().double().numpy()


@torch.inference_mode()
def masked_log_probs(
    model: SequenceModel,
    rows: Sequence[Encoded],
    queries: Sequence[Query],
    batch_size: int | None = None,
) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    """Answer queries: mask some tokens of a sequence, and see what the model puts there.

    Yields
    ------
    The position of each query, in no set order, with (n_masked, vocab) natural log-probabilities.

    Raises
    ------
    ScmambaError
        The vocabulary has no mask.
    """
    mask_id = model.tokenizer.mask_id
    if mask_id is None:
        raise ScmambaError("the model's vocabulary has no mask token; masked scores need one")
    keep_freed_memory()
    device = device_of(model)
    lengths = [len(rows[i]) for i, _ in queries]
    for batch in progress(batches(model, lengths, batch_size), "masking nucleotides"):
        asked = [queries[k] for k in batch]
        ids, padding = pad([rows[i].ids for i, _ in asked], model.tokenizer.pad_id, device)
        which = np.repeat(np.arange(len(asked)), [len(places) for _, places in asked])
        where = np.concatenate([places for _, places in asked])
        at = torch.from_numpy(which).to(device), torch.from_numpy(where).to(device)
        ids[at] = mask_id
        found = model.logits(ids, padding)[at].float().log_softmax(-1).cpu().double().numpy()
        ends = np.cumsum([len(places) for _, places in asked])[:-1]
        yield from zip(batch.tolist(), np.split(found, ends), strict=True)
