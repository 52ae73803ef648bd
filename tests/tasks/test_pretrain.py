"""Pretraining on files: what it learns, what it survives, what it refuses."""

from __future__ import annotations

import errno
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from scmamba import models, settings, tasks
from scmamba._errors import ScmambaError
from scmamba.cli.main import main
from scmamba.tasks import PretrainConfig, pretrain
from scmamba.tasks._pretraining import estimate
from scmamba.tasks._pretraining.config import read_yaml
from scmamba.train.module import TrainingModule
from tests.stream.studies import GENES, study, write_studies

BASE = {
    "data": {
        "min_cells": 1,
        "min_genes": 1,
        "block_cells": 4,
        "buffer_blocks": 3,
        "held_out": ["study2"],
        "labels_key": "cell_type",
    },
    "model": {"d_model": 16},
    "fit": {"epochs": 2, "batch_size": 10, "checkpoint_every_n_steps": 1},
}
EVERYTHING = {
    "views": {"n_views": 2},
    "objectives": {
        "mvc_weight": 1.0,
        "dab_weight": 0.3,
        "contrast_weight": 0.2,
        "supcon_weight": 0.2,
        "cls_weight": 0.5,
    },
}
LAYERS = {"model": {"n_layer": 1, "d_state": 4, "headdim": 8}, "objectives": {"gep_weight": 1.0}}


def config(*changes: dict) -> PretrainConfig:
    merged = {name: dict(value) for name, value in BASE.items()}
    for change in changes:
        for name, value in change.items():
            merged[name] = {**merged.get(name, {}), **value} if isinstance(value, dict) else value
    return PretrainConfig.from_dict(merged)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "verbosity", "error")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_studies(tmp_path / "data", (40, 30, 20))


class Killed(Exception):
    pass


def kill_after(monkeypatch: pytest.MonkeyPatch, n_batches: int) -> None:
    step, done = TrainingModule.training_step, []

    def training_step(self, batch, index):
        if len(done) == n_batches:
            raise Killed
        done.append(index)
        return step(self, batch, index)

    monkeypatch.setattr(TrainingModule, "training_step", training_step)


def same(one: models.CellModel, other: models.CellModel) -> None:
    for name, tensor in one.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor), name


@pytest.mark.parametrize("n_batches", [1, 5, 7, 8, 12])
def test_killed_at_any_step_the_loss_goes_on_as_if_never_stopped(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_batches: int
) -> None:
    chosen = config(EVERYTHING)
    expected = pretrain(folder, chosen)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(patch, n_batches)
        pretrain(folder, chosen, folder=tmp_path / "run")
    seen = []
    step = TrainingModule.training_step

    def watch(self, batch, index):
        seen.append((self.current_epoch, index))
        return step(self, batch, index)

    monkeypatch.setattr(TrainingModule, "training_step", watch)
    found = pretrain(folder, chosen, folder=tmp_path / "run")
    assert seen == [divmod(i, 7) for i in range(n_batches, 14)]
    np.testing.assert_array_equal(found.history.to_numpy(), expected.history.to_numpy())
    same(expected.model, found.model)


def test_the_model_learns_and_tasks_take_it(folder: Path, tmp_path: Path) -> None:
    found = pretrain(folder, config(EVERYTHING, {"fit": {"epochs": 12, "lr": 1e-2}}))
    losses = found.history["train_mvc"]
    assert losses.iloc[-1] < 0.9 * losses.iloc[0]
    assert "held out   study2" in str(found) and set(found.model.heads) == {"mvc"}
    path = found.save(tmp_path / "model")
    loaded = models.load(path)
    same(found.model.cpu(), loaded)
    cells = study(40, 11)
    tasks.embed(cells, path)
    kinds = cells.obs["cell_type"].to_numpy()
    x = cells.obsm["X_scmamba"]
    centers = np.stack([x[kinds == k].mean(0) for k in ("B", "T")])
    nearest = np.linalg.norm(x[:, None] - centers, axis=2).argmin(1)
    assert (np.array(["B", "T"])[nearest] == kinds).mean() > 0.9
    short = tasks.AnnotationTraining(epochs=1, n_members=1)
    reference = study(40, 12)
    tasks.annotate(cells, labels_key="cell_type", reference=reference, model=path, training=short)
    assert set(cells.obs["scmamba_best_guess"]) == {"B", "T"}
    cells.obs["batch"] = ["a", "b"] * 20
    brief = tasks.IntegrationTraining(epochs=1, mamba_epochs=0)
    tasks.integrate(cells, "batch", model=path, training=brief)


def test_training_goes_on_with_more_genes_and_mamba_layers_adapt(folder: Path) -> None:
    first = pretrain(folder, config(LAYERS)).model
    known = first.vocab
    for i in range(3):
        more = study(30, 20 + i, [*GENES, "FOXP3", "IL7R"])
        more.write_h5ad(folder / f"study{i}.h5ad")
    found = pretrain(folder, config(LAYERS), model=first)
    vocab = found.model.vocab
    assert vocab.tokens[: len(known)] == known.tokens
    assert set(vocab.tokens[len(known) :]) == {"FOXP3", "IL7R"}
    fixed = pretrain(folder, config(LAYERS, {"extend_genes": False}), model=first)
    assert fixed.model.vocab == known
    low_rank = pretrain(
        folder, config(LAYERS, {"adapt": "lora", "extend_genes": False}), model=first
    ).model
    assert not any("lora" in name for name in low_rank.state_dict())
    table = "gene_embedding.embedding.weight"
    assert torch.equal(low_rank.state_dict()[table], first.state_dict()[table])
    changed = [
        n for n, t in low_rank.state_dict().items() if not torch.equal(t, first.state_dict()[n])
    ]
    assert any("in_proj" in name for name in changed)


def test_a_checkpoint_of_another_vocabulary_is_refused(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    pretrain(folder, config(), folder=run)
    before = (run / "last.ckpt").read_bytes()
    with pytest.raises(ScmambaError, match="is of another run: other model"):
        pretrain(folder, config({"data": {"genes": GENES[:30]}}), folder=run)
    assert (run / "last.ckpt").read_bytes() == before
    other = models.CellModel(models.preset("mini", n_genes=8, d_model=16, n_layer=0))
    from scmamba.tokens import Vocab

    other.vocab = Vocab([f"probe_{i}" for i in range(5)])
    with pytest.raises(ScmambaError, match="study0.h5ad: only 0 of 40 genes match"):
        pretrain(folder, config(), model=other)


def test_a_loss_that_is_no_number_leaves_the_batch(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scmamba.train import MVC

    value, calls = MVC.__call__, []

    def broken(self, output, batch):
        calls.append(1)
        return value(self, output, batch) * (float("nan") if len(calls) == 4 else 1.0)

    monkeypatch.setattr(MVC, "__call__", broken)
    run = tmp_path / "run"
    with pytest.raises(ScmambaError, match="no longer a finite number .epoch 1, batch 4"):
        pretrain(folder, config(), folder=run)
    batch = load_file(run / "bad_batch.safetensors")
    cells = json.loads((run / "bad_batch.json").read_text())["cells"]
    assert len(cells) == len(batch["rows"]) == 10
    assert {Path(one["file"]).stem for one in cells} <= {"study0", "study1"}
    stored = torch.load(run / "last.ckpt", weights_only=True)
    assert stored["global_step"] == 3
    assert all(bool(t.isfinite().all()) for t in stored["state_dict"].values())


def test_a_full_disk_leaves_the_last_good_checkpoint(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import lightning as L

    save, calls = L.Trainer.save_checkpoint, []

    def full(self, path, *arguments, **options):
        calls.append(path)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        save(self, path, *arguments, **options)

    run = tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(ScmambaError, match="No space left"):
        patch.setattr(L.Trainer, "save_checkpoint", full)
        pretrain(folder, config(), folder=run)
    assert torch.load(run / "last.ckpt", weights_only=True)["global_step"] == 3
    same(pretrain(folder, config()).model, pretrain(folder, config(), folder=run).model)


def test_too_little_memory_or_disk_is_said_before_the_start(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "free_memory", lambda device: 1000)
    with pytest.raises(ScmambaError, match="fit.batch_size=10 needs about .* of memory"):
        pretrain(folder, config(), folder=tmp_path / "run")
    assert not list(tmp_path.glob("run/*.ckpt"))
    found = pretrain(folder, config(), folder=tmp_path / "run", dry_run=True)
    assert found.memory > found.memory_free == 1000 and found.steps == 14
    assert found.seconds > 0 and "cells/s" in str(found)


def test_the_configuration_survives_yaml(tmp_path: Path) -> None:
    chosen = config(EVERYTHING, {"data": {"prompts": {"study0": ["blood", "10x"]}}})
    chosen.to_yaml(tmp_path / "config.yaml")
    assert PretrainConfig.from_yaml(tmp_path / "config.yaml") == chosen
    assert PretrainConfig.from_dict(chosen.to_dict()) == chosen


def test_powers_of_ten_in_a_recipe_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("fit: {lr: 1e-3, epochs: 2}\n")
    assert PretrainConfig.from_yaml(path).fit.lr == 0.001
    path.write_text("fit: {epochs: ten}\n")
    with pytest.raises(ScmambaError, match="epochs='ten'; give a whole number"):
        PretrainConfig.from_yaml(path)


@pytest.mark.parametrize(("name", "n_layer"), [("pretrain", 2), ("scmamba-mini", 0)])
def test_the_recipes_that_come_with_the_sources_are_valid(name: str, n_layer: int) -> None:
    recipe = read_yaml(Path(__file__).resolve().parents[2] / "data" / f"{name}.yaml")
    assert set(recipe) <= {"files", "output", "folder", "model", "config"}
    assert PretrainConfig.from_dict(recipe["config"]).model["n_layer"] == n_layer


def test_genes_are_read_from_a_file_beside_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "genes.txt").write_text("CD3E\n\nMS4A1\n")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("config: {data: {genes: genes.txt}}\n")
    config = PretrainConfig.from_dict(read_yaml(recipe)["config"])
    assert config.data.genes == ("CD3E", "MS4A1")


def test_a_start_from_components_is_a_pca_of_the_corpus(folder: Path) -> None:
    bag = {"d_model": 16, "cell_norm": "batch", "n_layer": 0}
    entries = {"start": "components", "model": bag, "fit": {"lr": 1e-12, "ema": 0.0}}
    found = pretrain(folder, config(entries)).model
    cells = [study(40, seed) for seed in (11, 12)]
    table = found.gene_embedding.embedding.weight.detach().numpy()
    genes = found.vocab.index(GENES)
    half = table[genes][:, :8]
    assert np.square(half).mean() ** 0.5 == pytest.approx(0.3, rel=0.5)
    axes = half / np.linalg.norm(half, axis=0)
    for one in cells:
        kinds = one.obs["cell_type"].to_numpy()
        values = np.log1p(one.X / one.X.sum(1) * 1e4)
        first = np.asarray(values @ axes[:, 0]).ravel()
        gap = abs(first[kinds == "B"].mean() - first[kinds == "T"].mean())
        assert gap > 2 * max(first[kinds == k].std() for k in ("B", "T"))


def test_a_start_from_components_needs_products(folder: Path) -> None:
    entries = {"start": "components", "model": {"value_encoding": "scaled"}}
    with pytest.raises(ScmambaError, match="give 'product' and 'lognorm'"):
        pretrain(folder, config(entries))


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"objectivs": {}}, "objectivs is unknown; did you mean objectives"),
        ({"data": {"label_key": "x"}}, "data.label_key is unknown; did you mean labels_key"),
        ({"model": {"d_modell": 3}}, "model.d_modell is unknown; did you mean d_model"),
        ({"fit": {"learning_rate": 3}}, "fit.learning_rate is unknown; did you mean lr"),
        ({"fit": {"mask_ratio": 0.2}}, "views.mask_low and views.mask_high"),
        ({"views": {"mask_low": 0.9}}, "mask_low=0.9 is above mask_high=0.6"),
        ({"objectives": {"contrast_weight": 1.0}}, "views.n_views of 2 or more"),
        ({"objectives": {"gep_weight": 1.0}}, "gep_weight needs Mamba layers"),
        ({"objectives": {"mvc_weight": 0}}, "every weight is 0"),
        ({"objectives": {"cls_weight": 1}}, "give data.labels_key"),
        ({"data": {"block_cells": 0}}, "block_cells=0; give a whole number"),
        ({"data": {"prompts": {"study0": ["blood"]}}}, "give tissue and assay"),
        ({"data": {"labels_key": "celltype"}}, "data.labels_key='celltype': none of the 3 files"),
        ({"fit": 3}, "fit=3; give a mapping"),
    ],
    ids=lambda value: None if isinstance(value, str) else next(iter(value)),
)
def test_settings_that_are_wrong_are_refused(folder: Path, entries: dict, message: str) -> None:
    with pytest.raises(ScmambaError, match=message):
        pretrain(folder, PretrainConfig.from_dict(entries))


def test_of_layers_alone_gene_vectors_stay(folder: Path) -> None:
    first = pretrain(folder, config(LAYERS)).model
    chosen = config(LAYERS, {"adapt": "layers", "fit": {"lr": 1e-2}})
    table = "gene_embedding.embedding.weight"
    after = pretrain(folder, chosen, model=first).model.state_dict()
    before = first.state_dict()
    assert torch.equal(before[table], after[table])
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert any(name.startswith("stack.") for name in changed)
    with pytest.raises(ScmambaError, match='the model has no Mamba layers; give "full"'):
        pretrain(folder, config({"adapt": "layers"}), model=pretrain(folder, config()).model)


def test_the_estimate_is_told_at_the_start_alone(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    monkeypatch.setattr(settings, "verbosity", "info")
    monkeypatch.setattr(logging.getLogger("scmamba"), "propagate", True)
    caplog.set_level("INFO", logger="scmamba")
    pretrain(folder, config(), folder=tmp_path / "run")
    assert "estimate of a pretraining" in caplog.text
    caplog.clear()
    pretrain(folder, config(), folder=tmp_path / "run")
    assert "estimate of a pretraining" not in caplog.text


def test_the_command_pretrains_and_saves(folder: Path, tmp_path: Path, capsys) -> None:
    import yaml

    recipe, output = tmp_path / "recipe.yaml", tmp_path / "model"
    content = {"files": [str(folder)], "output": str(output), "config": config().to_dict()}
    recipe.write_text(yaml.safe_dump(content))
    assert main(["pretrain", str(recipe), "--dry-run", "--verbosity=error"]) == 0
    assert "memory" in capsys.readouterr().out and not output.exists()
    assert main(["pretrain", str(recipe), "--verbosity=error"]) == 0
    assert models.load(output).vocab is not None
    recipe.write_text(yaml.safe_dump({**content, "outptu": "x"}))
    assert main(["pretrain", str(recipe)]) == 2
    assert "outptu is unknown; did you mean output" in capsys.readouterr().err
