"""Which tokens are hidden, behind what, and how many."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scmamba import ScmambaError
from scmamba.tokens import NucleotideTokenizer
from scmamba.tokens.nucleotides.masking import (
    IGNORED,
    TokenMasking,
    TokenNoise,
    known_tokens,
)

CADUCEUS = NucleotideTokenizer.caduceus()
MASKING = TokenMasking.of(CADUCEUS, 0.15)


@given(st.lists(st.text("ACGTN", min_size=1, max_size=60), min_size=1, max_size=5), st.integers(0))
def test_chosen_tokens_are_targets_and_nothing_else_changes(texts: list[str], seed: int) -> None:
    rows = [CADUCEUS.encode(text, special=True) for text in texts]
    before = [row.copy() for row in rows]
    hidden, targets = MASKING(rows, np.random.default_rng(seed))
    for row, old, new, target in zip(rows, before, hidden, targets, strict=True):
        assert np.array_equal(row, old)
        chosen = target != IGNORED
        known = np.isin(row, [CADUCEUS.nucleotide_ids[letter] for letter in "ACGT"])
        assert chosen.sum() == min(max(round(0.15 * known.sum()), 1), known.sum())
        assert known[chosen].all()  # neither [SEP] nor N
        assert np.array_equal(new[~chosen], row[~chosen])
        assert np.array_equal(target[chosen], row[chosen])
        assert set(new[chosen]) <= {CADUCEUS.mask_id, *CADUCEUS.nucleotide_ids.values()}


def test_eighty_ten_ten() -> None:
    row = CADUCEUS.encode("ACGT" * 20_000)
    (new,), (target,) = MASKING([row], np.random.default_rng(0))
    chosen = target != IGNORED
    masked = (new == CADUCEUS.mask_id)[chosen].mean()
    other = ((new != row) & (new != CADUCEUS.mask_id))[chosen].mean()
    assert masked == pytest.approx(0.8, abs=0.01)
    assert other == pytest.approx(0.1 * 3 / 4, abs=0.01)  # of four letters one is the same
    assert len(np.unique(np.flatnonzero(chosen) % 4, return_counts=True)[1]) == 4


def test_seed_decides() -> None:
    row = CADUCEUS.encode("ACGTTGCA" * 10)
    first, second, other = (MASKING([row], np.random.default_rng(s))[0][0] for s in (1, 1, 2))
    assert np.array_equal(first, second) and not np.array_equal(first, other)


def test_special_tokens_alone_hide_nothing() -> None:
    (new,), (target,) = MASKING([np.array([1, 4])], np.random.default_rng(0))
    assert new.tolist() == [1, 4] and (target == IGNORED).all()


def test_refusals() -> None:
    with pytest.raises(ScmambaError, match="has no mask token"):
        TokenMasking.of(NucleotideTokenizer.benchmark())
    with pytest.raises(ScmambaError, match="mask_ratio=1.0; give a fraction"):
        TokenMasking.of(CADUCEUS, 1.0)


def test_noise_replaces_known_nucleotides_alone() -> None:
    row = CADUCEUS.encode("ACGTN" * 4000, special=True)
    before = row.copy()
    (new,) = TokenNoise(0.2, known_tokens(CADUCEUS))([row], np.random.default_rng(0))
    assert np.array_equal(row, before)
    known = np.isin(row, known_tokens(CADUCEUS))
    assert np.array_equal(new[~known], row[~known])
    assert np.isin(new, known_tokens(CADUCEUS)).sum() == known.sum()
    assert (new != row)[known].mean() == pytest.approx(0.2 * 3 / 4, abs=0.01)
