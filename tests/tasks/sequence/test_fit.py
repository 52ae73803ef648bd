"""Predictors: learned, validated, saved, loaded, and refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scmamba import ScmambaError
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.metrics import classification
from scmamba.models import SequenceModel
from scmamba.tasks import SequenceTraining
from scmamba.tasks import sequence as sq
from scmamba.tasks.sequence._supervised import compact
from scmamba.tasks.sequence._supervised.compact import CompactExamples
from scmamba.tasks.sequence._supervised.examples import SequenceExamples
from tests.tasks.sequence.oracle import turned

TINY = SequenceTraining(
    epochs=8,
    learning_rate=1e-2,
    batch_size=16,
    n_members=1,
    width=16,
    n_layer=1,
    d_state=4,
    dropout=0.0,
    noise=(0.0,),
)
QUICK = replace(TINY, epochs=2)
"""For what does not depend on how well networks learn."""
TUNED = SequenceTraining(epochs=2)


def fit(*arguments: Any, n_members: int = 1, **options: Any) -> sq.SequencePredictor:
    """Fit networks that are trained for a moment, unless a training is given."""
    return sq.fit(*arguments, **{"training": replace(TINY, n_members=n_members), **options})


def table(n: int = 120, seed: int = 0) -> pd.DataFrame:
    """Sequences whose class is whether they hold a motif, and whose level is their share of GC."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        text = "".join(rng.choice(list("ACGT"), rng.integers(30, 40)))
        if i % 2:
            at = rng.integers(0, 20)
            text = text[:at] + "TTGACATT" + text[at + 8 :]
        level = (text.count("G") + text.count("C")) / len(text)
        rows.append((text, "yes" if i % 2 else "no", level, i % 2, int(level > 0.45)))
    return pd.DataFrame(rows, columns=["sequence", "kind", "level", "motif", "rich"])


TRAIN, HELD, NEW = table(), table(40, 1), table(60, 2)


@pytest.fixture(scope="module")
def fitted() -> dict[str, sq.SequencePredictor]:
    return {}


def classifier(fitted: dict[str, sq.SequencePredictor]) -> sq.SequencePredictor:
    """Fitted once for all tests that only look at it."""
    if "kind" not in fitted:
        fitted["kind"] = fit(TRAIN, "kind", validation=HELD, n_members=2, seed=0)
    return fitted["kind"]


def test_classes_are_learned(fitted: dict[str, sq.SequencePredictor]) -> None:
    model = classifier(fitted)
    guess, proba = model.predict(NEW), model.predict_proba(NEW)
    assert guess.index.tolist() == list(map(str, NEW.index))
    assert (guess.to_numpy() == NEW["kind"].to_numpy()).mean() > 0.8
    np.testing.assert_allclose(proba.sum(1), 1)
    assert list(proba.columns) == ["no", "yes"]
    assert (proba.idxmax(axis=1) == guess).all()
    scores = model.evaluate(NEW, "kind")
    by_hand = classification(NEW["kind"], guess, proba=proba, classes=["no", "yes"])
    assert scores.mcc == pytest.approx(by_hand.mcc)
    assert scores.roc_auc == pytest.approx(by_hand.roc_auc)
    assert model.validation["both_mcc"] == pytest.approx(model.evaluate(HELD, "kind").mcc)
    assert len(model.neural.members) in (1, 2) and len(model.history)
    assert "held-out sequences" in repr(model) and "mcc" in repr(model)
    json.dumps(model.about)


def test_components_alone(fitted: dict[str, sq.SequencePredictor]) -> None:
    model = classifier(fitted)
    data = model._read(NEW, None)
    linear = model.linear.logits(data.sequences)
    neural = np.stack(model._neural_outputs(data.sequences))
    for parts, pair in (
        ("both", (linear, neural)),
        ("linear", (linear, None)),
        ("neural", (None, neural)),
    ):
        expected = model.fusion.predict(*pair)
        np.testing.assert_allclose(model.predict_proba(NEW, parts=parts), expected)
    assert not np.allclose(linear, neural)


def test_prediction_knows_no_neighbors(fitted: dict[str, sq.SequencePredictor]) -> None:
    model = classifier(fitted)
    whole = model.predict_proba(NEW)
    for i in (0, 7):
        alone = model.predict_proba(NEW["sequence"].iloc[i])
        np.testing.assert_allclose(alone.to_numpy()[0], whole.to_numpy()[i], atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(NEW["sequence"].str.lower()), whole, atol=1e-9)


def test_saved_and_loaded(fitted: dict[str, sq.SequencePredictor], tmp_path: Path) -> None:
    model = classifier(fitted)
    model.save(tmp_path / "it")
    back = sq.load(tmp_path / "it")
    pd.testing.assert_frame_equal(back.predict_proba(NEW), model.predict_proba(NEW))
    assert back.about == json.loads(json.dumps(model.about)) and back.fusion == model.fusion
    pd.testing.assert_frame_equal(back.history, model.history)
    back.save(tmp_path / "it")  # takes its own place
    (tmp_path / "it" / "arrays.safetensors").write_bytes(b"")
    with pytest.raises(ScmambaError, match="was damaged or changed"):
        sq.load(tmp_path / "it")
    settings_file = tmp_path / "it" / "predictor.json"
    settings_file.write_text(settings_file.read_text().replace('"format_version": 2', '"x": 2'))
    with pytest.raises(ScmambaError, match="format version None"):
        sq.load(tmp_path / "it")
    with pytest.raises(ScmambaError, match="holds no predictor: predictor.json is missing; give"):
        sq.load(tmp_path)


def test_seed_decides() -> None:
    rows = TRAIN.head(60)
    first, again, other = (
        fit(rows, "kind", training=QUICK, seed=s).predict_proba(NEW, parts="neural")
        for s in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first, other)


def test_members_that_do_not_help_are_left_out(
    fitted: dict[str, sq.SequencePredictor], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, made = CompactExamples.from_scratch, []

    def every_other_is_broken(self: CompactExamples, *arguments: Any) -> Any:
        found = usual(self, *arguments)
        made.append(found.component.model)
        if len(made) == 2:
            for parameter in made[1].parameters():
                parameter.data.normal_(std=3)
        return found

    monkeypatch.setattr(CompactExamples, "from_scratch", every_other_is_broken)
    monkeypatch.setattr(SequenceExamples, "fit_linear", lambda *_: None)
    model = fit(TRAIN, "kind", validation=HELD, n_members=3, seed=0)
    assert len(made) == 3 and made[1] not in model.neural.members
    assert set(model.neural.members) <= set(made)


def test_no_networks_beside_a_linear_component_that_needs_none() -> None:
    """k-mers find the motif, so that held-out sequences choose the linear component."""
    model = fit(TRAIN, "kind", validation=HELD, n_members=3, seed=0)
    assert model.fusion.neural_weight == 0 and len(model.neural.members) == 1
    assert "mamba_gain" not in model.about


def order(n: int, seed: int) -> pd.DataFrame:
    """Sequences of two letters; the label is whether the first and the last letter are equal."""
    rng = np.random.default_rng(seed)
    texts = ["".join(rng.choice(list("AC"), 24)) for _ in range(n)]
    return pd.DataFrame({"sequence": texts, "label": [t[0] == t[-1] for t in texts]})


@pytest.mark.parametrize("n_layer", [0, 1, None])
def test_mamba_layers_are_tried_unless_their_number_is_given(n_layer: int | None) -> None:
    training = replace(TINY, epochs=2, mamba_epochs=1, n_layer=n_layer)
    model = fit(order(80, 0), "label", validation=order(40, 1), training=training, seed=0)
    tried = "mamba_gain" in model.about
    assert tried == (n_layer is None and model.fusion.neural_weight > 0)
    if n_layer is not None:
        assert model.about["network"]["n_layer"] == n_layer
    if n_layer == 1:
        assert set(model.history["stage"]) <= {"bag", "full"}


def test_a_layer_that_lowers_the_loss_is_seen() -> None:
    logits = np.random.default_rng(0).normal(size=(60, 2))
    target = np.arange(60) % 2
    better = logits + 3 * np.eye(2)[target]
    gain, error = compact._gain("classification", logits, better, target)
    assert gain > 2 * error > 0
    back, _ = compact._gain("classification", better, logits, target)
    assert back == pytest.approx(-gain)


def test_few_sequences_are_all_held_out_once_and_all_learned_from() -> None:
    model = fit(TRAIN.head(40), "kind", training=QUICK, seed=0)
    assert (model.about["n_train"], model.about["n_validation"]) == (40, 40)
    given = fit(TRAIN.head(40), "kind", validation=HELD, training=QUICK, seed=0)
    assert (given.about["n_train"], given.about["n_validation"]) == (40, 40)


@pytest.mark.parametrize("seed", [0, 1])
def test_random_labels_leave_the_base_rates(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = table(140, seed)["sequence"]
    labels = rng.integers(0, 2, 140).tolist()
    proba = fit(rows[:40], labels[:40], seed=seed).predict_proba(rows[40:]).to_numpy()
    own = proba[np.arange(100), labels[40:]]
    base = np.bincount(labels[:40]) / 40
    assert -np.log(own).mean() < -np.log(base[labels[40:]]).mean() + 0.05
    assert proba.min() > 1 / 42


def test_long_sequences_are_read_in_windows() -> None:
    assert compact.window_of([60] * 10) == 1 and compact.window_of([512] * 19 + [9000]) == 1
    assert compact.window_of([2000] * 10) == 4
    rng = np.random.default_rng(0)
    codons = [["GCT", "GCC"], ["AAA", "AAG"]]
    labels = np.arange(40) % 2
    texts = ["ATG" + "".join(rng.choice(codons[x], 1000 + x)) for x in labels]
    model = fit(texts, labels.tolist(), seed=0)
    assert model.about["network"]["window"] == 2
    assert (model.predict(texts, parts="neural") == labels).mean() > 0.9


def test_either_strand(fitted: dict[str, sq.SequencePredictor]) -> None:
    model = fit(TRAIN, "kind", validation=HELD, both_strands=True, training=QUICK, seed=0)
    other = NEW["sequence"].map(turned)
    np.testing.assert_allclose(
        model.predict_proba(other), model.predict_proba(NEW["sequence"]), atol=1e-5
    )
    assert model.about["both_strands"] is True


def test_numbers() -> None:
    model = fit(TRAIN, "level", validation=HELD, task="regression", seed=0)
    said = model.predict(NEW)
    assert np.corrcoef(said, NEW["level"])[0, 1] > 0.9
    assert abs(said.mean() - NEW["level"].mean()) < 0.05  # in their own units
    assert model.evaluate(NEW, "level").spearman > 0.85
    with pytest.raises(ScmambaError, match="have no probability"):
        model.predict_proba(NEW)


def test_several_labels(tmp_path: Path) -> None:
    labels = ["motif", "rich"]
    model = fit(TRAIN, labels, validation=HELD, task="multilabel", seed=0)
    said = model.predict(NEW)
    assert list(said.columns) == labels and said.to_numpy().dtype == bool
    assert ((said.to_numpy() == (NEW[labels] == 1)).mean() > 0.7).all()
    model.save(tmp_path / "it")
    pd.testing.assert_frame_equal(sq.load(tmp_path / "it").predict(NEW), said)


def test_every_nucleotide(tmp_path: Path) -> None:
    def letters(rows: pd.DataFrame) -> list[list[str | None]]:
        return [[None, *("gc" if x in "GC" else "at" for x in t[1:])] for t in rows["sequence"]]

    pair = (HELD["sequence"], letters(HELD))
    model = fit(TRAIN["sequence"], letters(TRAIN), validation=pair, task="token", seed=0)
    assert model.linear is None
    said = model.predict(NEW)
    assert [len(row) for row in said] == NEW["sequence"].str.len().tolist()
    assert model.evaluate(NEW, letters(NEW)).accuracy > 0.95
    assert model.predict_proba(NEW)[3].shape == (len(NEW["sequence"][3]), 2)
    model.save(tmp_path / "it")
    assert all(map(np.array_equal, sq.load(tmp_path / "it").predict(NEW), said))


def test_rna_and_codons() -> None:
    rng = np.random.default_rng(0)
    texts = [
        "AUG" + "".join(rng.choice(["GCU", "GCC", "AAA", "AAG"], 12)) + "UAA" for _ in range(80)
    ]
    labels = [int(text.count("GCC") > 3) for text in texts]
    model = fit(texts, labels, training=QUICK, seed=0)
    assert model.about["network"]["unit"] == "codon" and not model.about["both_strands"]
    dna = [text.replace("U", "T") for text in texts]
    pd.testing.assert_frame_equal(model.predict_proba(dna), model.predict_proba(texts))


@pytest.mark.parametrize("kind", ["ph", "ps", "causal2"])
@pytest.mark.parametrize("mode", ["probe", "finetune", "lora"])
def test_pretrained_models(
    models: dict[str, SequenceModel], kind: str, mode: str, tmp_path: Path
) -> None:
    before = {k: v.clone() for k, v in models[kind].state_dict().items()}
    model = fit(
        TRAIN, "motif", validation=HELD, model=models[kind], mode=mode, training=TUNED, seed=0
    )
    assert model.about["mode"] == mode
    assert all((models[kind].state_dict()[k] == v).all() for k, v in before.items())
    assert model.validation["both_roc_auc"] > 0.7
    model.save(tmp_path / "it")
    back = sq.load(tmp_path / "it")
    for parts in ("both", "neural"):
        np.testing.assert_allclose(
            back.predict_proba(NEW, parts=parts), model.predict_proba(NEW, parts=parts), atol=1e-6
        )
    if kind == "ps" and mode != "probe":  # equivariant by itself
        assert not model.both_strands


def test_split_keeps_copies_together() -> None:
    twice = pd.concat([TRAIN.head(60)] * 2)
    model = fit(twice, "kind", training=QUICK, seed=0)
    n = model.about["n_train"], model.about["n_validation"]
    assert sum(n) == 120 and n[1] % 2 == 0 and n[1] == 2 * -(-60 // 7)


def test_copies_of_held_out_sequences_are_not_learned_from(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "verbosity", "warning")
    logger.addHandler(caplog.handler)
    mixed = pd.concat([TRAIN, HELD.head(10)])
    model = fit(mixed, "kind", validation=HELD, training=QUICK, seed=0)
    logger.removeHandler(caplog.handler)
    assert model.about["n_train"] == 120 and model.about["n_validation"] == 40
    assert "10 training sequence(s) are among the validation data" in caplog.text


def test_what_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SequenceExamples, "fit_linear", None)
    rna = [text.replace("T", "U") for text in TRAIN["sequence"]]
    for options, message in [
        ({"task": "ranking"}, "task='ranking'; allowed"),
        ({"mode": "freeze"}, "mode='freeze'; allowed"),
        ({"mode": "lora"}, "needs a pretrained model"),
        ({"training": {"epochs": 3}}, "give a scmamba.tasks.SequenceTraining"),
        ({"seed": -1}, "seed=-1; give 0 or more"),
        ({"labels": "sort"}, "not with 'sort'"),
        ({"labels": ["at"] * len(TRAIN), "task": "regression"}, "labels hold text such as 'at'; "),
        ({"sequences": TRAIN.head(19)}, "19 sequences to learn from; give at least 20"),
        ({"sequences": rna, "labels": TRAIN["kind"], "both_strands": True}, "are RNA"),
        ({"validation": TRAIN}, "every training sequence is among validation"),
        ({"validation": HELD["sequence"]}, "no table, not with 'kind'"),
        ({"labels": TRAIN["kind"], "validation": HELD}, "validation= has no labels"),
        ({"validation": HELD.assign(kind="maybe")}, "labels hold maybe"),
        ({"model": 3}, "model=3 is no model of sequences"),
    ]:
        call = {"sequences": TRAIN, "labels": "kind", **options}
        with pytest.raises(ScmambaError, match=message):
            sq.fit(call.pop("sequences"), call.pop("labels"), **call)
    wrong = TRAIN.assign(sequence=["ACGJ", *TRAIN["sequence"][1:]])
    with pytest.raises(ScmambaError, match="sequence '0' holds 'J' at position 4"):
        sq.fit(wrong, "kind")


def test_token_labels_need_one_token_a_nucleotide(models: dict[str, SequenceModel]) -> None:
    texts = ["ACGTACGT"] * 20
    labels = [list("aabbaabb")] * 20
    with pytest.raises(ScmambaError, match="needs a model that reads one token a nucleotide"):
        sq.fit(texts, labels, model=models["kmers"], task="token", mode="finetune", seed=0)
    with pytest.raises(ScmambaError, match='mode="probe" predicts whole sequences'):
        sq.fit(texts, labels, model=models["ph"], task="token", mode="probe", seed=0)
