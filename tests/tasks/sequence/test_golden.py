"""The tasks on tiny models in published layouts, against what the published code computes."""

from __future__ import annotations

import numpy as np
import pytest

from scmamba import ScmambaError
from scmamba.tasks.sequence import conservation, embed, generate, mutagenesis, score
from tests.tasks.sequence.oracle import random_sequences, turned

CLOSE = {"rtol": 0, "atol": 1e-4}
DNA = [
    "caduceus_ph_tiny",
    "caduceus_ps_tiny",
    "caduceus_ps_unfused_tiny",
    "plantcad2_tiny",
    "plantcaduceus_tiny",
]


def log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.logaddexp.reduce(x, axis=-1, keepdims=True)


def test_embeddings_of_mrna(golden) -> None:
    """Left-padded batches of different lengths, [SEP] last and not counted."""
    expected = np.load(golden / "mamba2_mrna_tiny" / "expected.npz")
    ids, real = expected["input_ids"], expected["attention_mask"] == 1
    letters = dict(zip(range(7, 12), "ACGUN", strict=True))
    sequences = [
        "".join(letters[i] for i in row[keep][:-1]) for row, keep in zip(ids, real, strict=True)
    ]
    found = embed(sequences, golden / "mamba2_mrna_tiny", pooling=None)
    pooled = embed(sequences, golden / "mamba2_mrna_tiny").obsm["X_scmamba"]
    for i, states in enumerate(expected["last_hidden_state"]):
        np.testing.assert_allclose(found[i], states[real[i]][:-1], **CLOSE)
        np.testing.assert_allclose(pooled[i], states[real[i]][:-1].mean(0), **CLOSE)


def test_scores_of_plant_dnamamba(golden) -> None:
    """By the published logits, as far as they go; BPE tokens are of several nucleotides."""
    expected = np.load(golden / "plant_dnamamba_tiny" / "expected.npz")
    sequences = [str(s) for s in expected["sequences"]]
    table = score(sequences, golden / "plant_dnamamba_tiny", per_token=True)
    for i, (ids, logits) in enumerate(zip(expected["input_ids"], expected["logits"], strict=True)):
        values = log_softmax(logits.astype(float))[np.arange(len(ids) - 1), ids[1:]]
        found = table.loc[table["name"] == str(i), "log_probability"].to_numpy()
        np.testing.assert_allclose(found[1 : len(ids)], values, **CLOSE)


@pytest.mark.parametrize("folder", DNA)
def test_the_strand_that_is_given_changes_nothing(golden, folder) -> None:
    (sequence,) = random_sequences([60])
    pair = [sequence, turned(sequence)]
    one, other = embed(pair, golden / folder).obsm["X_scmamba"]
    np.testing.assert_allclose(one, other, **CLOSE)
    ours, theirs = (conservation(s, golden / folder)["reference_probability"] for s in pair)
    np.testing.assert_allclose(ours, theirs[::-1], **CLOSE)
    changes, mirrored = (
        mutagenesis(s, golden / folder).set_index(["position", "alt"])["change"] for s in pair
    )
    for (position, alt), change in changes.items():
        assert change == pytest.approx(mirrored[59 - position, turned(alt)], abs=1e-4)


def test_bpe_mutants_and_texts(golden) -> None:
    folder = golden / "plant_dnamamba_tiny"
    (sequence,) = random_sequences([80])
    table = mutagenesis(sequence, folder, start=30, stop=40, deletions=2)
    alone = score([sequence], folder)["log_likelihood"].item()
    for row in table.iloc[::7].itertuples():
        mutant = sequence[: row.position] + row.alt + sequence[row.position + len(row.ref) :]
        expected = score([mutant], folder)["log_likelihood"].item()
        assert row.score == pytest.approx(expected, abs=1e-4)
        assert row.llr == pytest.approx(expected - alone, abs=1e-4)
    written = generate([sequence[:20]], folder, length=50, n_samples=3)["sequence"]
    assert (written.str.len() == 70).all()
    assert written.str.startswith(sequence[:20]).all()
    assert set("".join(written)) <= set("ACGT")


def test_a_checkpoint_without_head_cannot_score(golden) -> None:
    with pytest.raises(ScmambaError, match="no language-model head"):
        score(["ACGU"], golden / "mamba2_mrna_tiny")
