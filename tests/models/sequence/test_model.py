"""The DNA and mRNA model: padding, strands, pieces, ids, saving."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from scmamba import models
from scmamba._errors import ScmambaError
from scmamba.models import SequenceConfig, SequenceModel
from scmamba.models.sequence.model import n_sequence_parameters
from scmamba.nn.lora import add_lora
from scmamba.tokens import NucleotideTokenizer

SIZES = {"d_model": 16, "n_layer": 2, "d_state": 8, "headdim": 8}
PAIRS = tuple(NucleotideTokenizer.caduceus().complement.tolist())
KINDS = {
    "causal mamba1": {"mixer": "mamba1", "direction": "causal"},
    "causal mamba2": {"mixer": "mamba2", "direction": "causal", "norm": "layer"},
    "ph": {"mixer": "mamba1"},
    "ps": {"mixer": "mamba1", "rc": "ps", "fused_add_norm": True},
    "ps2": {"mixer": "mamba2", "rc": "ps", "complement_map": PAIRS},
}
DNA = st.text("ACGTN", min_size=1, max_size=40)


def make(kind: str, **changes) -> SequenceModel:
    torch.manual_seed(1)
    config = SequenceConfig(16, **{**SIZES, "complement_map": PAIRS, **KINDS[kind], **changes})
    model = SequenceModel(config, NucleotideTokenizer.caduceus()).eval()
    for parameter in model.parameters():  # nothing stays zero or tiny by its start
        torch.nn.init.normal_(parameter, std=0.3)
    return model


@pytest.mark.parametrize("kind", KINDS)
def test_widths_and_shapes(kind):
    model = make(kind)
    batch = model.tokenizer.batch(["ACGT", "AC"])
    hidden = model(batch.input_ids, batch.padding_mask)
    assert hidden.shape == (2, 4, model.hidden_width)
    assert model.hidden_width == (32 if kind.startswith("ps") else 16)
    assert model.embedding_width == 16
    assert model.logits(batch.input_ids, batch.padding_mask).shape == (2, 4, 16)
    assert n_sequence_parameters(model.config) == sum(p.numel() for p in model.parameters())


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
@given(sequences=st.lists(DNA, min_size=2, max_size=4))
@settings(max_examples=10, deadline=None)
def test_neighbors_in_a_batch_change_nothing(kind, sequences):
    model = make(kind)
    batch = model.tokenizer.batch(sequences)
    together = model.logits(batch.input_ids, batch.padding_mask)
    for i, sequence in enumerate(sequences):
        alone = model.logits(model.tokenizer.batch([sequence]).input_ids)[0]
        torch.testing.assert_close(together[i][~batch.padding_mask[i]], alone, atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["ps", "ps2"])
@given(sequence=DNA)
@settings(max_examples=20, deadline=None)
def test_the_reverse_complement_is_seen_the_same(kind, sequence):
    model = make(kind)
    complement = torch.tensor(PAIRS)
    ids = model.tokenizer.batch([sequence]).input_ids
    other = complement[ids].flip(1)
    hidden, turned = model.hidden_states(ids), model.hidden_states(other)
    torch.testing.assert_close(hidden, turned.flip(1, 2), atol=1e-5, rtol=1e-5)
    logits, there = model.logits(ids), model.logits(other)
    torch.testing.assert_close(logits, there.flip(1)[..., complement], atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["causal mamba1", "causal mamba2"])
@pytest.mark.parametrize("cuts", [[1] * 30, [7, 1, 1, 21], [30]])
def test_pieces_are_the_whole(kind, cuts):
    model = make(kind)
    ids = torch.randint(7, 12, (2, sum(cuts)))
    states, pieces = None, []
    for piece in ids.split(cuts, 1):
        logits, states = model.step(piece, states)
        pieces.append(logits)
    torch.testing.assert_close(torch.cat(pieces, 1), model.logits(ids), atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["causal mamba1", "causal mamba2"])
def test_causal_models_do_not_look_ahead(kind):
    model = make(kind)
    ids = torch.randint(7, 12, (1, 20))
    changed = ids.clone()
    changed[0, 12] = 7 + (ids[0, 12] - 6) % 5
    first, second = model.logits(ids), model.logits(changed)
    torch.testing.assert_close(first[:, :12], second[:, :12])
    assert not torch.allclose(first[:, 12:], second[:, 12:])


def test_bidirectional_models_do_not_step():
    with pytest.raises(ScmambaError, match="step needs direction='causal'"):
        make("ph").step(torch.tensor([[7]]))


@pytest.mark.parametrize("ids", [[[7, 16]], [[-1, 7]]])
def test_ids_outside_the_vocabulary(ids):
    with pytest.raises(ScmambaError, match="input_ids go from .*; this model knows 0 to 15"):
        make("ph").hidden_states(torch.tensor(ids))


def test_tokenizers_that_do_not_fit():
    config = make("ph").config
    with pytest.raises(ScmambaError, match="tokenizer has 24 ids, but the model has vocab_size=16"):
        SequenceModel(config, NucleotideTokenizer.caduceus(24))
    with pytest.raises(ScmambaError, match="complement_map .* is not that of the tokenizer"):
        SequenceModel(config, NucleotideTokenizer.plantcad())


def test_presets_for_training_from_scratch():
    model = SequenceModel.from_preset("nt-mamba", n_layer=1, d_model=32, max_length=600)
    assert model.tokenizer.max_length == 600
    assert model.tokenizer.encode("ACGTN").tolist() == [1, 2, 3, 4, 5]
    assert isinstance(model.stack.layers[0].norm, torch.nn.LayerNorm)
    full = models.sequence_preset("nt-mamba")
    assert n_sequence_parameters(full) == pytest.approx(5.26e6, rel=1e-3)  # as published
    ours = SequenceModel.from_preset("bimamba2", n_layer=1, d_model=32)
    assert ours.tokenizer.mask_id is not None
    ids = ours.tokenizer.batch(["ACGTACGT"]).input_ids
    loss = torch.nn.functional.cross_entropy(ours.logits(ids)[0], ids[0])
    loss.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in ours.parameters())
    assert abs(float(loss.detach()) - torch.tensor(16.0).log()) < 0.5  # starts without an opinion


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_low_rank_parts_are_merged_when_saved(kind, tmp_path):
    model = make(kind)
    add_lora(model.stack, rank=2)
    for name, parameter in model.named_parameters():
        if name.endswith("lora_b"):
            torch.nn.init.normal_(parameter)
    again = models.load(models.save(model, tmp_path / "model"))
    ids = model.tokenizer.batch(["ACGTNACG"]).input_ids
    torch.testing.assert_close(again.logits(ids), model.logits(ids), atol=1e-4, rtol=1e-4)
    assert again.report.complete


def test_a_saved_tokenizer_that_was_changed(tmp_path):
    folder = models.save(make("ph"), tmp_path / "model")
    path = folder / "nucleotides.json"
    path.write_text(path.read_text() + " ")
    with pytest.raises(ScmambaError, match="nucleotides.json was truncated or changed"):
        models.load(folder)


def test_changes_of_a_saved_model(tmp_path):
    folder = models.save(make("ph"), tmp_path / "model")
    model = models.load(folder, max_length=9)
    assert model.tokenizer.max_length == 9
    with pytest.raises(ScmambaError, match=r"missing: stack.layers.2"):
        models.load(folder, n_layer=3)
