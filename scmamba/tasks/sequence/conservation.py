"""How much a model expects each nucleotide of a sequence: conservation without an alignment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from scmamba._errors import ScmambaError
from scmamba.models.sequence.model import SequenceModel
from scmamba.stream import pad
from scmamba.tasks.sequence._batches import Encoded, batches, encode, read
from scmamba.tasks.sequence._inputs import read_sequences
from scmamba.tasks.sequence._likelihood import (
    mask_groups,
    masked_log_probs,
    refuse_masking,
)
from scmamba.tasks.sequence._model import (
    Model,
    device_of,
    is_causal,
    language_model,
    needs_both_strands,
)
from scmamba.tasks.sequence._nucleotides import letters, reverse_complement

_Answer = tuple[int, npt.NDArray[np.int64], npt.NDArray[np.float64]]


def conservation(
    sequences: Any,
    model: Model,
    *,
    column: str | None = None,
    both_strands: bool | None = None,
    mask_every: int | None = None,
    max_length: int | None = None,
    batch_size: int | None = None,
) -> pd.DataFrame:
    """Per-nucleotide conservation by what a model expects at each position.

    Each nucleotide is masked in turn and the model's probabilities are taken over the four
    nucleotides; the probability of the one that stands there is the zero-shot conservation score
    of the plant models (Zhai et al., 2025, PNAS, doi:10.1073/pnas.2421738122). ``information`` is
    2 bits less their entropy, the height of a sequence logo (Schneider and Stephens, 1990,
    doi:10.1093/nar/18.20.6097). Of a causal model the probabilities are those after the
    nucleotides before, on each strand.

    Parameters
    ----------
    sequences
        Text, a list, array, Series, dict or DataFrame, or the path of a FASTA or csv file.
    model
        A model with one token a nucleotide, a folder with one, or a registered name.
    column
        Column of a DataFrame or csv file that holds the sequences; None: ``"sequence"``.
    both_strands
        Average the probabilities by both strands; equivariant models (PS) do so by themselves.
        None: True for models of DNA.
    mask_every
        Of masked models: mask every k-th nucleotide together, which is faster and coarser.
    max_length
        Most tokens that a sequence may have; None: what the model was made for, if known.
    batch_size
        Sequences per batch; None: as many as a fixed number of tokens holds. It changes no result.

    Returns
    -------
    One row per nucleotide: ``name``, ``position`` from 0, ``ref``, the probabilities ``A``, ``C``,
    ``G`` and ``T`` (or ``U``), which add up to 1, ``reference_probability`` in [0, 1] (NaN at N)
    and ``information`` in [0, 2] bits. All are NaN where no strand of a causal model has context.

    Raises
    ------
    ScmambaError
        The tokens are not single nucleotides, a sequence is wrong, or ``mask_every`` does not fit.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> model = scmamba.models.SequenceModel.from_preset("bimamba2", n_layer=1, d_model=32)
    >>> table = scmamba.tasks.sequence.conservation("ACGTACGT", model)
    >>> table[["A", "C", "G", "T"]].sum(axis=1).round(6).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    data = read_sequences(sequences, column=column)
    net = language_model(model)
    twice = needs_both_strands(net, both_strands, default=True)
    texts, rows = read(data, net.tokenizer, max_length)
    if any((np.diff(row.spans[~row.special], axis=1) != 1).any() for row in rows):
        raise ScmambaError(
            "the model's tokens are longer than one nucleotide, so that it has no probabilities "
            "of single ones; use one with one token per nucleotide, or score(..., per_token=True)"
        )
    tables = _probabilities(net, rows, mask_every, batch_size)
    if twice:
        others = encode(map(reverse_complement, texts), net.tokenizer)
        reverse = _probabilities(net, others, mask_every, batch_size)
        tables = [
            _mean(table, other[::-1, ::-1]) for table, other in zip(tables, reverse, strict=True)
        ]
    alphabet = letters(net.tokenizer)
    parts = [
        _table(name, sequence, table, alphabet)
        for name, sequence, table in zip(data.names, texts, tables, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def _probabilities(
    net: SequenceModel,
    rows: Sequence[Encoded],
    mask_every: int | None,
    batch_size: int | None,
) -> list[npt.NDArray[np.float64]]:
    """(length, 4) probabilities of the nucleotides at each position of each sequence."""
    (four,) = encode([letters(net.tokenizer)], net.tokenizer)
    ids = four.ids[~four.special]
    found = [np.full((len(row), 4), np.nan) for row in rows]
    answers = _after if is_causal(net) else _masked
    for i, places, log_probs in answers(net, rows, mask_every, batch_size):
        chosen = np.exp(log_probs[:, ids] - log_probs[:, ids].max(axis=1, keepdims=True))
        found[i][places] = chosen / chosen.sum(axis=1, keepdims=True)
    return [table[~row.special] for table, row in zip(found, rows, strict=True)]


def _masked(
    net: SequenceModel, rows: Sequence[Encoded], mask_every: int | None, batch_size: int | None
) -> Iterator[_Answer]:
    queries = [
        query
        for i, row in enumerate(rows)
        for query in mask_groups(i, np.flatnonzero(~row.special), mask_every)
    ]
    for q, log_probs in masked_log_probs(net, rows, queries, batch_size):
        yield *queries[q], log_probs


@torch.inference_mode()
def _after(
    net: SequenceModel, rows: Sequence[Encoded], mask_every: int | None, batch_size: int | None
) -> Iterator[_Answer]:
    refuse_masking(mask_every)
    for batch in batches(net, [len(row) for row in rows], batch_size):
        ids, mask = pad([rows[i].ids for i in batch], net.tokenizer.pad_id, device_of(net))
        logits = net.logits(ids, mask).cpu().double().numpy()
        for i, values in zip(batch, logits, strict=True):
            yield i, np.arange(1, len(rows[i])), values[: len(rows[i]) - 1]


def _mean(
    given: npt.NDArray[np.float64], other: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return the mean of both, or the one that is there."""
    mean = (given + other) / 2
    return np.where(np.isnan(mean), np.where(np.isnan(given), other, given), mean)


def _table(
    name: str, sequence: str, probabilities: npt.NDArray[np.float64], alphabet: str
) -> pd.DataFrame:
    ref = np.array(list(sequence))
    entropy = -(probabilities * np.log2(np.maximum(probabilities, np.finfo(float).tiny))).sum(1)
    columns: dict[str, Any] = {"name": name, "position": np.arange(len(ref)), "ref": ref}
    columns |= dict(zip(alphabet, probabilities.T, strict=True))
    columns["reference_probability"] = np.select(
        [ref == letter for letter in alphabet], list(probabilities.T), np.nan
    )
    columns["information"] = 2 - entropy
    return pd.DataFrame(columns)
