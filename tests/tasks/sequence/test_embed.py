"""Embeddings are the model's own, count no padding, and know no strand where they should not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scmamba import ScmambaError
from scmamba.models import SequenceModel
from scmamba.tasks.sequence import _batches, embed
from tests.tasks.sequence.oracle import KINDS, alone, turned

CLOSE = {"rtol": 0, "atol": 1e-4}
POOLS = {
    "mean": lambda rows: rows.mean(0),
    "max": lambda rows: rows.max(0),
    "first": lambda rows: rows[0],
    "last": lambda rows: rows[-1],
}


def strands(kind: str, model: SequenceModel, sequence: str) -> list[np.ndarray]:
    """Each strand's embeddings in its own direction, as the design says it."""
    states = alone(model, sequence)
    if kind.startswith("ps"):
        half = states.shape[1] // 2
        return [states[:, :half], states[::-1, half:][:, ::-1]]
    return [states, alone(model, turned(sequence))] if kind == "ph" else [states]


@pytest.mark.parametrize("pooling", POOLS)
@pytest.mark.parametrize("kind", KINDS)
def test_pooled_as_by_hand(models, sequences, kind, pooling) -> None:
    found = embed(sequences, models[kind], pooling=pooling).obsm["X_scmamba"]
    for row, sequence in zip(found, sequences, strict=True):
        both = [POOLS[pooling](s) for s in strands(kind, models[kind], sequence)]
        np.testing.assert_allclose(row, np.mean(both, axis=0), **CLOSE)
    assert found.dtype == np.float32
    assert found.std(axis=0).min() > 0.01  # sequences differ


@pytest.mark.parametrize("kind", KINDS)
def test_each_nucleotide_as_by_hand(models, sequences, kind) -> None:
    found = embed(sequences, models[kind], pooling=None)
    for rows, sequence in zip(found, sequences, strict=True):
        given, *other = strands(kind, models[kind], sequence)
        expected = (given + other[0][::-1]) / 2 if other else given
        assert rows.shape == (len(sequence), models[kind].config.d_model)
        np.testing.assert_allclose(rows, expected, **CLOSE)


@settings(max_examples=20, deadline=None)
@given(
    sequence=st.text("ACGTN", min_size=1, max_size=40), kind=st.sampled_from(["ph", "ps", "ps2"])
)
def test_the_strand_that_is_given_changes_nothing(models, sequence, kind) -> None:
    pair = [sequence, turned(sequence)]
    for pooling in POOLS:
        one, other = embed(pair, models[kind], pooling=pooling).obsm["X_scmamba"]
        np.testing.assert_allclose(one, other, **CLOSE)
    one, other = embed(pair, models[kind], pooling=None)
    np.testing.assert_allclose(one, other[::-1], **CLOSE)


@pytest.mark.parametrize(("kind", "width"), [("ph", 12), ("ps", 24)])
def test_hidden_states_as_they_are_on_request(models, sequences, kind, width) -> None:
    found = embed(sequences, models[kind], pooling=None, both_strands=False)
    for rows, sequence in zip(found, sequences, strict=True):
        assert rows.shape[1] == width
        np.testing.assert_allclose(rows, alone(models[kind], sequence), **CLOSE)


def test_both_strands_of_a_causal_model_on_request(models, sequences) -> None:
    model = models["causal1"]
    found = embed(sequences, model, both_strands=True).obsm["X_scmamba"]
    for row, s in zip(found, sequences, strict=True):
        expected = (alone(model, s).mean(0) + alone(model, turned(s)).mean(0)) / 2
        np.testing.assert_allclose(row, expected, **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_and_padding_change_nothing(models, sequences, kind, monkeypatch) -> None:
    expected = embed(sequences, models[kind]).obsm["X_scmamba"]
    for size in (1, 2, 7):
        found = embed(sequences, models[kind], batch_size=size).obsm["X_scmamba"]
        np.testing.assert_allclose(found, expected, **CLOSE)
    monkeypatch.setattr(_batches, "token_budget", lambda model: 20)
    np.testing.assert_allclose(embed(sequences, models[kind]).obsm["X_scmamba"], expected, **CLOSE)
    order = np.random.default_rng(0).permutation(7)
    found = embed([sequences[i] for i in order], models[kind]).obsm["X_scmamba"]
    np.testing.assert_allclose(found, expected[order], **CLOSE)


def test_special_tokens_count_nowhere(models, sequences) -> None:
    """Mamba2-mRNA ends every sequence with [SEP]."""
    model = models["rna"]
    assert len(model.tokenizer.encode("ACG")) == 4
    assert [len(rows) for rows in embed(sequences, model, pooling=None)] == [
        len(s) for s in sequences
    ]


def test_tables_come_back_as_annotated_data(models, tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"dna": ["ACGT", "GGT", "TTAC"], "kind": pd.Categorical(["a", "b", "a"])},
        index=["x", "y", "x"],
    )
    found = embed(table, models["ph"], column="dna", pooling="max", key_added="mine")
    assert found.obs_names.tolist() == ["x", "y", "x-1"]
    assert found.obs["kind"].tolist() == ["a", "b", "a"]
    assert found.obs["length"].tolist() == [4, 3, 4]
    assert found.obsm["X_mine"].shape == (3, 12)
    assert found.uns["mine"]["task"] == "sequence.embed"
    assert found.uns["mine"]["params"] == {"pooling": "max"}
    found.write_h5ad(tmp_path / "found.h5ad")


def test_a_folder_is_loaded(models, tmp_path: Path, sequences) -> None:
    from scmamba.models import save

    save(models["ps"], tmp_path / "model")
    expected = embed(sequences, models["ps"])
    found = embed(sequences, tmp_path / "model")
    np.testing.assert_array_equal(found.obsm["X_scmamba"], expected.obsm["X_scmamba"])
    assert found.uns["scmamba"]["model_sha256"]


def test_threads_and_repeats_change_nothing(models, sequences) -> None:
    expected = embed(sequences, models["ps2"]).obsm["X_scmamba"]
    np.testing.assert_array_equal(embed(sequences, models["ps2"]).obsm["X_scmamba"], expected)
    for n in (2, 4):
        torch.set_num_threads(n)
        found = embed(sequences, models["ps2"]).obsm["X_scmamba"]
        np.testing.assert_allclose(found, expected, **CLOSE)


@pytest.mark.parametrize(
    ("kind", "given", "options", "message"),
    [
        ("ph", ["ACGT", "ACXT"], {}, "sequence '1' holds 'X' at position 3"),
        ("ph", ["ACGT", "ACGU"], {}, "sequence '1' holds 'U' at position 4"),
        ("ph", [""], {}, "sequence '0' is empty"),
        ("ph", ["A" * 9], {"max_length": 8}, "sequence '0' has 9 tokens, and max_length=8"),
        ("ph", ["ACGT"], {"pooling": "sum"}, "pooling='sum'; allowed: 'mean', 'max'"),
        ("ph", ["ACGT"], {"batch_size": 0}, "batch_size=0"),
        ("rna", ["ACGU"], {"both_strands": True}, "reads RNA, which has one strand"),
    ],
)
def test_wrong_input_is_named(models, kind, given, options, message) -> None:
    with pytest.raises(ScmambaError, match=message):
        embed(given, models[kind], **options)


def test_models_of_other_kinds_are_refused() -> None:
    with pytest.raises(ScmambaError, match="is no model of sequences"):
        embed(["ACGT"], torch.nn.Linear(1, 1))  # type: ignore[arg-type]


def test_lower_case_and_u_are_read(models) -> None:
    one, other = embed(["acgtn", "ACGTN"], models["ps"]).obsm["X_scmamba"]
    np.testing.assert_allclose(one, other, **CLOSE)
    one, other = embed(["ACGT", "acgu"], models["rna"]).obsm["X_scmamba"]
    np.testing.assert_allclose(one, other, **CLOSE)
