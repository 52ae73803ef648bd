"""Published DNA and mRNA layouts: golden outputs, structure from shapes, nothing lost."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from scmamba import models
from scmamba._errors import ScmambaError
from tests.tokens.nucleotides.test_tokenizer import kmer_folder

GOLDEN = (
    "caduceus_ph_tiny",
    "caduceus_ps_tiny",
    "caduceus_ps_unfused_tiny",
    "plantcaduceus_tiny",
    "plantcad2_tiny",
    "mamba2_mrna_tiny",
    "plant_dnamamba_tiny",
)
LAYER = "caduceus.backbone.layers.1.mixer."


def needs_library(name: str) -> None:
    if name == "plant_dnamamba_tiny":
        pytest.importorskip("tokenizers")


@pytest.fixture
def copy(golden, tmp_path):
    """Copy a golden folder; ``change`` edits the state dict, ``settings`` the config.json."""

    def write(name, *, change=None, settings=None, as_bin=False) -> Path:
        needs_library(name)
        folder = tmp_path / name
        shutil.copytree(golden / name, folder)
        path = next(p for p in folder.iterdir() if p.suffix in (".safetensors", ".bin"))
        state = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, weights_only=True)
        )
        if change is not None:
            change(state)
        path.unlink()
        if as_bin:
            torch.save(state, folder / "pytorch_model.bin")
        else:
            save_file({k: t.clone() for k, t in state.items()}, folder / "model.safetensors")
        content = json.loads((folder / "config.json").read_text()) | (settings or {})
        (folder / "config.json").write_text(
            json.dumps({k: v for k, v in content.items() if v is not ...})
        )
        return folder

    return write


def expected(folder: Path) -> dict[str, torch.Tensor]:
    arrays = np.load(folder / "expected.npz")
    return {k: torch.from_numpy(arrays[k]) for k in arrays if arrays[k].dtype.kind in "if"}


@torch.no_grad()
def outputs(model, given):
    mask = given["attention_mask"] == 0 if "attention_mask" in given else None
    hidden = model.hidden_states(given["input_ids"], mask)
    logits = None if model.head is None else model.logits(given["input_ids"], mask)
    return {"hidden_states": hidden, "last_hidden_state": hidden, "logits": logits}, mask


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(golden, name):
    needs_library(name)
    model, given = models.load(golden / name), expected(golden / name)
    assert isinstance(model, models.SequenceModel) and model.report.complete
    assert not model.training and model.name == name and len(model.sha256) == 64
    got, mask = outputs(model, given)
    seen = set(got) & set(given)
    assert seen
    for key in seen:
        difference = (got[key] - given[key]).abs()
        assert (difference if mask is None else difference[~mask]).max() < 1e-4, key


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("prefix", ["module.", ""])
def test_any_prefix_and_file(golden, copy, name, prefix):
    def change(state):
        for key in list(state):
            plain = key.removeprefix("caduceus.").removeprefix("backbone.")
            state[prefix + (plain if prefix == "" else key)] = state.pop(key)

    model = models.load(copy(name, change=change, as_bin=not prefix))
    wanted = models.load(golden / name)
    assert model.report.complete and model.config == wanted.config
    for ours, theirs in zip(model.parameters(), wanted.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", ["caduceus_ph_tiny", "caduceus_ps_tiny", "plantcad2_tiny"])
def test_tied_tensors_under_the_other_name(golden, copy, name):
    def change(state):
        for key in [k for k in state if "mamba_fwd.in_proj" in k or "mamba_fwd.out_proj" in k]:
            state[key.replace("mamba_fwd", "mamba_rev")] = state.pop(key)
        table = next(k for k in state if k.endswith(("embeddings.weight", "embedding.weight")))
        table_alone = state.pop(table)
        head = "lm_head.weight" if name == "caduceus_ph_tiny" else "lm_head.lm_head.weight"
        state[head] = table_alone

    model, given = models.load(copy(name, change=change)), expected(golden / name)
    assert model.report.complete
    got, _ = outputs(model, given)
    assert (got["logits"] - given["logits"]).abs().max() < 1e-4
    first, second = model.stack.layers[0].mixer.mamba_fwd, model.stack.layers[0].mixer.mamba_rev
    assert first.in_proj.weight is second.in_proj.weight
    assert model.head.weight is (
        model.embedding.weight if model.config.rc == "none" else model.embedding.embedding.weight
    )


def test_tied_tensors_twice(golden, copy):
    def same(state):
        state[f"{LAYER}mamba_rev.in_proj.weight"] = state[f"{LAYER}mamba_fwd.in_proj.weight"]

    assert models.load(copy("caduceus_ph_tiny", change=same)).report.complete


def test_tied_tensors_that_differ(copy):
    def change(state):
        key = f"{LAYER}mamba_fwd.in_proj.weight"
        state[key.replace("fwd", "rev")] = state[key] + 1

    with pytest.raises(ScmambaError, match=r"mamba_fwd.in_proj.weight and .*mamba_rev.*different"):
        models.load(copy("caduceus_ph_tiny", change=change))


def test_a_head_that_differs_from_a_tied_embedding_gives_way_and_is_told(copy):
    def change(state):
        state["lm_head.weight"] = state["backbone.embeddings.weight"] + 1

    model = models.load(copy("plant_dnamamba_tiny", change=change))
    assert "lm_head.weight differs from the embedding" in str(model.report)
    assert torch.equal(model.head.weight, model.embedding.weight)


def test_an_untied_head(copy):
    def change(state):
        state["lm_head.weight"] = state["backbone.embeddings.weight"] + 1

    settings = {"tie_word_embeddings": False}
    model = models.load(copy("plant_dnamamba_tiny", change=change, settings=settings))
    assert model.report.complete and not model.config.tie_embeddings
    assert torch.equal(model.head.weight, model.embedding.weight + 1)


def test_a_checkpoint_without_a_head(golden):
    model = models.load(golden / "mamba2_mrna_tiny")
    assert model.head is None and not model.config.lm_head
    ids = torch.tensor([[7, 8]])
    for ask in (model.logits, model.step):
        with pytest.raises(ScmambaError, match="mamba2_mrna_tiny has no language-model head"):
            ask(ids)


def test_several_groups_in_the_layout_of_transformers(copy):
    groups, old = 2, "n_groups"

    def change(state):
        for key in list(state):  # B and C of a second group
            if ".in_proj." in key:
                z_x, b_c, dt = state[key].split([256, 32, 4])
                state[key] = torch.cat([z_x, b_c[:16], b_c[:16], b_c[16:], b_c[16:], dt])
            elif ".conv1d." in key:
                x, b_c = state[key].split([128, 32])
                state[key] = torch.cat([x, b_c[:16], b_c[:16], b_c[16:], b_c[16:]])

    model = models.load(copy("mamba2_mrna_tiny", change=change, settings={old: groups}))
    assert (model.config.ngroups, model.config.d_state) == (2, 16)
    mixer = model.stack.layers[0].mixer
    assert mixer.norm.ngroups == 2  # the gated norm is per group


@pytest.mark.parametrize("k", [1, 3])
def test_kmer_layout(golden, tmp_path, copy, k):
    """Plant DNAMamba with a k-mer vocabulary: ids of its vocab.txt, hidden states by hand."""
    folder = copy("plant_dnamamba_tiny")
    (folder / "tokenizer.json").unlink()
    kmer_folder(folder, k)
    vocab = (folder / "vocab.txt").read_text().split()
    state = load_file(folder / "model.safetensors")
    state["backbone.embeddings.weight"] = state["backbone.embeddings.weight"][: len(vocab)].clone()
    save_file(state, folder / "model.safetensors")
    settings = json.loads((folder / "config.json").read_text()) | {"vocab_size": len(vocab)}
    (folder / "config.json").write_text(json.dumps(settings))
    model = models.load(folder)
    ids = model.tokenizer.encode("ACGTNACGTA")
    with torch.no_grad():
        got = model.hidden_states(torch.from_numpy(ids)[None])[0]
    torch.testing.assert_close(got, slow_mamba(state, ids, n_layer=3), atol=1e-4, rtol=1e-4)


def slow_mamba(state, ids, *, n_layer):
    """A causal Mamba-1 model position by position, straight from its state dict."""

    def norm(x, weight):
        return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * weight

    x = state["backbone.embeddings.weight"][torch.from_numpy(ids)]
    for n in range(n_layer):
        w = {
            k.removeprefix(f"backbone.layers.{n}."): v
            for k, v in state.items()
            if k.startswith(f"backbone.layers.{n}.")
        }
        y, gate = (norm(x, w["norm.weight"]) @ w["mixer.in_proj.weight"].T).chunk(2, -1)
        past = torch.cat([torch.zeros(3, y.shape[1]), y])
        kernel = w["mixer.conv1d.weight"][:, 0]
        rows = [(past[t : t + 4] * kernel.T).sum(0) for t in range(len(y))]
        u = torch.nn.functional.silu(torch.stack(rows) + w["mixer.conv1d.bias"])
        low, b, c = (u @ w["mixer.x_proj.weight"].T).split([3, 16, 16], -1)
        dt = low @ w["mixer.dt_proj.weight"].T + w["mixer.dt_proj.bias"]
        dt = torch.nn.functional.softplus(dt)
        h, out = torch.zeros(u.shape[1], 16), []
        for t in range(len(u)):
            h = h * (dt[t, :, None] * -w["mixer.A_log"].exp()).exp()
            h = h + (dt[t] * u[t])[:, None] * b[t]
            out.append(h @ c[t] + w["mixer.D"] * u[t])
        y = torch.stack(out) * torch.nn.functional.silu(gate)
        x = x + y @ w["mixer.out_proj.weight"].T
    return norm(x, state["backbone.norm_f.weight"])


def test_missing_and_odd_weights_are_all_listed(copy):
    def change(state):
        del state[f"{LAYER}mamba_rev.D"]
        del state["caduceus.backbone.norm_f.weight"]
        state[f"{LAYER}mamba_fwd.out_proj.weight"] = torch.zeros(32, 3)

    with pytest.raises(ScmambaError) as error:
        models.load(copy("caduceus_ph_tiny", change=change))
    text = str(error.value)
    assert "3 weights of the model" in text
    assert "missing: stack.layers.1.mixer.mamba_rev.D" in text
    assert f"{LAYER}mamba_fwd.out_proj.weight: (32, 3) for (32, 64)" in text


def test_what_has_no_place_is_reported(copy):
    folder = copy("caduceus_ph_tiny", change=lambda s: s.update({"score.weight": torch.ones(2)}))
    report = models.load(folder).report
    assert report.unused == ("score.weight",) and not report.complete
    assert "12 tokens known" in str(report)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("caduceus_ph_tiny", {"d_model": 64}, "says d_model=64, but the weights say 32"),
        ("caduceus_ph_tiny", {"n_layer": 4}, "says n_layer=4, but the weights say 3"),
        ("caduceus_ph_tiny", {"vocab_size": 32}, "says vocab_size=32, but the weights say 16"),
        ("mamba2_mrna_tiny", {"head_dim": 64}, "says head_dim=64, but the weights say 32"),
        ("mamba2_mrna_tiny", {"n_groups": 3}, "layers do not fit together: inner width 128"),
        ("mamba2_mrna_tiny", {"time_step_limit": [0.1, 2.0]}, "says time_step_limit=.0.1, 2.0.,"),
        ("caduceus_ph_tiny", {"bidirectional_strategy": "ew_multiply"}, "bidirectional_strategy="),
        ("caduceus_ph_tiny", {"bidirectional_weight_tie": False}, "bidirectional_weight_tie=Fals"),
        ("caduceus_ps_tiny", {"complement_map": {"0": 1, "1": 0}}, "holds no tokenizer file"),
        ("caduceus_ps_tiny", {"complement_map": "?"}, r"config.json: complement_map=.\?.; an obj"),
        ("plant_dnamamba_tiny", {"complement_map": [1]}, "complement_map=.1.; an object"),
    ],
)
def test_clashing_settings_name_both(copy, name, settings, message):
    with pytest.raises(ScmambaError, match=message):
        models.load(copy(name, settings=settings))


def test_a_padded_vocabulary_is_no_clash(copy):
    assert (
        models.load(copy("caduceus_ph_tiny", settings={"vocab_size": 12})).config.vocab_size == 16
    )
    settings = {"vocab_size": 256, "pad_vocab_size_multiple": 100}  # transformers does not pad
    assert models.load(copy("plant_dnamamba_tiny", settings=settings)).config.vocab_size == 256


def test_one_of_several_words_that_agrees_is_enough(copy):
    settings = {"num_hidden_layers": 32, "n_layer": 3, "d_model": 48}  # as in real files
    assert models.load(copy("plant_dnamamba_tiny", settings=settings)).config.n_layer == 3


def test_stored_complements_that_differ(copy):
    def change(state):
        state["lm_head.complement_map"] = torch.arange(16)

    with pytest.raises(ScmambaError, match="but lm_head.complement_map holds"):
        models.load(copy("caduceus_ps_tiny", change=change))


def test_a_tokenizer_that_does_not_fit(copy):
    folder = copy("plant_dnamamba_tiny")
    (folder / "tokenizer.json").unlink()
    kmer_folder(folder, 3)
    with pytest.raises(
        ScmambaError, match="tokenizer has 75 ids, but the model has vocab_size=256"
    ):
        models.load(folder)
    kmer_folder(folder, 6)
    with pytest.raises(ScmambaError, match="has 4107 ids, but the model has vocab_size=256"):
        models.load(folder)


def test_no_layers_and_no_embedding(copy):
    def change(state):
        for key in [k for k in state if ".layers." in k]:
            del state[key]

    with pytest.raises(ScmambaError, match="no whole Mamba layer"):
        models.load(copy("caduceus_ph_tiny", change=change))


def test_no_embedding(copy):
    def change(state):
        del state["caduceus.backbone.embeddings.word_embeddings.weight"]

    with pytest.raises(ScmambaError, match="holds no embedding"):
        models.load(copy("caduceus_ph_tiny", change=change))


def test_no_weights(copy):
    folder = copy("caduceus_ph_tiny")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    with pytest.raises(ScmambaError, match="holds no model.safetensors or pytorch_model.bin"):
        models.load(folder)


@pytest.mark.parametrize("keep", [0, 8, 0.5])
def test_a_truncated_file(copy, keep):
    path = copy("caduceus_ph_tiny") / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: keep if keep > 1 else int(keep * len(content))])
    for ask in (models.load, models.info):
        with pytest.raises(ScmambaError, match="is damaged"):
            ask(path.parent)


class Evil:
    ran = False

    def __reduce__(self):
        return setattr, (Evil, "ran", True)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_that_runs_code_does_not_run(copy):
    folder = copy("plantcaduceus_tiny", as_bin=True)
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"a": Evil()}))
    with pytest.raises(ScmambaError, match="never runs what a pickle asks for"):
        models.load(folder)
    assert not Evil.ran


def test_changes_at_load(golden):
    model = models.load(golden / "caduceus_ph_tiny", max_length=7)
    assert model.tokenizer.max_length == model.config.max_length == 7
    with pytest.raises(ScmambaError, match="unknown configuration field.* n_classes"):
        models.load(golden / "caduceus_ph_tiny", n_classes=3)


@pytest.mark.parametrize("name", GOLDEN)
def test_info_reads_no_weights(golden, name):
    needs_library(name)
    info, model = models.info(golden / name), models.load(golden / name)
    assert info.config == model.config
    assert info.n_parameters == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", GOLDEN)
def test_the_license_stays_with_the_weights(golden, tmp_path, name):
    needs_library(name)
    model = models.load(golden / name)
    assert ("CC BY-NC-SA" in model.license) == ("mrna" in name or "dnamamba" in name)
    again = models.load(models.save(model, tmp_path / "own"))
    assert again.license == model.license == models.info(tmp_path / "own").license


@pytest.mark.parametrize("name", GOLDEN)
def test_saved_in_our_format(golden, tmp_path, name):
    needs_library(name)
    model = models.load(golden / name)
    folder = models.save(model, tmp_path / "own", about={"licence": "CC0"})
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "model.safetensors", "nucleotides.json"}
    stored = load_file(folder / "model.safetensors")
    assert not [k for k in stored if "mamba_rev.in_proj" in k or "mamba_rev.out_proj" in k]
    again = models.load(folder)
    assert (again.config, again.tokenizer) == (model.config, model.tokenizer)
    assert again.report.complete
    assert all(torch.equal(t, again.state_dict()[n]) for n, t in model.state_dict().items())
    assert models.info(folder).license == "CC0"


ODD = [None, True, -1, 1.5, 10**30, "text", [], [None], {}, {"a": {"b": []}}]


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("layout", ["caduceus_ps_tiny", "plant_dnamamba_tiny", "mamba2_mrna_tiny"])
def test_every_setting_with_every_wrong_type(golden, tmp_path, layout, value):
    pytest.importorskip("tokenizers")
    folder = tmp_path / layout
    shutil.copytree(golden / layout, folder, copy_function=shutil.copyfile)
    folder.chmod(0o755)
    for path in folder.glob("*.json"):
        whole = path.read_text()
        content = json.loads(whole)
        for name in [*content, "pad_vocab_size_multiple", "hidden_act", "time_step_limit"]:
            path.write_text(json.dumps({**content, name: value}))
            _refused_or_described(folder)
        path.write_text(json.dumps(value))
        _refused_or_described(folder)
        path.write_text(whole)


def _refused_or_described(folder):
    try:
        models.info(folder)
    except ScmambaError as error:
        assert str(folder) in str(error), error  # noqa: PT017
