"""Embeddings of sequences, or of each of their nucleotides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
import torch
from anndata import AnnData
from anndata.utils import make_index_unique

from scmamba._allocator import keep_freed_memory
from scmamba._arguments import check_choice
from scmamba._keys import PREFIX, Keys
from scmamba.jobs import about
from scmamba.models.sequence.model import SequenceModel
from scmamba.stream import pad
from scmamba.tasks.sequence._batches import Encoded, batches, encode, progress, read
from scmamba.tasks.sequence._inputs import read_sequences
from scmamba.tasks.sequence._model import (
    Model,
    device_of,
    is_causal,
    language_model,
    needs_both_strands,
    sees_both_strands,
)
from scmamba.tasks.sequence._nucleotides import reverse_complement

Pooling = Literal["mean", "max", "first", "last"]
_POOLS = {
    "mean": lambda x: x.mean(0),
    "max": lambda x: x.amax(0),
    "first": lambda x: x[0],
    "last": lambda x: x[-1],
}


@overload
def embed(
    sequences: Any,
    model: Model,
    *,
    pooling: Pooling = ...,
    column: str | None = ...,
    both_strands: bool | None = ...,
    max_length: int | None = ...,
    batch_size: int | None = ...,
    key_added: str = ...,
) -> AnnData: ...
@overload
def embed(
    sequences: Any,
    model: Model,
    *,
    pooling: None,
    column: str | None = ...,
    both_strands: bool | None = ...,
    max_length: int | None = ...,
    batch_size: int | None = ...,
    key_added: str = ...,
) -> list[npt.NDArray[np.float32]]: ...
def embed(
    sequences: Any,
    model: Model,
    *,
    pooling: Pooling | None = "mean",
    column: str | None = None,
    both_strands: bool | None = None,
    max_length: int | None = None,
    batch_size: int | None = None,
    key_added: str = PREFIX,
) -> AnnData | list[npt.NDArray[np.float32]]:
    """Embed sequences with a pretrained model; nothing is trained.

    A nucleotide's embedding is that of its token. Special tokens and padding count nowhere.

    Parameters
    ----------
    sequences
        Text, a list, array, Series, dict or DataFrame, or the path of a FASTA or csv file.
    model
        A model, a folder with one (of our format or a published one), or a registered name.
    pooling
        Over a sequence's nucleotides: their mean, maximum, the first or the last. None: no
        pooling, one row a nucleotide. The last nucleotide is what a causal model has read all for.
    column
        Column of a DataFrame or csv file that holds the sequences; None: ``"sequence"``.
    both_strands
        Make the embedding one of double-stranded DNA, the same whichever strand is given: each
        strand is pooled in its own direction, and the two are averaged; without pooling, the two
        embeddings of each base pair are averaged, so that the reverse complement gives the same
        rows in reverse. Models that are equivariant (PS) have both strands in their channels and
        give half their width, others are run twice. False: the hidden states as they are. None:
        True for bidirectional models of DNA.
    max_length
        Most tokens that a sequence may have; None: what the model was made for, if known.
    batch_size
        Sequences per batch; None: as many as a fixed number of tokens holds. It changes no result.
    key_added
        Prefix of what is written.

    Returns
    -------
    With pooling, an AnnData of n sequences: ``obsm["X_scmamba"]`` (n, D) float32, ``obs`` with
    the names, what else the table held, and ``length`` in nucleotides; ``uns["scmamba"]``.
    Without, a list of n arrays (length, D) float32.

    Raises
    ------
    ScmambaError
        A sequence is empty, too long or holds an unknown character, both strands are asked of a
        model of RNA, or the model does not load.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> model = scmamba.models.SequenceModel.from_preset("bimamba2", n_layer=1, d_model=32)
    >>> embedded = scmamba.tasks.sequence.embed(["ACGTACGT", "GGCC"], model)
    >>> embedded.obsm["X_scmamba"].shape, embedded.obs["length"].tolist()
    ((2, 32), [8, 4])
    """
    check_choice("pooling", pooling, (*_POOLS, None))
    data = read_sequences(sequences, column=column)
    net = language_model(model)
    twice = needs_both_strands(net, both_strands, default=not is_causal(net))
    texts, rows = read(data, net.tokenizer, max_length)
    others = encode(map(reverse_complement, texts), net.tokenizer) if twice else None
    halves = sees_both_strands(net) and both_strands is not False
    found: list[npt.NDArray[np.float32]] = [np.empty(0, np.float32)] * len(data)
    for i, strands in _strands(net, rows, others, halves, batch_size):
        found[i] = _joined(strands, pooling).float().cpu().numpy()
    if pooling is None:
        return found

    obs = data.obs.set_axis(make_index_unique(data.obs.index))
    result, keys = AnnData(obs=obs), Keys(key_added)
    result.obs["length"] = [len(sequence) for sequence in data.sequences]
    result.obsm[keys.embedding] = np.stack(found)
    result.uns[keys.uns] = about(
        "sequence.embed",
        model=net.name,
        model_sha256=net.sha256,
        params={"pooling": pooling, "both_strands": both_strands, "max_length": max_length},
    )
    return result


@torch.inference_mode()
def _strands(
    net: SequenceModel,
    rows: Sequence[Encoded],
    others: Sequence[Encoded] | None,
    halves: bool,
    batch_size: int | None,
) -> Iterator[tuple[int, list[torch.Tensor]]]:
    """Position of a sequence and, of each strand read from its 5' end, (length, D) embeddings."""
    keep_freed_memory()
    parts = batches(net, [len(row) for row in rows], batch_size)
    for batch in progress(parts, "embedding sequences"):
        hidden = _hidden(net, [rows[i] for i in batch])
        reverse = _hidden(net, [others[i] for i in batch]) if others is not None else None
        for k, i in enumerate(batch):
            states = hidden[k]
            if halves:
                width = states.shape[1] // 2
                yield i, [states[:, :width], states[:, width:].flip(0, 1)]
            else:
                yield i, [states] if reverse is None else [states, reverse[k]]


def _hidden(net: SequenceModel, rows: Sequence[Encoded]) -> list[torch.Tensor]:
    """Hidden states (length, D) of the nucleotides of each sequence."""
    ids, mask = pad([row.ids for row in rows], net.tokenizer.pad_id, device_of(net))
    hidden = net.hidden_states(ids, mask)
    return [_spread(states[: len(row)], row) for states, row in zip(hidden, rows, strict=True)]


def _spread(states: torch.Tensor, row: Encoded) -> torch.Tensor:
    """From tokens (n_tokens, D) to nucleotides (length, D)."""
    sizes = torch.from_numpy(np.diff(row.spans, axis=1)[:, 0] * ~row.special)
    return states.repeat_interleave(sizes.to(states.device), dim=0)


def _joined(strands: Sequence[torch.Tensor], pooling: Pooling | None) -> torch.Tensor:
    """Both strands' embeddings averaged: pooled each by itself, or base pair by base pair."""
    if pooling is not None:
        return torch.stack([_POOLS[pooling](strand) for strand in strands]).mean(0)
    given, *other = strands
    return (given + other[0].flip(0)) / 2 if other else given
