"""Changes are all there and just those, and each is scored as if it were the only one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scmamba import ScmambaError
from scmamba.tasks import SequenceTraining
from scmamba.tasks.sequence import _effects, _prefix, fit, mutagenesis
from tests.tasks.sequence.oracle import log_probs, random_sequences, turned, words

TEXT = random_sequences([12], seed=1)[0]
CLOSE = {"rtol": 0, "atol": 2e-4}


def changed(text: str, row) -> str:
    """A row of the table, carried out."""
    if row.kind == "5' cut":
        return text[row.position :]
    assert text[row.position : row.position + len(row.ref)] == row.ref
    return text[: row.position] + row.alt + text[row.position + len(row.ref) :]


def whole(model, text: str) -> tuple[float, int]:
    """Log-likelihood, and nucleotides that count."""
    values = np.array(log_probs(model, text))
    sizes = np.array([len(word) for word in words(model, text)])
    return np.nansum(values), sizes[~np.isnan(values)].sum()


def around(model, text: str, start: int, stop: int) -> tuple[float, int]:
    """Pseudo-log-likelihood of the nucleotides from start to before stop."""
    values = log_probs(model, text)[max(start, 0) : stop]
    return np.nansum(values), np.sum(~np.isnan(values))


def by_hand(model, text: str, row, flank: int) -> tuple[float, float, float]:
    """Score, change and log-likelihood ratio of a row, on one strand."""
    mutant = changed(text, row)
    first = 0 if row.kind == "5' cut" else row.position
    last = first + len(row.ref)
    if model.config.direction == "causal":
        (before, n), (after, m) = whole(model, text), whole(model, mutant)
    elif row.kind == "substitution" and "N" not in row.ref + row.alt:
        before, n = around(model, text, first, first + 1)
        after, m = around_masked(model, text, first, row.alt), 1
    else:
        before, n = around(model, text, first - flank, last + flank)
        after, m = around(model, mutant, first - flank, first + len(row.alt) + flank)
    return after, after / m * n - before if m else np.nan, after - before


def around_masked(model, text: str, place: int, letter: str) -> float:
    """Log-probability of another letter under the mask."""
    import torch

    ids = torch.tensor(model.tokenizer.encode(text))
    ids[place] = model.tokenizer.mask_id
    with torch.no_grad():
        values = model.logits(ids[None])[0, place].log_softmax(-1)
    return float(values[model.tokenizer.nucleotide_ids[letter]])


def mirrored(row, length: int):
    """The same change on the other strand."""
    first = 0 if row.kind == "5' cut" else row.position
    start = length - first - len(row.ref)
    kind = "3' cut" if row.kind == "5' cut" else row.kind
    values = {"kind": kind, "position": start, "ref": turned(row.ref), "alt": turned(row.alt)}
    if row.kind == "3' cut":
        values |= {"kind": "5' cut", "position": len(row.ref)}
    return pd.Series(values)


ALL = {
    "include_n": True,
    "deletions": (1, 3),
    "insertions": ("GA",),
    "cuts": True,
    "start": 4,
    "stop": 8,
}


@pytest.mark.parametrize("kind", ["causal1", "causal2", "kmers", "ph", "ps"])
@pytest.mark.parametrize("both", [False, True])
def test_every_change_as_by_hand(models, kind, both, monkeypatch) -> None:
    monkeypatch.setattr(_prefix, "_BLOCK", 4)
    model = models[kind]
    table = mutagenesis(TEXT, model, both_strands=both, flank=2, **ALL)
    gaps = mutagenesis(
        TEXT, model, substitutions=False, deletions=2, fill_gaps=True, both_strands=both, flank=2
    )
    for row in pd.concat([table, gaps.iloc[::4]]).itertuples():
        expected = by_hand(model, TEXT, row, 2)
        if both and not kind.startswith("ps"):
            other = by_hand(model, turned(TEXT), mirrored(row, len(TEXT)), 2)
            one, two = np.array([expected[0], expected[2]]), np.array([other[0], other[2]])
            np.testing.assert_allclose([row.score, row.llr], (one + two) / 2, **CLOSE)
        else:
            np.testing.assert_allclose([row.score, row.change, row.llr], expected, **CLOSE)


def test_all_changes_and_no_others() -> None:
    table = mutagenesis("ACGT", len_, deletions=3, insertions="GG", cuts=True, include_n=True)
    found = set(table[["kind", "position", "ref", "alt"]].itertuples(index=False, name=None))
    expected = {
        ("substitution", i, ref, alt)
        for i, ref in enumerate("ACGT")
        for alt in "ACGTN"
        if alt != ref
    }
    expected |= {("deletion", 0, "ACG", ""), ("deletion", 1, "CGT", "")}
    expected |= {("insertion", i, "", "GG") for i in range(5)}
    expected |= {("5' cut", i, "ACGT"[:i], "") for i in (1, 2, 3)}
    expected |= {("3' cut", i, "ACGT"[i:], "") for i in (1, 2, 3)}
    assert found == expected
    assert len(table) == len(expected)


def len_(sequences: list[str]) -> list[int]:
    return [len(sequence) for sequence in sequences]


def test_the_region_bounds_what_is_changed() -> None:
    table = mutagenesis("ACGTACGT", len_, start=2, stop=5, deletions=2, insertions="A", cuts=True)
    groups = table.groupby("kind")["position"].agg(["min", "max"])
    assert groups.loc["substitution"].tolist() == [2, 4]
    assert groups.loc["deletion"].tolist() == [2, 3]
    assert groups.loc["insertion"].tolist() == [2, 5]
    assert groups.loc["5' cut"].tolist() == [2, 5]


def test_gaps_keep_the_length() -> None:
    table = mutagenesis("ACGTACGT", len_, substitutions=False, deletions=3, fill_gaps=True)
    assert set(table["kind"]) == {"gap"}
    assert set(table["alt"]) == {"NNN"}
    assert (table["change"] == 0).all()


def test_rna_is_changed_to_u(models) -> None:
    table = mutagenesis("ACGT", models["rna"], insertions="TT")
    assert set(table.loc[table["kind"] == "substitution", "alt"]) == set("ACGU")
    assert set(table.loc[table["kind"] == "insertion", "alt"]) == {"UU"}
    assert table.loc[table["position"] == 3, "ref"].iloc[0] == "U"


def test_a_function_scores_each_sequence_once() -> None:
    calls = []

    def purines(sequences: list[str]) -> np.ndarray:
        calls.append(sequences)
        return np.array([s.count("A") + s.count("G") for s in sequences], float)

    table = mutagenesis("aacc", purines, deletions=1)
    assert len(calls) == 1
    assert len(set(calls[0])) == len(calls[0])
    assert table.set_index(["position", "alt"]).loc[(0, "C"), "change"].item() == -1
    assert table.columns.tolist() == ["kind", "position", "ref", "alt", "score", "change"]
    assert mutagenesis("AACU", purines)["alt"].isin(list("ACGU")).all()


class Predictor:
    """What a fitted classifier is to mutagenesis."""

    classes_ = ("low", "middle", "high")

    def predict(self, sequences: list[str]) -> np.ndarray:
        raise AssertionError("probabilities are followed where there are some")

    def predict_proba(self, sequences: list[str]) -> np.ndarray:
        high = np.array([s.count("G") / len(s) for s in sequences])
        return np.stack([(1 - high) / 2, (1 - high) / 2, high], axis=1)


@pytest.mark.parametrize("target", ["high", 2])
def test_a_predictor_by_one_of_its_outputs(target) -> None:
    table = mutagenesis("ACGT", Predictor(), target=target)
    for row in table.itertuples():
        assert row.score == changed("ACGT", row).count("G") / 4
        assert row.change == row.score - 1 / 4


def test_a_fitted_predictor_or_its_folder(tmp_path) -> None:
    """One that has learned to count G: its probabilities are what is followed."""
    texts = random_sequences([20] * 60, seed=3)
    rich = ["rich" if t.count("G") > 5 else "poor" for t in texts]
    model = fit(texts, rich, training=SequenceTraining(epochs=1, n_members=1))
    table = mutagenesis(texts[0], model, stop=4, target="rich")
    expected = [changed(texts[0], row) for row in table.itertuples()]
    proba = model.predict_proba([texts[0], *expected])["rich"].to_numpy()
    np.testing.assert_allclose(table["score"], proba[1:], atol=1e-6)
    np.testing.assert_allclose(table["change"], proba[1:] - proba[0], atol=1e-6)
    found = mutagenesis(texts[0], model.save(tmp_path / "p"), stop=4)
    np.testing.assert_allclose(found["score"], table["score"], atol=1e-6)
    levels, quick = [t.count("G") / 20 for t in texts], SequenceTraining(epochs=1)
    numbers = fit(texts, levels, task="regression", training=quick)
    table = mutagenesis(texts[0], numbers, stop=4)
    values = numbers.predict([texts[0], *expected]).to_numpy()
    np.testing.assert_allclose(table["change"], values[1:] - values[0], atol=1e-6)


def test_what_begins_alike_is_read_once_and_right(models, monkeypatch) -> None:
    """States of common beginnings against whole sequences."""
    text = random_sequences([70], seed=2)[0]
    for kind in ("causal1", "causal2", "kmers"):
        expected = mutagenesis(text, models[kind], deletions=1, insertions="AC", batch_size=7)
        monkeypatch.setattr(_prefix, "_BLOCK", 8)
        found = mutagenesis(text, models[kind], deletions=1, insertions="AC")
        monkeypatch.setattr(_effects, "_SHARED", 10**9)
        plain = mutagenesis(text, models[kind], deletions=1, insertions="AC")
        monkeypatch.undo()
        for other in (expected, plain):
            np.testing.assert_allclose(found["score"], other["score"], **CLOSE)


def test_pieces_of_the_work_change_nothing(models, monkeypatch) -> None:
    for kind in ("causal1", "ph"):
        expected = mutagenesis(TEXT, models[kind], deletions=1)
        monkeypatch.setattr(_effects, "_AT_ONCE", 100)
        found = mutagenesis(TEXT, models[kind], deletions=1, batch_size=3)
        monkeypatch.undo()
        np.testing.assert_allclose(found["change"], expected["change"], **CLOSE)


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (["ACGT", "AC"], {}, "2 sequences were given"),
        ("ACXT", {}, "'X' at position 3"),
        ("ACGT", {"start": 3, "stop": 3}, "start=3, stop=3; the sequence has positions 0 to 4"),
        ("ACGT", {"stop": 5}, "stop=5"),
        ("ACGT", {"start": -1}, "start=-1"),
        ("ACGT", {"deletions": 4}, "deletions=4; give 1 to 3"),
        ("ACGT", {"deletions": 0}, "deletions=0"),
        ("ACGT", {"substitutions": False}, "no change is asked for"),
        ("A", {"deletions": 1}, "a sequence of one nucleotide has none to take out"),
        ("ACGT", {"insertions": "AX"}, "insertion 'AX' holds 'X' at position 2"),
        ("ACGT", {"insertions": ""}, "insertion '' is empty"),
        ("ACGT", {"target": "high"}, "target='high' goes with a fitted predictor"),
        ("ACGT", {"flank": 0}, "flank=0"),
    ],
)
def test_wrong_input_is_named(models, given, options, message) -> None:
    with pytest.raises(ScmambaError, match=message):
        mutagenesis(given, models["ph"], **options)


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (5, {}, "model=5; give a model of sequences"),
        (len_, {"target": 1}, "target=1 goes with a fitted predictor"),
        (len_, {"both_strands": True}, "both_strands=True goes with a language model"),
        (lambda sequences: 1.0, {}, "array of shape \\(\\) for"),
        (Predictor(), {}, "target=None; name the output to follow: 'low', 'middle', 'high'"),
        (Predictor(), {"target": "top"}, "target='top'"),
    ],
)
def test_wrong_scorers_are_named(model, options, message) -> None:
    with pytest.raises(ScmambaError, match=message):
        mutagenesis("ACGT", model, **options)
