"""Language models: what is learned, from what, and what is refused."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from scmamba import ScmambaError
from scmamba.models import SequenceConfig, SequenceModel, load
from scmamba.models.sequence.config import SEQUENCE_PRESETS
from scmamba.tasks import sequence as sq
from scmamba.tokens import NucleotideTokenizer

module = importlib.import_module("scmamba.tasks.sequence.pretrain")
UNIFORM = np.log(4)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"d_model": 16, "n_layer": 1, "d_state": 4, "headdim": 16}
    for name, preset in SEQUENCE_PRESETS.items():
        monkeypatch.setitem(SEQUENCE_PRESETS, name, {**preset, **sizes})


def repeats(letters: str = "ACGT", n: int = 60) -> list[str]:
    """Sequences in which each letter tells the next."""
    rng = np.random.default_rng(0)
    word = letters[0] + letters[1] + letters[1] + letters[2] + letters[3]
    return [(word * 9)[rng.integers(0, 5) :][: rng.integers(25, 40)] for _ in range(n)]


FAST = {"epochs": 12, "token_budget": 400, "lr": 2e-2, "max_length": 60, "seed": 0}


@pytest.mark.parametrize(("model", "objective"), [("bimamba2", "masked"), ("nt-mamba", "causal")])
def test_order_is_learned(model: str, objective: str) -> None:
    result = sq.pretrain(repeats(), model=model, both_strands=False, **FAST)
    assert result.history["val_loss"].min() < 0.6 * UNIFORM
    assert f"val_{ {'masked': 'tokens', 'causal': 'next'}[objective] }" in result.history
    random = ["".join(np.random.default_rng(1).permutation(list(text))) for text in repeats()]
    assert sq.score(repeats(), result.model)["per_nucleotide"].mean() > (
        sq.score(random, result.model)["per_nucleotide"].mean() + 0.3
    )


def test_either_strand_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}
    usual = module.fit_sequences

    def watch(net, data, rows, objectives, config, **options):
        seen.update(both=config.both_strands, other=data.other is not None)
        return usual(net, data, rows, objectives, config, **options)

    monkeypatch.setattr(module, "fit_sequences", watch)
    few = {**FAST, "epochs": 1}
    sq.pretrain(repeats(), **few)
    assert seen == {"both": True, "other": True}
    sq.pretrain(repeats("ACGU"), **few)
    assert seen == {"both": False, "other": False}
    size = {"d_model": 8, "n_layer": 1, "d_state": 4, "headdim": 8, "rc": "ps", "pad_id": 4}
    map_ = SEQUENCE_PRESETS["bimamba2"]["complement_map"]
    config = SequenceConfig(16, complement_map=map_, **size)
    equivariant = SequenceModel(config, NucleotideTokenizer.caduceus())
    before = {k: v.clone() for k, v in equivariant.state_dict().items()}
    result = sq.pretrain(repeats(), model=equivariant, **few)
    assert seen == {"both": False, "other": False}
    assert all(torch.equal(equivariant.state_dict()[k], v) for k, v in before.items())
    assert not torch.equal(
        result.model.embedding.embedding.weight, equivariant.embedding.embedding.weight
    )
    with pytest.raises(ScmambaError, match="treats both strands alike by itself"):
        sq.pretrain(repeats(), model=equivariant, both_strands=True, **few)


def test_each_strand_is_validated_by_itself() -> None:
    texts = repeats()
    result = sq.pretrain(texts, model="nt-mamba", **{**FAST, "epochs": 1})
    fold = module.fold_of(module.groups(texts, double_stranded=True), np.zeros(60, int), 20, 0)
    kept = [text for text, part in zip(texts, fold, strict=True) if part == 0]
    scores = sq.score(kept, result.model)
    mean = -scores["log_likelihood"].sum() / scores["n_nucleotides"].sum()
    assert result.history["val_loss"].min() == pytest.approx(mean, abs=1e-4)


def test_saved_and_trained_further(tmp_path: Path) -> None:
    first = sq.pretrain(repeats(), both_strands=False, **FAST)
    first.save(tmp_path / "model")
    back = load(tmp_path / "model")
    assert isinstance(back, SequenceModel)
    again = sq.pretrain(repeats(), model=tmp_path / "model", both_strands=False, **FAST)
    assert again.history["val_loss"].iloc[0] < first.history["val_loss"].iloc[0]


def test_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    whole = sq.pretrain(repeats(), folder=tmp_path, **FAST)
    same = sq.pretrain(repeats(), folder=tmp_path, **FAST)
    assert same.history["train_loss"].tolist() == whole.history["train_loss"].tolist()


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    few = {**FAST, "epochs": 1, "folder": tmp_path}
    sq.pretrain(repeats(), **few)
    others: list[tuple[list[str], dict]] = [
        (repeats("CATG"), {}),
        (repeats()[::-1], {}),
        (repeats(), {"seed": 1}),
        (repeats(), {"mask_ratio": 0.3}),
        (repeats(), {"model": "nt-mamba"}),
    ]
    for texts, changes in others:
        with pytest.raises(ScmambaError, match="last.ckpt is of another run"):
            sq.pretrain(texts, **{**few, **changes})


def test_long_sequences_are_cut() -> None:
    pieces, owner = module._pieces(["ACGTACG", "AC"], 3)
    assert pieces == ["ACG", "TAC", "G", "AC"] and owner.tolist() == [0, 0, 0, 1]
    one = sq.pretrain("ACCGT" * 60, **{**FAST, "epochs": 1})
    assert np.isfinite(one.history["val_loss"]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "denoise"}, "objective='denoise'; allowed"),
        ({"objective": "causal"}, "the model is bidirectional; give 'masked'"),
        ({"objective": "masked", "model": "nt-mamba"}, "the model is causal; give 'causal'"),
        ({"mask_ratio": 0.0}, "mask_ratio=0.0; give a fraction"),
        ({"max_length": 1}, "max_length=1; give a whole number of at least 2"),
        ({"sequences": ["ACGT"]}, r"1 piece\(s\) of sequence"),
        ({"sequences": ["ACGT", "AXGT"]}, "sequence '1' holds 'X' at position 2"),
        ({"sequences": repeats("ACGU"), "both_strands": True}, "reads RNA"),
    ],
)
def test_refusals(options: dict, message: str) -> None:
    with pytest.raises(ScmambaError, match=message):
        sq.pretrain(options.pop("sequences", repeats()), **options)
