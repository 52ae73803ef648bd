"""Batches of sequences against rows put together by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scmamba.stream.sequences import SequenceBatches, SequenceData, SequenceTrainBatch
from scmamba.tokens import NucleotideTokenizer
from scmamba.tokens.nucleotides.masking import IGNORED, TokenMasking

TOKENIZER = NucleotideTokenizer.caduceus()
COMPLEMENT = TOKENIZER.complement


def turned(ids: np.ndarray) -> np.ndarray:
    return COMPLEMENT[ids][::-1]


@pytest.fixture
def data() -> SequenceData:
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ACGT"), n)) for n in rng.integers(5, 30, 23)]
    ids = tuple(map(TOKENIZER.encode, texts))
    other = tuple(turned(row) for row in ids)
    return SequenceData(ids, TOKENIZER.pad_id, other, rng.integers(0, 3, 23))


def rows_of(batch: SequenceTrainBatch) -> list[np.ndarray]:
    mask = batch.padding_mask
    if mask is None:
        mask = torch.zeros_like(batch.input_ids, dtype=torch.bool)
    assert (batch.input_ids[mask] == TOKENIZER.pad_id).all()
    assert (mask.int().diff(dim=1) >= 0).all()  # behind the sequence
    return [row[~hidden].numpy() for row, hidden in zip(batch.input_ids, mask, strict=True)]


def test_every_sequence_once_with_its_target(data: SequenceData) -> None:
    chosen = np.arange(3, 20)
    for shuffle in (False, True):
        batches = SequenceBatches(data, chosen, batch_size=5, shuffle=shuffle, seed=1)
        seen, weights = [], []
        for batch in batches:
            seen += batch.rows.tolist()
            weights += [batch.weight] * len(batch)
            for row, ids in zip(batch.rows.tolist(), rows_of(batch), strict=True):
                assert np.array_equal(ids, data.ids[row])
            assert np.array_equal(batch.labels.numpy(), data.target[batch.rows.numpy()])
        assert sorted(seen) == chosen.tolist() and len(batches) == len(batches.parts)
        assert np.mean([b.weight for b in batches]) == pytest.approx(1)


def test_either_strand_at_random(data: SequenceData) -> None:
    def draw(epoch: int) -> dict[int, bool]:
        found = {}
        batches = SequenceBatches(
            data, np.arange(23), batch_size=4, shuffle=True, strands="either", epoch=epoch
        )
        for batch in batches:
            for row, ids in zip(batch.rows.tolist(), rows_of(batch), strict=True):
                given = np.array_equal(ids, data.ids[row])
                assert given or np.array_equal(ids, data.other[row])
                found[row] = given
        return found

    first = draw(0)
    assert 5 < sum(first.values()) < 18
    assert first == draw(0) and first != draw(1)


def test_both_strands_are_averaged(data: SequenceData) -> None:
    def first_letter(input_ids, padding_mask=None):
        return torch.nn.functional.one_hot(input_ids[:, 0], 16).float()

    batch = next(iter(SequenceBatches(data, np.arange(6), batch_size=6, strands="both")))
    output = batch.run(first_letter, {"class"})
    assert output.class_logits is output.logits
    for row, logits in zip(batch.rows.tolist(), output.logits, strict=True):
        expected = np.zeros(16)
        expected[data.ids[row][0]] += 0.5
        expected[COMPLEMENT[data.ids[row][-1]]] += 0.5
        assert logits.tolist() == expected.tolist()


def test_token_targets_turn_with_the_strand() -> None:
    ids = tuple(TOKENIZER.encode("ACGTT") for _ in range(40))
    target = np.empty(40, dtype=object)
    target[:] = [np.arange(5) for _ in range(40)]
    data = SequenceData(ids, TOKENIZER.pad_id, tuple(map(turned, ids)), target)
    (batch,) = SequenceBatches(data, np.arange(40), batch_size=40, strands="either")
    given = (batch.input_ids == torch.from_numpy(ids[0])).all(1)
    assert 8 < given.sum() < 32 and batch.labels is None
    assert (batch.target[given] == torch.arange(5)).all()
    assert (batch.target[~given] == torch.arange(4, -1, -1)).all()
    assert (data.target[0] == np.arange(5)).all()  # left as they were

    def position(input_ids, padding_mask=None):
        return torch.arange(5.0)[None, :, None].expand(len(input_ids), -1, 1)

    (batch,) = SequenceBatches(data, np.arange(40), batch_size=40, strands="both")
    assert (batch.run(position, {"token"}).logits == 2).all()


def test_masked_tokens_become_the_target(data: SequenceData) -> None:
    masking = TokenMasking.of(TOKENIZER, 0.3)
    batches = SequenceBatches(data, np.arange(23), batch_size=8, masking=masking, seed=2)
    for batch in batches:
        chosen = batch.target != IGNORED
        assert chosen.any(1).all() and batch.target.shape == batch.input_ids.shape
        for i, row in enumerate(batch.rows.tolist()):
            ids = torch.from_numpy(data.ids[row])
            n = len(ids)
            assert torch.equal(batch.target[i, :n][chosen[i, :n]], ids[chosen[i, :n]])
            assert torch.equal(batch.input_ids[i, :n][~chosen[i, :n]], ids[~chosen[i, :n]])
            assert not chosen[i, n:].any()
    repeated = next(iter(batches))
    assert torch.equal(repeated.input_ids, next(iter(batches)).input_ids)
