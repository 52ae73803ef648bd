"""Sequences through trained networks, batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from scmamba._allocator import keep_freed_memory
from scmamba.stream.buckets import TOKEN_BUDGET
from scmamba.stream.sequences import SequenceBatches, SequenceData
from scmamba.tasks.sequence._batches import encode
from scmamba.tasks.sequence._nucleotides import reverse_complement
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer

_EVAL_TOKENS = TOKEN_BUDGET // 4


def sequence_data(
    texts: Sequence[str],
    tokenizer: NucleotideTokenizer,
    *,
    other: bool,
    target: npt.NDArray[Any] | None = None,
) -> SequenceData:
    """Tokens of cleaned sequences; with ``other`` those of their reverse complements too."""
    ids = tuple(row.ids for row in encode(texts, tokenizer))
    turned = None
    if other:
        turned = tuple(row.ids for row in encode(map(reverse_complement, texts), tokenizer))
    return SequenceData(ids, tokenizer.pad_id, turned, target)


@torch.inference_mode()
def outputs(
    networks: Sequence[nn.Module], data: SequenceData, *, both_strands: bool
) -> list[npt.NDArray[np.float64]]:
    """Return what networks say, averaged over them and, if asked, over both strands.

    Returns
    -------
    For each sequence (n_outputs,), or (length, n_outputs) of its tokens.
    """
    keep_freed_memory()
    found: list[npt.NDArray[np.float64]] = [np.zeros(0)] * len(data)
    batches = SequenceBatches(
        data,
        np.arange(len(data)),
        token_budget=_EVAL_TOKENS,
        strands="both" if both_strands else "given",
    )
    device = next(networks[0].parameters()).device
    for network in networks:
        network.eval()
    for batch in batches:
        moved = batch.to(device)
        logits = torch.stack([network_logits(network, moved) for network in networks]).mean(0)
        for row, said in zip(batch.rows.tolist(), logits.double().cpu().numpy(), strict=True):
            found[row] = said[: len(data.ids[row])] if said.ndim == 2 else said
    return found


def network_logits(network: nn.Module, batch: Any) -> torch.Tensor:
    """Logits of one network for one batch."""
    return batch.run(network, {"class"}).logits
