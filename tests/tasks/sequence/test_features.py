"""k-mer counts, positions, splits and choices against loops over the letters."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scmamba import ScmambaError
from scmamba.learn.folds import fold_of, strata
from scmamba.tasks.sequence._supervised.choice import choose, is_coding
from scmamba.tasks.sequence._supervised.features import Features, K
from scmamba.tasks.sequence._supervised.linear import fit_sequence_linear
from scmamba.tasks.sequence._supervised.split import groups
from tests.tasks.sequence.oracle import turned

texts = st.lists(st.text("ACGTN", min_size=1, max_size=12), min_size=1, max_size=4)


def slow_row(text: str, kinds: tuple[str, ...], length: int) -> list[float]:
    row: list[float] = []
    if "kmers" in kinds:
        for k in K:
            windows = [text[i : i + k] for i in range(len(text) - k + 1)]
            row += [math.log1p(windows.count("".join(word))) for word in product("ACGT", repeat=k)]
    if "positions" in kinds:
        for at in range(length):
            row += [float(at < len(text) and text[at] == letter) for letter in "ACGT"]
    if "codons" in kinds:
        frame = [text[i : i + 3] for i in range(0, len(text) - 2, 3)]
        known = [codon for codon in frame if "N" not in codon]
        words = map("".join, product("ACGT", repeat=3))
        row += [64 * known.count(word) / max(len(known), 1) for word in words]
    return row


@pytest.mark.parametrize("kinds", [("kmers",), ("positions",), ("kmers", "positions"), ("codons",)])
@given(rows=texts)
@settings(max_examples=30, deadline=None)
def test_features_match_loops(kinds: tuple[str, ...], rows: list[str]) -> None:
    found = Features(kinds, 5 if "positions" in kinds else 0)(rows).toarray()
    np.testing.assert_allclose(found, [slow_row(text, kinds, 5) for text in rows])


def test_rna_counts_as_dna() -> None:
    features = Features(("kmers", "positions"), 4)
    assert (features(["ACGU"]) != features(["ACGT"])).nnz == 0


def test_unknown_kind() -> None:
    with pytest.raises(ScmambaError, match="allowed: kmers, positions, codons"):
        Features(("words",))


def test_copies_and_strands_stay_together() -> None:
    rng = np.random.default_rng(0)
    base = ["".join(rng.choice(list("ACGT"), 9)) for _ in range(60)]
    rows = [*base, *base[:20], *map(turned, base[20:40])]
    single, double = (groups(rows, double_stranded=x) for x in (False, True))
    assert len(set(single)) == 80 and len(set(double)) == 60
    stratum = np.arange(100) % 3
    fold = fold_of(double, stratum, 4, seed=1)
    assert all(len(set(fold[double == g])) == 1 for g in set(double))
    assert np.array_equal(fold, fold_of(double, stratum, 4, seed=1))
    assert not np.array_equal(fold, fold_of(double, stratum, 4, seed=2))


def test_folds_are_even_in_every_stratum() -> None:
    stratum = np.repeat([0, 1, 2], [70, 21, 7])
    fold = fold_of(np.arange(98), stratum, 7, seed=0)
    for name, n in ((0, 10), (1, 3), (2, 1)):
        assert (np.bincount(fold[stratum == name], minlength=7) == n).all()


def test_strata() -> None:
    assert strata("classification", np.array([0, 2, 1])).tolist() == [0, 2, 1]
    several = np.array([[0, 1], [1, 1], [0, 1]], dtype=np.float32)
    assert (
        strata("multilabel", several)[0]
        == strata("multilabel", several)[2]
        != strata("multilabel", several)[1]
    )
    numbers = np.random.default_rng(0).normal(size=(40, 1))
    tenth = strata("regression", numbers)
    assert (np.bincount(tenth) == 4).all()
    assert numbers[tenth == 0].max() < numbers[tenth == 9].min()


def made(kind: str, n: int = 150) -> tuple[list[str], np.ndarray]:
    """Sequences whose class is told by a motif: anywhere on either strand, or at a place."""
    rng = np.random.default_rng(0)
    rows, labels = [], rng.integers(0, 2, n)
    for label in labels:
        text = "".join(rng.choice(list("ACGT"), 40))
        motif = "TGACGTAC" if kind != "either" or rng.random() < 0.5 else "GTACGTCA"
        where = rng.integers(0, 32)
        if kind == "place":
            where = 10 if label else rng.choice([2, 20, 30])
        if label or kind == "place":
            text = text[:where] + motif + text[where + 8 :]
        rows.append(text)
    return rows, labels


@pytest.mark.parametrize(
    ("kind", "both", "placed"),
    [("either", True, False), ("place", False, True)],
)
def test_choice_sees_strand_and_place(kind: str, both: bool, placed: bool) -> None:
    rows, labels = made(kind)
    choice = choose(rows, labels, "classification", 2, both_strands=None, seed=0)
    assert choice.both_strands is both
    assert choice.positions == (40 if placed else 0)
    assert (
        min(choice.loss.values())
        == choice.loss[next(iter(sorted(choice.loss, key=choice.loss.get)))]
    )


def test_choice_obeys() -> None:
    rows, labels = made("either", 60)
    rows[0] += "A"  # no longer aligned
    choice = choose(rows, labels, "classification", 2, both_strands=False, seed=0)
    assert not choice.both_strands and choice.positions == 0


def test_both_strands_make_the_view_symmetric() -> None:
    rows, labels = made("either", 60)
    view = fit_sequence_linear(
        rows,
        labels,
        2,
        Features(("kmers",)),
        kind="classification",
        both_strands=True,
        penalty=10.0,
    )
    np.testing.assert_allclose(view.logits(rows), view.logits(list(map(turned, rows))))


def test_open_reading_frames() -> None:
    assert is_coding(["ATGAAATAA", "AUGGGGUUUUGA", "ATGAAA"])
    for other in ("ATGAAATA", "TTGAAATAA", "ATGTAAAAA", "ATGTAAGGGTGA"):
        assert not is_coding(["ATGAAATAA", other])
    assert is_coding([*["ATGAAATAA"] * 99, "TTGAAATAA"])  # one of a hundred may be damaged
