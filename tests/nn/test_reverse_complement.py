"""Equivariance under the reverse complement, of every piece and of the whole."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from scmamba._errors import ScmambaError
from scmamba.nn.reverse_complement import (
    ReverseComplementEmbedding,
    ReverseComplementHead,
    exchange,
    merge,
    reverse,
    strands,
)
from scmamba.nn.sequence_stack import SequenceStack

COMPLEMENT = torch.tensor([0, 1, 2, 6, 5, 4, 3, 7])  # a-t, c-g among eight ids


def other_strand(ids: Tensor) -> Tensor:
    return COMPLEMENT[ids].flip(-1)


def test_strands_and_back() -> None:
    hidden = torch.randn(2, 7, 10)
    stacked = strands(hidden)
    assert torch.equal(stacked[:2], hidden[..., :5])
    assert torch.equal(stacked[2:], hidden[..., 5:].flip(1, 2))
    assert torch.equal(merge(stacked), hidden)


def test_exchange_swaps_the_halves_of_the_channels() -> None:
    hidden = torch.randn(2, 7, 10)
    swapped = torch.cat([hidden[..., 5:], hidden[..., :5]], -1)
    assert torch.equal(merge(exchange(strands(hidden))), swapped)


def test_embedding_holds_both_strands() -> None:
    embedding, ids = ReverseComplementEmbedding(8, 5, COMPLEMENT), torch.randint(8, (2, 7))
    hidden = embedding(ids)
    assert torch.equal(hidden[..., :5], embedding.embedding(ids))
    assert torch.equal(embedding(other_strand(ids)), reverse(hidden))


def test_head_adds_a_token_and_its_complement() -> None:
    head, hidden = ReverseComplementHead(8, 5, COMPLEMENT), torch.randn(2, 7, 10)
    logits = head(hidden)
    expected = [
        hidden[..., :5] @ head.weight[i] + hidden[..., 5:].flip(-1) @ head.weight[COMPLEMENT[i]]
        for i in range(8)
    ]
    torch.testing.assert_close(logits, torch.stack(expected, -1))
    on_other = head(reverse(hidden))[..., COMPLEMENT].flip(1)
    torch.testing.assert_close(on_other, logits, atol=1e-6, rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    ids=st.lists(st.integers(0, 7), min_size=1, max_size=90),
    mixer=st.sampled_from(["mamba1", "mamba2"]),
    norm=st.sampled_from(["rms", "layer"]),
    exchanged=st.booleans(),
    left=st.integers(0, 3),
)
def test_the_whole_model_is_equivariant(
    ids: list[int], mixer: str, norm: str, exchanged: bool, left: int
) -> None:
    """Hidden states flip with the strand, and logits are those of the complement."""
    torch.manual_seed(0)
    sizes = {"headdim": 8} if mixer == "mamba2" else {}
    stack = SequenceStack(
        3,
        8,
        mixer=mixer,
        direction="bidirectional",
        rc="ps",
        exchange_strands=exchanged,
        norm=norm,
        d_state=4,
        **sizes,
    )
    for layer in stack.layers:  # a norm whose channels differ: flips must reach them
        nn.init.uniform_(layer.norm.weight, 0.5, 1.5)
    embedding = ReverseComplementEmbedding(8, 8, COMPLEMENT)
    head = ReverseComplementHead(8, 8, COMPLEMENT)
    tokens = torch.tensor([ids])
    mask = torch.arange(len(ids))[None] < min(left, len(ids) - 1)
    with torch.no_grad():
        here = stack(embedding(tokens), mask)
        there = stack(embedding(other_strand(tokens)), mask.flip(1))
        real = ~mask[0]
        torch.testing.assert_close(reverse(there)[:, real], here[:, real], atol=2e-5, rtol=1e-5)
        complemented = head(there)[..., COMPLEMENT].flip(1)
        torch.testing.assert_close(complemented[:, real], head(here)[:, real], atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("complement", [[0, 0, 1], [1, 2, 0], [0, 1]])
def test_a_map_that_does_not_pair_is_named(complement: list[int]) -> None:
    with pytest.raises(ScmambaError, match="does not pair the 3 ids"):
        ReverseComplementEmbedding(3, 4, torch.tensor(complement))
