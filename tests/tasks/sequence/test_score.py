"""Log-likelihoods against one run of the model a token."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scmamba import ScmambaError
from scmamba.models import SequenceModel
from scmamba.tasks.sequence import _batches, score
from tests.tasks.sequence.oracle import KINDS, log_probs, words

CLOSE = {"rtol": 0, "atol": 1e-4}


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_as_by_hand(models, sequences, kind) -> None:
    sequences = [*sequences, "ACNNGTA", "ANC"]
    table = score(sequences, models[kind], per_token=True)
    for i, sequence in enumerate(sequences):
        rows = table[table["name"] == str(i)]
        texts = words(models[kind], sequence)
        expected = [
            p for p, word in zip(log_probs(models[kind], sequence), texts, strict=True) if word
        ]
        np.testing.assert_allclose(rows["log_probability"], expected, **CLOSE)
        assert "".join(rows["text"]) == models[kind].tokenizer.clean(sequence)
        pieces = [
            sequence[start:stop] for start, stop in zip(rows["start"], rows["stop"], strict=True)
        ]
        assert "".join(pieces) == sequence


@pytest.mark.parametrize("kind", KINDS)
def test_sums_and_means(models, sequences, kind) -> None:
    table = score(dict(zip("abcdefg", sequences, strict=True)), models[kind])
    assert table.index.tolist() == list("abcdefg")
    for sequence, row in zip(sequences, table.itertuples(), strict=True):
        values = np.array(log_probs(models[kind], sequence))
        sizes = np.array([len(word) for word in words(models[kind], sequence)])
        n = sizes[~np.isnan(values)].sum()
        assert row.log_likelihood == pytest.approx(np.nansum(values), abs=1e-4)
        assert row.n_nucleotides == n
        if n:
            assert row.per_nucleotide == pytest.approx(np.nansum(values) / n, abs=1e-4)
        else:
            assert np.isnan(row.per_nucleotide)
    assert table["per_nucleotide"].std() > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_batches_change_nothing(models, sequences, kind, monkeypatch) -> None:
    expected = score(sequences, models[kind])
    for size in (1, 3):
        np.testing.assert_allclose(
            score(sequences, models[kind], batch_size=size), expected, **CLOSE
        )
    monkeypatch.setattr(_batches, "token_budget", lambda model: 50)
    np.testing.assert_allclose(score(sequences[::-1], models[kind])[::-1], expected, **CLOSE)


@pytest.mark.parametrize("kind", ["ph", "ps"])
@pytest.mark.parametrize("every", [2, 3, 100])
def test_tokens_masked_together(models, sequences, kind, every) -> None:
    """By hand: of the tokens that count, every k-th is masked in the same run."""
    model = models[kind]
    sequences = [*sequences, "ANCGGTNA"]
    table = score(sequences, model, mask_every=every, per_token=True)
    for i, sequence in enumerate(sequences):
        ids = model.tokenizer.encode(sequence)
        expected = np.full(len(sequence), np.nan)
        counted = [t for t, letter in enumerate(sequence) if letter != "N"]
        for first in range(min(every, len(counted))):
            together = counted[first::every]
            seen = torch.tensor(ids)
            seen[together] = model.tokenizer.mask_id
            with torch.no_grad():
                logits = model.logits(seen[None])[0].log_softmax(-1)
            for t in together:
                expected[t] = logits[t, ids[t]]
        found = table.loc[table["name"] == str(i), "log_probability"]
        np.testing.assert_allclose(found, expected, **CLOSE)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("causal1", {"mask_every": 2}, "mask_every=2, but the model is causal"),
        ("ph", {"mask_every": 1}, "mask_every=1; give a whole number of at least 2"),
        ("ph", {"batch_size": -1}, "batch_size=-1"),
        ("ph", {"max_length": 3}, "sequence '0' has 4 tokens, and max_length=3"),
    ],
)
def test_wrong_options_are_named(models, kind, options, message) -> None:
    with pytest.raises(ScmambaError, match=message):
        score(["ACGT"], models[kind], **options)


def test_a_model_without_mask_or_head_is_told(make_model) -> None:
    benchmark = SequenceModel.from_preset(
        "nt-mamba", d_model=8, n_layer=1, d_state=2, direction="bidirectional"
    )
    with pytest.raises(ScmambaError, match="no mask token"):
        score(["ACGT"], benchmark)
    with pytest.raises(ScmambaError, match="no language-model head"):
        score(["ACGT"], make_model("causal1", lm_head=False))
