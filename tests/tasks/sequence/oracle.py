"""What the tasks promise, the slow way: one sequence and one position at a time, no batches."""

from __future__ import annotations

import numpy as np
import torch

from scmamba.models import SequenceModel

KINDS = {
    "causal1": {"mixer": "mamba1", "direction": "causal"},
    "causal2": {"mixer": "mamba2", "direction": "causal"},
    "ph": {"mixer": "mamba1", "direction": "bidirectional"},
    "ps": {"mixer": "mamba1", "direction": "bidirectional", "rc": "ps", "fused_add_norm": True},
    "ps2": {"mixer": "mamba2", "direction": "bidirectional", "rc": "ps"},
    "kmers": {"mixer": "mamba1", "direction": "causal"},
    "rna": {"mixer": "mamba2", "direction": "causal"},
}


TURN = {"A": "T", "C": "G", "G": "C", "T": "A", "N": "N"}


def turned(sequence: str) -> str:
    return "".join(TURN[letter] for letter in reversed(sequence))


def alone(model: SequenceModel, sequence: str) -> np.ndarray:
    """Hidden states of the nucleotides of one sequence, without any batch."""
    ids = torch.tensor(model.tokenizer.encode(sequence))[None]
    with torch.no_grad():
        states = model.hidden_states(ids)[0].numpy()
    if model.tokenizer.layout.kind != "kmers":
        return states[: len(sequence)]
    sizes = [len(model.tokenizer.layout.tokens[i]) for i in ids[0]]
    return np.concatenate([[row] * n for row, n in zip(states, sizes, strict=True)])


def random_sequences(lengths: list[int], *, letters: str = "ACGT", seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(letters), n)) for n in lengths]
