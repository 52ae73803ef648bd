"""Two processes that train together do what one does with batches twice as large."""

from __future__ import annotations

import os
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


def launch(folder: Path, n: int) -> list[dict]:
    """Run the program in ``n`` processes; what each of them ended with."""
    path, output = folder / "program.py", folder / f"of-{n}"
    path.write_text(PROGRAM)
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
    return [torch.load(f"{output}-{rank}.pt", weights_only=True) for rank in range(n)]


@pytest.mark.slow
def test_two_processes_are_one_with_twice_the_batch(tmp_path: Path) -> None:
    (one,), two = launch(tmp_path, 1), launch(tmp_path, 2)
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
