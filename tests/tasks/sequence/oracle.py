"""What the tasks promise, the slow way: one sequence and one position at a time, no batches."""

from __future__ import annotations

import functools

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


def words(model: SequenceModel, sequence: str) -> list[str]:
    """Text of each token, empty at special ones."""
    tokens = model.tokenizer.layout.tokens
    return [tokens[i] if tokens[i].isalpha() else "" for i in model.tokenizer.encode(sequence)]


@functools.cache
def log_probs(model: SequenceModel, sequence: str) -> list[float]:
    """Log-probability of each token, one run of the model each; nan where none counts.

    After what stands before it where the model is causal, masked among the others else.
    """
    ids = model.tokenizer.encode(sequence)
    causal = model.config.direction == "causal"
    found = []
    for t, word in enumerate(words(model, sequence)):
        if not word or "N" in word or (causal and t == 0):
            found.append(float("nan"))
            continue
        if causal:
            seen, place = ids[:t], t - 1
        else:
            seen, place = ids.copy(), t
            seen[t] = model.tokenizer.mask_id
        with torch.no_grad():
            logits = model.logits(torch.tensor(seen)[None])[0, place].double()
        found.append(float(logits.log_softmax(-1)[ids[t]]))
    return found


def random_sequences(lengths: list[int], *, letters: str = "ACGT", seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(letters), n)) for n in lengths]
