"""The published layout: golden outputs, structure from shapes, and nothing lost in silence."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch

from scmamba import models
from scmamba._errors import ScmambaError
from scmamba.nn.losses import ecs_loss

OUTPUTS = {
    "encoder_output": "hidden",
    "cell_emb": "cell_embedding",
    "mlm_output": "expression",
    "mlm_zero_probs": "expression_zero_prob",
    "mvc_output": "mvc_expression",
    "mvc_zero_probs": "mvc_zero_prob",
    "cls_output": "class_logits",
    "dab_output": "batch_logits",
}


def copy(folder, to, *, prefix=""):
    to.mkdir()
    for name in ("args.json", "vocab.json"):
        shutil.copyfile(folder / name, to / name)
    state = torch.load(folder / "best_model.pt", weights_only=True)
    torch.save({prefix + k: v for k, v in state.items()}, to / "best_model.pt")
    return to


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("name", ["scmamba2_tiny", "scmamba2_batch_tiny"])
def test_golden(golden, tmp_path, name, prefix):
    model = models.load(copy(golden / name, tmp_path / "copy", prefix=prefix))
    assert model.report.complete
    expected = {k: torch.from_numpy(v) for k, v in np.load(golden / name / "expected.npz").items()}
    gene_ids, values, padding = (expected.pop(k) for k in ("gene_ids", "values", "padding_mask"))
    seen = set()
    for batch in (0, 1, 2) if "batch" in name else (None,):
        suffix = "" if batch is None else f"_batch{batch}"
        ids = None if batch is None else torch.full((len(gene_ids),), batch)
        with torch.no_grad():
            out = model(gene_ids, values, padding, ids)
        for theirs, ours in OUTPUTS.items():
            if (key := theirs + suffix) not in expected:
                continue
            got, wanted = getattr(out, ours), expected[key]
            if wanted.shape[:2] == padding.shape:
                got, wanted = got[~padding], wanted[~padding]
            assert (got - wanted).abs().max() < 1e-4, key
            seen.add(key)
        key = "loss_ecs" + suffix
        args = json.loads((golden / name / "args.json").read_text())
        got = ecs_loss(out.cell_embedding, args.get("ecs_thres", 0.3))
        assert abs(float(got) - float(expected[key])) < 1e-4
        seen.add(key)
    assert seen == set(expected)


def test_golden_structure(golden):
    config = models.load(golden / "scmamba2_batch_tiny").config
    c = config.encoder
    assert (c.n_layer, c.d_model, c.d_state, c.headdim) == (2, 64, 64, 64)
    assert (config.n_batches, config.n_input_norms, c.input_norm) == (3, 3, "per_batch")
    assert "adversary" in config.heads and not c.input_norm_affine
    assert config.heads["expression"].explicit_zero and config.heads["mvc"].explicit_zero
    assert (config.n_classes, config.heads["class"].n_layer) == (1, 3)


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"expression": False, "mvc": False},
        {"n_classes": 5, "class_layers": 2},
        {"n_batches": 3, "n_modalities": 2, "explicit_zero": True},
        {"n_modalities": 4},
        {"n_batches": 3, "batch_labels": False, "adversary": True, "adversary_layers": 2},
        {"input_norm": "domain", "n_domains": 4, "input_norm_affine": False},
        {"input_norm": "none"},
        {"d_state": 4, "headdim": 4, "expand": 3, "d_conv": 3},
    ],
)
def test_structure_is_read_from_shapes(release, config):
    model = models.load(release(**config))
    assert model.report.complete
    assert model.config == model.config.replace(**config)
    assert len(model.vocab) == model.config.encoder.n_genes == 20
    assert not model.training


def test_args_are_read(release):
    args = {"dropout": 0.4, "pad_value": -3, "mask_value": -4, "n_bins": 21, "ecs_thres": 0.6}
    config = models.load(release(args={**args, "cell_emb_style": "avg-pool"})).config
    c = config.encoder
    assert (c.dropout, c.n_bins) == (0.4, 21)
    assert (c.pad_value, c.mask_value, c.cls_value) == (-3, -4, -3)
    assert config.pool.method == "mean"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"embsize": 32}, "embsize=32, but the weights say 16"),
        ({"nlayers": 3}, "nlayers=3, but the weights say 2"),
        (
            {"input_emb_style": "category"},
            "json: input_emb_style=.category.; one of contin",
        ),
        ({"cell_emb_style": "w-pool"}, "args.json: cell_emb_style=.w-pool.; one of cls, avg-pool"),
        ({"dropout": "a lot"}, "args.json: dropout=.a lot.; a finite number"),
    ],
)
def test_clashing_arguments_name_both(release, args, message):
    with pytest.raises(ScmambaError, match=message):
        models.load(release(args=args))


def test_a_vocabulary_that_is_too_long(release):
    folder = release()
    (folder / "vocab.json").write_text(json.dumps([f"G{i}" for i in range(30)]))
    with pytest.raises(ScmambaError, match="33 tokens .* the gene embedding has 20 rows"):
        models.load(folder)


def test_missing_and_odd_backbone_weights_are_all_listed(release):
    def spoil(state):
        del state["encoder.enc_norm.weight"]
        del state["mamba_encoder.layers.1.mamba.D"]
        state["value_encoder.linear2.weight"] = torch.zeros(16, 15)
        state["mamba_encoder.layers.1.mamba.norm.weight"] = torch.zeros(3)

    with pytest.raises(ScmambaError) as error:
        models.load(release(change=spoil))
    text = str(error.value)
    assert "4 weights of the backbone" in text
    for line in (
        "missing: encoder.enc_norm.weight",
        "missing: mamba_encoder.layers.1.mamba.D",
        "value_encoder.linear2.weight: (16, 15) for (16, 16)",
        "mamba_encoder.layers.1.mamba.norm.weight: (3,) for (32,)",
    ):
        assert line in text


def test_a_whole_layer_missing_in_the_middle(release):
    def spoil(state):
        for name in [n for n in state if n.startswith("mamba_encoder.layers.0.")]:
            del state[name]

    with pytest.raises(ScmambaError, match="layers up to 1, but number 0 is missing"):
        models.load(release(change=spoil))


def test_no_layers_at_all(release):
    def spoil(state):
        for name in [n for n in state if n.startswith("mamba_encoder.")]:
            del state[name]

    with pytest.raises(ScmambaError, match="no whole Mamba-2 layer: mamba_encoder"):
        models.load(release(change=spoil))


def test_extra_heads_are_reported(release):
    model = models.load(
        release(change=lambda state: state.update({"sim.head.weight": torch.zeros(2)}))
    )
    assert model.report.unused == ("sim.head.weight",)
    assert "sim.head.weight" in str(model.report)


def test_promised_heads_are_reported(release):
    report = models.load(release(args={"DAB": True, "MVC": True, "n_layers_cls": 3})).report
    assert any("DAB=True" in note for note in report.notes)
    assert not any("MVC" in note for note in report.notes)


def test_half_a_head_starts_anew_and_is_reported(release):
    folder = release(change=lambda state: state.pop("decoder.fc.2.bias"))
    with pytest.raises(ScmambaError, match="missing: decoder.fc.2.bias"):
        models.load(folder, allow_missing_heads=False)
    report = models.load(folder).report
    assert report.fresh == ("decoder.fc.2.weight", "decoder.fc.2.bias")
    assert report.n_matched == report.n_weights - 2


def test_another_number_of_classes_is_reported(release):
    folder = release(n_classes=5)
    model, again = models.load(folder, n_classes=7), models.load(folder, n_classes=7)
    assert model.report.mismatched == (
        "cls_decoder.out_layer.weight: (5, 16) for (7, 16)",
        "cls_decoder.out_layer.bias: (5,) for (7,)",
    )
    assert torch.equal(model.heads["class"].out.weight, again.heads["class"].out.weight)  # seeded
    assert model.heads["class"].out.weight.requires_grad
    kept = models.load(folder).heads["class"].hidden[0].weight
    assert torch.equal(model.heads["class"].hidden[0].weight, kept)


def test_another_pool_starts_anew(release):
    model = models.load(release(), pool="attention", pool_heads=2)
    assert {name.split(".")[0] for name in model.report.fresh} == {"pool"}
    assert not model.pool.bias.weight.any()
    assert model.pool.query.std() > 0.5
    ids = torch.randint(0, 20, (2, 5))
    assert model(ids, torch.ones(2, 5)).cell_embedding.isfinite().all()


def test_loading_leaves_the_random_state_alone(release):
    folder = release()
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    models.load(folder, pool="attention")
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_golden_perturbation(golden, tmp_path, prefix):
    folder = golden / "scmamba2_pert_tiny"
    model = models.load(copy(folder, tmp_path / "copy", prefix=prefix))
    assert model.report.complete and not model.report.unused and not model.report.notes
    expected = {k: torch.from_numpy(v) for k, v in np.load(folder / "expected.npz").items()}
    inputs = expected["gene_ids"], expected["values"]
    models.save(model, tmp_path / "saved")
    for one in (model, models.load(tmp_path / "saved")):
        with torch.no_grad():
            out = one(*inputs, perturbation_flags=expected["pert_flags"])
            untouched = one(*inputs)
        names = {"hidden": "encoder_output", "cell_embedding": "cell_emb"}
        for ours, theirs in {**names, "expression": "mlm_output"}.items():
            assert (getattr(out, ours) - expected[theirs]).abs().max() < 1e-4, ours
        assert (untouched.hidden - out.hidden).abs().max() > 1e-2


def perturbation(state, n_flags=3):
    """Rename the tensors of a release to those of a perturbation checkpoint."""
    for name in list(state):
        if name.startswith("mamba_encoder."):
            state[name.replace("mamba_encoder", "transformer_encoder")] = state.pop(name)
        elif name.startswith("decoder."):
            part = state.pop(name)
            for branch in ("coeff", "bias"):
                state[name.replace("decoder.", f"decoder.{branch}_decoder.")] = part.clone()
    state["pert_encoder.weight"] = torch.randn(n_flags, 16)


def test_flags_of_tokens(release):
    model = models.load(release("perturb", change=perturbation, input_norm="none")).eval()
    ids, values = torch.randint(0, 20, (2, 5)), torch.rand(2, 5)
    padding = torch.zeros(2, 5, dtype=torch.bool)
    padding[1, 3:] = True
    out, alone = model(ids, values, padding), model(ids[1:, :3], values[1:, :3])
    torch.testing.assert_close(out.expression[1:, :3], alone.expression)
    for wrong in (torch.full((2, 5), 3), torch.zeros(2, 4, dtype=torch.long)):
        with pytest.raises(ScmambaError, match="0 untouched, 1 perturbed, 2 padding"):
            model(ids, values, perturbation_flags=wrong)
    plain = models.load(release("plain"))
    with pytest.raises(ScmambaError, match="no embedding of them"):
        plain(ids, values, perturbation_flags=torch.zeros(2, 5, dtype=torch.long))


def test_a_perturbation_checkpoint_has_three_flags(release):
    def change(state):
        perturbation(state, n_flags=4)

    with pytest.raises(ScmambaError, match="pert_encoder has 4 rows"):
        models.load(release("perturb", change=change, input_norm="none"))


def test_perturbation_checkpoints_load_their_backbone(release):
    change = perturbation
    plain = models.load(release("plain", input_norm="none"))
    model = models.load(release("perturb", change=change, input_norm="none"))
    for ours, theirs in zip(model.stack.parameters(), plain.stack.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert not model.report.unused
    assert "expression" not in model.heads and "affine" in model.heads


def test_a_missing_backbone_weight_has_the_name_of_its_layout(release):
    def change(state):
        for name in list(state):
            if name.startswith("mamba_encoder."):
                state[name.replace("mamba_encoder", "transformer_encoder")] = state.pop(name)
        del state["transformer_encoder.layers.1.mamba.D"]

    with pytest.raises(ScmambaError, match=r"missing: transformer_encoder\.layers\.1\.mamba\.D"):
        models.load(release(change=change))


def test_two_tensors_for_one_place(release):
    def change(state):
        name = "mamba_encoder.layers.0.mamba.D"
        state["transformer_encoder.layers.0.mamba.D"] = state[name]

    with pytest.raises(ScmambaError, match="have the same meaning"):
        models.load(release(change=change))


def test_numbers_that_are_none(release):
    def change(state):
        state["value_encoder.linear1.bias"][2] = torch.nan

    with pytest.raises(
        ScmambaError, match="NaN or infinite numbers in: value_encoder.linear1.bias"
    ):
        models.load(release(change=change))


def test_half_precision_becomes_float32(release):
    def change(state):
        state.update({name: tensor.half() for name, tensor in state.items()})

    assert {p.dtype for p in models.load(release(change=change)).parameters()} == {torch.float32}


def test_a_state_dict_inside_a_training_checkpoint(release):
    folder = release()
    state = torch.load(folder / "best_model.pt", weights_only=True)
    torch.save({"epoch": 3, "model_state_dict": state}, folder / "best_model.pt")
    report = models.load(folder).report
    assert report.n_matched == report.n_weights
    assert report.unused == ("epoch",)


class Evil:
    ran = False

    def __reduce__(self):
        return setattr, (Evil, "ran", True)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("save", [torch.save, lambda x, path: path.write_bytes(pickle.dumps(x))])
def test_a_pickle_that_runs_code_does_not_run(release, save):
    folder = release()
    save({"encoder.embedding.weight": Evil()}, folder / "best_model.pt")
    with pytest.raises(ScmambaError, match="never runs what a pickle asks for"):
        models.load(folder)
    assert not Evil.ran


@pytest.mark.parametrize("keep", [0, 10, 0.5, 0.99])
def test_a_truncated_file(release, keep):
    path = release() / "best_model.pt"
    content = path.read_bytes()
    path.write_bytes(content[: keep if keep > 1 else int(keep * len(content))])
    with pytest.raises(ScmambaError, match="damaged"):
        models.load(path.parent)


@pytest.mark.parametrize("content", [torch.zeros(3), {}, {"a": 1}, [1, 2]])
def test_no_state_dict(release, content):
    folder = release()
    torch.save(content, folder / "best_model.pt")
    with pytest.raises(ScmambaError, match="a state dict is needed"):
        models.load(folder)


def test_missing_and_spare_files(release):
    folder = release()
    (folder / "best_model.pt").rename(folder / "epoch3.pt")
    assert models.load(folder).report.complete
    shutil.copyfile(folder / "epoch3.pt", folder / "epoch4.pt")
    with pytest.raises(ScmambaError, match="2 files of weights: epoch3.pt, epoch4.pt"):
        models.load(folder)
    (folder / "epoch3.pt").unlink()
    (folder / "epoch4.pt").unlink()
    with pytest.raises(ScmambaError, match="0 files of weights"):
        models.load(folder)
    (folder / "vocab.json").unlink()
    with pytest.raises(ScmambaError, match="holds no model.*Found: args.json"):
        models.load(folder)


@pytest.mark.parametrize("text", ["{", "[1]", "\xff"])
def test_wrong_json(release, text):
    folder = release()
    (folder / "args.json").write_text(text, encoding="latin-1")
    with pytest.raises(ScmambaError, match="args.json"):
        models.load(folder)


@pytest.mark.parametrize("number", [10_000, 999_999_999, 10**12])
def test_layer_numbers_are_not_believed(release, number):
    def spoil(state):
        for name in [n for n in state if n.startswith("mamba_encoder.layers.1.")]:
            state[name.replace("layers.1.", f"layers.{number}.")] = state.pop(name)

    message = "number 1 is missing|nlayers=2, but the weights say 1"
    with pytest.raises(ScmambaError, match=message) as caught:
        models.load(release(change=spoil))
    assert "best_model.pt" in str(caught.value) or "args.json" in str(caught.value)


def test_norm_numbers_are_not_believed(release):
    def spoil(state):
        state["dsbn.bns.1000000.weight"] = state["bn.weight"]

    with pytest.raises(ScmambaError, match="norms up to 1000000, but number 0 is missing"):
        models.load(release(change=spoil))


ODD = [None, True, -1, 1.5, 10**30, "text", [], [None], {}, {"a": {"b": []}}]


@pytest.mark.parametrize("value", ODD, ids=repr)
def test_every_argument_with_every_wrong_type(release, value):
    folder = release()
    args, vocab = folder / "args.json", folder / "vocab.json"
    whole, names = json.loads(args.read_text()), json.loads(vocab.read_text())
    words = [*whole, "cell_emb_style", "input_emb_style", "n_layers_cls", "dropout", "mask_value"]
    for word in [*words, "n_bins", "ecs_thres", "MVC", "DSBN"]:
        args.write_text(json.dumps({**whole, word: value}))
        _refused_or_loaded(folder)
    args.write_text(json.dumps(whole))
    for content in (value, {**names, "G3": value}, [*names, value]):
        vocab.write_text(json.dumps(content))
        _refused_or_loaded(folder)
    args.write_text(json.dumps(value))
    _refused_or_loaded(folder)


def _refused_or_loaded(folder):
    try:
        models.load(folder)
    except ScmambaError as error:
        assert str(folder) in str(error), error  # noqa: PT017
