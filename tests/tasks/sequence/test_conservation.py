"""Probabilities of single nucleotides against one run of the model a position."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scmamba import ScmambaError
from scmamba.tasks.sequence import conservation
from tests.tasks.sequence.oracle import turned

CLOSE = {"rtol": 0, "atol": 1e-5}


def by_hand(model, sequence: str) -> np.ndarray:
    """(length, 4) probabilities of A, C, G, T (or U) at each position of one strand."""
    ids = model.tokenizer.encode(sequence)
    four = [model.tokenizer.nucleotide_ids[x] for x in ("ACGU" if "U" in sequence else "ACGT")]
    rows = []
    for t in range(len(sequence)):
        if model.config.direction == "causal":
            if t == 0:
                rows.append([np.nan] * 4)
                continue
            seen, place = torch.tensor(ids[:t]), t - 1
        else:
            seen, place = torch.tensor(ids), t
            seen[t] = model.tokenizer.mask_id
        with torch.no_grad():
            rows.append(model.logits(seen[None])[0, place, four].softmax(-1).tolist())
    return np.array(rows)


@pytest.mark.parametrize("kind", ["ph", "ps", "causal2"])
@pytest.mark.parametrize("both", [True, False])
def test_probabilities_as_by_hand(models, kind, both) -> None:
    model, sequences = models[kind], ["ACGGTNACGT", "TTACG", "A"]
    found = conservation(dict(zip("abc", sequences, strict=True)), model, both_strands=both)
    for name, sequence in zip("abc", sequences, strict=True):
        expected = by_hand(model, sequence)
        if both:
            other = by_hand(model, turned(sequence))[::-1, ::-1]
            halves = np.ma.masked_invalid([expected, other])
            expected = halves.mean(axis=0).filled(np.nan)
        rows = found[found["name"] == name]
        np.testing.assert_allclose(rows[list("ACGT")], expected, **CLOSE)
        assert "".join(rows["ref"]) == sequence
        assert rows["position"].tolist() == list(range(len(sequence)))


def test_scores_follow_from_probabilities(models) -> None:
    found = conservation("ACGTTGCANA", models["ph"])
    four = found[list("ACGT")].to_numpy()
    np.testing.assert_allclose(four.sum(1), 1)
    information = [2 + sum(p * np.log2(p) for p in row) for row in four]
    np.testing.assert_allclose(found["information"], information)
    assert found["information"].between(0, 2).all()
    for row in found.itertuples():
        if row.ref == "N":
            assert np.isnan(row.reference_probability)
        else:
            assert row.reference_probability == getattr(row, row.ref)


def test_the_other_strand_says_the_same(models) -> None:
    sequence = "ACGGTTACGTAAC"
    for kind in ("ph", "ps", "causal1"):
        one = conservation(sequence, models[kind])
        other = conservation(turned(sequence), models[kind])
        for column in ("reference_probability", "information"):
            np.testing.assert_allclose(one[column], other[column][::-1], **CLOSE)


def test_rna_has_u_and_one_strand(models) -> None:
    found = conservation("ACGTU", models["rna"])
    assert "".join(found["ref"]) == "ACGUU"
    np.testing.assert_allclose(found[list("ACGU")], by_hand(models["rna"], "ACGUU"), **CLOSE)


def test_every_few_together_is_near(models) -> None:
    exact = conservation("ACGTTGCATT" * 3, models["ph"])
    coarse = conservation("ACGTTGCATT" * 3, models["ph"], mask_every=10)
    assert np.corrcoef(exact["information"], coarse["information"])[0, 1] > 0.7
    assert not np.allclose(exact["information"], coarse["information"])


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("kmers", {}, "longer than one nucleotide"),
        ("rna", {"both_strands": True}, "reads RNA"),
        ("causal1", {"mask_every": 3}, "is causal"),
        ("ph", {"mask_every": 0}, "mask_every=0; give a whole number of at least 2"),
    ],
)
def test_wrong_options_are_named(models, kind, options, message) -> None:
    with pytest.raises(ScmambaError, match=message):
        conservation("ACGACG", models[kind], **options)
