"""What a pretraining will need: memory, time and disk, told before it starts."""

from __future__ import annotations

import copy
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from scmamba._describe import Described
from scmamba._errors import ScmambaError
from scmamba.models import CellModel
from scmamba.tasks._pretraining.config import PretrainConfig
from scmamba.tasks._pretraining.start import size_of
from scmamba.train import Objective
from scmamba.train.data.corpus import CorpusEpochs
from scmamba.train.objectives import total

_BAG_FLOATS, _HEAD_FLOATS, _LAYER_FLOATS = 3, 12, 24
"""Floats of width ``d_model`` that a token needs outside the layers, and of width ``expand *
d_model`` in a layer, forward and backward; measured, and meant to be too large rather than not."""
_TIMED = 3


@dataclass(frozen=True, repr=False)
class Estimate(Described):
    """What a pretraining will need.

    Attributes
    ----------
    cells, steps
        Cells to learn from, and optimizer steps of all epochs.
    parameters, trained
        Parameters of the model, and how many of them are trained.
    memory, memory_free
        Bytes that each process needs on its device at most, about, and bytes that are free there.
    disk, disk_free
        Bytes of checkpoints and of the saved model, and bytes that are free; 0 without a folder.
    seconds
        Of all steps, from a few that were timed on this machine; None where none was.
    cells_per_second
        Of one process.
    """

    cells: int
    steps: int
    parameters: int
    trained: int
    memory: int
    memory_free: int
    disk: int
    disk_free: int
    seconds: float | None = None
    cells_per_second: float | None = None

    def _summary(self) -> tuple[str, dict[str, str]]:
        timed = self.seconds is not None
        return "estimate of a pretraining", {
            "cells": f"{self.cells:,}",
            "steps": f"{self.steps:,}",
            "model": f"{self.parameters:,} parameters, {self.trained:,} trained",
            "memory": f"{_gb(self.memory)} of {_gb(self.memory_free)} free",
            "disk": f"{_gb(self.disk)} of {_gb(self.disk_free)} free" if self.disk_free else "none",
            "time": f"{(self.seconds or 0) / 3600:.2g} h" if timed else "not measured",
            "speed": f"{self.cells_per_second or 0:,.0f} cells/s" if timed else "not measured",
        }

    def check(self, config: PretrainConfig) -> None:
        """Raise ScmambaError where memory or disk will not do."""
        if self.memory > self.memory_free:
            raise ScmambaError(
                f"fit.batch_size={config.fit.batch_size} needs about {_gb(self.memory)} of memory, "
                f"and {_gb(self.memory_free)} are free; give a smaller batch with "
                "accumulate_grad_batches, fewer views.max_tokens, or activation_checkpointing"
            )
        if self.disk_free and self.disk > self.disk_free:
            raise ScmambaError(
                f"checkpoints need about {_gb(self.disk)} of disk, and {_gb(self.disk_free)} are "
                "free; keep fewer (fit.keep_last), or give another folder"
            )


def estimate(
    model: CellModel, epochs: CorpusEpochs, config: PretrainConfig, folder: Path | None
) -> Estimate:
    """Estimate what a pretraining needs, without running any of it."""
    n, trained = size_of(model)
    kept = (config.fit.ema > 0) + epochs.validates
    state = 4 * (n * (2 + kept) + 3 * trained)
    checkpoints = 4 * (n * (1 + kept) + 2 * trained)
    n_kept = config.fit.keep_last + config.fit.keep_best + 1  # one is written before one goes
    world = config.fit.devices if isinstance(config.fit.devices, int) else 1
    return Estimate(
        cells=len(epochs.corpus),
        steps=epochs.total_steps(config.fit.accumulate_grad_batches, world * config.fit.num_nodes),
        parameters=n,
        trained=trained,
        memory=state + _activations(model, config),
        memory_free=free_memory(next(model.parameters()).device),
        disk=0 if folder is None else checkpoints * n_kept + 4 * n,
        disk_free=0 if folder is None else shutil.disk_usage(_existing(folder)).free,
    )


def timed(
    found: Estimate,
    model: CellModel,
    epochs: CorpusEpochs,
    objectives: Sequence[Objective[Any, Any]],
    config: PretrainConfig,
) -> Estimate:
    """Add the time of a few steps of a copy of the model, the reading of their cells included."""
    net = copy.deepcopy(model).train()
    device = next(net.parameters()).device
    heads = {one.head for one in objectives if one.head}
    seconds, cells = [], 0
    before = time.perf_counter()
    for batch in islice(epochs.epoch(0).starting_at(0), _TIMED):
        on = batch.to(device)
        output = on.run(net, heads)
        losses = {one.name: one(output, on) for one in objectives}
        total(losses, objectives).backward()
        seconds.append(time.perf_counter() - before)
        before = time.perf_counter()
        cells = len(batch) // epochs.views.n_views
    usual = min(seconds)
    n = found.steps * config.fit.accumulate_grad_batches
    return Estimate(**{**vars(found), "seconds": usual * n, "cells_per_second": cells / usual})


def free_memory(device: torch.device) -> int:
    """Bytes of memory that are free on a device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    info = Path("/proc/meminfo")
    if not info.exists():
        return 1 << 62
    line = next(x for x in info.read_text().splitlines() if x.startswith("MemAvailable"))
    return int(line.split()[1]) * 1024


def _activations(model: CellModel, config: PretrainConfig) -> int:
    """Bytes of activations of a batch."""
    c, views = model.config.encoder, config.views
    most = min(views.max_tokens or c.n_genes, c.n_genes)
    length = most * (1 + views.unexpressed * (views.mask_low + views.mask_high) / 2) + 1
    n_layer = c.n_layer if not config.fit.activation_checkpointing else min(c.n_layer, 1)
    heads = _HEAD_FLOATS if c.n_layer else _BAG_FLOATS
    floats = c.d_model * (heads + _LAYER_FLOATS * c.expand * n_layer)
    return int(4 * config.fit.batch_size * views.n_views * length * floats)


def _existing(folder: Path) -> Path:
    return next(p for p in (folder.resolve(), *folder.resolve().parents) if p.exists())


def _gb(n: float) -> str:
    return f"{n / 1e9:.2f} GB"
