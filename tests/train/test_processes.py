"""Two processes that train together do what one does with batches twice as large."""

from __future__ import annotations

import json
import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

PROGRAM = """
import sys
import numpy as np
import torch
from scipy import sparse
from scmamba import settings
from scmamba.models import CellModel, preset
from scmamba.stream import CellData
from scmamba.tokens import Vocab, tokenize
from scmamba.train import CLS, GEP, FitConfig, fit

settings.verbosity, settings.device = "error", "cpu"
torch.set_num_threads(1)
rank, n, output = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
rng = np.random.default_rng(2)
labels = np.arange(48) % 2
counts = rng.poisson(np.where(labels[:, None], 2.0, 0.9), (48, 24))
tokens = tokenize(sparse.csr_matrix(np.log1p(counts)), np.arange(24), n_bins=None)
vocab = Vocab([f"gene_{i}" for i in range(24)])
data = CellData(tokens, vocab, cls_value=0.0, pad_value=-2.0, labels=labels)
torch.manual_seed(5)
sizes = dict(d_model=16, n_layer=1, d_state=4, headdim=8, pool_heads=2, dropout=0.0)
heads = dict(n_classes=2, class_layers=2, value_type="lognorm", input_norm="none")
model = CellModel(preset("mini", n_genes=len(vocab), **sizes, **heads))
config = FitConfig(epochs=2, batch_size=8 // n, ema=0.0, max_tokens=None, last_max_tokens=None,
                   strategy="auto" if n == 1 else "ddp", devices=n, accelerator="cpu",
                   checkpoint_every_n_steps=2)
result = fit(model, data, np.arange(35), [CLS()], config, val_rows=np.arange(36, 48),
             folder=output + "-folder")
torch.save({"weights": model.state_dict(), "history": result.history.to_dict("list")},
           f"{output}-{rank}.pt")
"""


SHARDED = (
    PROGRAM.split("config = FitConfig")[0]
    + """
import json, os
import lightning as L
from lightning.pytorch.strategies import FSDPStrategy
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.fsdp.wrap import ModuleWrapPolicy
from scmamba.nn.block import Block
from scmamba.train import CellEpochs, train, trainer

class OnCPU(FSDPStrategy):
    # Lightning shards on GPUs alone; collecting the shards again breaks PyTorch on a CPU
    def _setup_model(self, model):
        return FullyShardedDataParallel(model, auto_wrap_policy=ModuleWrapPolicy({Block}),
                                        use_orig_params=True, device_id=torch.device("cpu"))

class Losses(L.Callback):
    found = []

    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        self.found.append(outputs["values"]["loss"])
        if len(self.found) == 4:
            with open(f"{output}-{rank}.json", "w") as file:
                json.dump(self.found, file)
            os._exit(0)

trainer.make_strategy = lambda config: "auto" if n == 1 else OnCPU()
config = FitConfig(epochs=2, batch_size=8 // n, ema=0.0, max_tokens=None, last_max_tokens=None,
                   strategy="auto" if n == 1 else "fsdp", devices=n, accelerator="cpu")
train(model, CellEpochs(data, np.arange(32), None, config, -1.0), [CLS()], config,
      folder=output + "-folder", callbacks=[Losses()])
"""
)


def launch(folder: Path, n: int, program: str = PROGRAM) -> str:
    """Run a program in ``n`` processes, one in this; the name that its outputs begin with."""
    path, output = folder / "program.py", folder / f"of-{n}"
    path.write_text(program)
    if n == 1 and program != SHARDED:  # which ends its process
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [str(path), "0", "1", str(output)])
            runpy.run_path(str(path))
        return str(output)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = []
    for rank in range(n):
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_RANK": str(rank)}
        alone = {} if n == 1 else {**shared, "NODE_RANK": "0", "WORLD_SIZE": str(n)}
        command = [sys.executable, str(path), str(rank), str(n), str(output)]
        running.append(
            subprocess.Popen(command, env={**os.environ, **alone}, stderr=subprocess.PIPE)
        )
    for process in running:
        _, error = process.communicate(timeout=300)
        assert process.returncode == 0, error.decode()
    return str(output)


def loaded(output: str, n: int) -> list[dict]:
    """What each of ``n`` processes ended with."""
    return [torch.load(f"{output}-{rank}.pt", weights_only=True) for rank in range(n)]


@pytest.mark.slow
def test_two_processes_are_one_with_twice_the_batch(tmp_path: Path) -> None:
    (one,), two = loaded(launch(tmp_path, 1), 1), loaded(launch(tmp_path, 2), 2)
    moved = 0
    for name, tensor in one["weights"].items():
        assert torch.equal(two[0]["weights"][name], two[1]["weights"][name]), name
        torch.testing.assert_close(two[0]["weights"][name], tensor, atol=2e-5, rtol=1e-3, msg=name)
        moved += 1
    assert moved > 10
    for found in two:
        assert found["history"].keys() == one["history"].keys()
        for name, values in one["history"].items():
            assert found["history"][name] == pytest.approx(values, rel=1e-3), name
    assert (tmp_path / "of-2-folder" / "last.ckpt").exists()


@pytest.mark.slow
def test_two_processes_that_shard_the_weights_learn_like_one(tmp_path: Path) -> None:
    one, two = (launch(tmp_path, n, SHARDED) for n in (1, 2))
    whole = json.loads(Path(f"{one}-0.json").read_text())
    halves = [json.loads(Path(f"{two}-{rank}.json").read_text()) for rank in (0, 1)]
    assert len(whole) == 4 and len(set(whole)) == 4
    assert [(a + b) / 2 for a, b in zip(*halves, strict=True)] == pytest.approx(whole, rel=1e-3)


CORPUS = """
import sys
import torch
from studies import write_studies
from scmamba import settings
from scmamba.tasks import PretrainConfig, pretrain
from pathlib import Path

settings.verbosity, settings.device = "error", "cpu"
torch.set_num_threads(1)
rank, n, output = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
folder = Path(output + f"-data-{rank}")
write_studies(folder, (40, 24, 16))
config = PretrainConfig.from_dict({
    "data": {"min_cells": 1, "min_genes": 1, "block_cells": 4, "buffer_blocks": 3,
             "held_out": ["study2"], "labels_key": "cell_type"},
    "model": {"d_model": 16, "n_layer": 1, "d_state": 4, "headdim": 8, "dropout": 0.0},
    "objectives": {"gep_weight": 1.0, "cls_weight": 1.0},
    "n_streams": 2,
    "fit": {"epochs": 2, "batch_size": 16 // n, "strategy": "auto" if n == 1 else "ddp",
            "devices": n, "accelerator": "cpu"},
})
result = pretrain(folder, config)
torch.save({"weights": result.model.state_dict(), "history": result.history.to_dict("list")},
           f"{output}-{rank}.pt")
"""


@pytest.mark.slow
def test_two_processes_pretrain_as_one_with_twice_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studies = str(Path(__file__).resolve().parents[1] / "stream")
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([studies, before]))
    monkeypatch.syspath_prepend(studies)
    (one,), two = (loaded(launch(tmp_path, n, CORPUS), n) for n in (1, 2))
    for name, tensor in one["weights"].items():
        assert torch.equal(two[0]["weights"][name], two[1]["weights"][name]), name
        torch.testing.assert_close(two[0]["weights"][name], tensor, atol=2e-5, rtol=1e-3, msg=name)
    for name in ("train_gep", "train_mvc", "train_cls", "train_loss"):
        assert two[0]["history"][name] == pytest.approx(one["history"][name], rel=1e-3), name
