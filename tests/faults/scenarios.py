"""Calls that write, how to set them up, and how to tell whether their target is whole."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import anndata as ad
import numpy as np
import torch

from scmamba import models
from scmamba._files import atomic, exchange
from scmamba._settings import settings
from scmamba.datasets import synthetic
from scmamba.stream import expressions
from scmamba.tasks import _forward, embed
from scmamba.tokens import Vocab

N_CELLS = 60


def set_up() -> None:
    """Small blocks, one thread, no bars; what takes long is done once, before any fork."""
    settings.verbosity, settings.device = "error", "cpu"
    torch.set_num_threads(1)
    _forward.BLOCK_VALUES = expressions.BLOCK_VALUES = 300
    warnings.filterwarnings("ignore", category=UserWarning, module="anndata")
    warnings.filterwarnings("ignore", message="Writing zarr v2 data")
    embed(cells(), model(5))
    embed(cells(), model(3))


@cache
def _cells() -> ad.AnnData:
    return synthetic(N_CELLS, 40, 3, n_batches=2, human=True)


def cells() -> ad.AnnData:
    """60 cells of 40 genes, counts."""
    return _cells().copy()


@cache
def model(n_classes: int = 3) -> models.CellModel:
    torch.manual_seed(n_classes)
    genes = cells().var_names.tolist()
    sizes = {"d_model": 8, "n_layer": 1, "d_state": 4, "headdim": 8, "pool_heads": 2}
    made = models.CellModel(
        models.preset("mini", n_genes=len(genes) + 3, n_classes=n_classes, **sizes)
    )
    made.vocab = Vocab(genes)
    return made.eval()


def read(path: Path) -> ad.AnnData:
    return ad.read_zarr(path) if path.suffix == ".zarr" else ad.read_h5ad(path)


def write(adata: ad.AnnData, path: Path) -> None:
    adata.write_zarr(path) if path.suffix == ".zarr" else adata.write_h5ad(path)


@dataclass(frozen=True)
class Scenario:
    """A call that writes.

    Attributes
    ----------
    prepare
        Lay out what is there before the call, in an empty folder.
    call
        The call itself.
    state
        ``"old"``, ``"new"`` or ``"absent"`` where the target is whole; it raises where not.
    start
        What the state is before the call.
    """

    prepare: Callable[[Path], None]
    call: Callable[[Path], object]
    state: Callable[[Path], str]
    start: str


def _embedding(name: str, output: str) -> Scenario:
    def prepare(folder: Path) -> None:
        write(cells(), folder / name)

    def call(folder: Path) -> object:
        return embed(folder / name, model(), output=folder / output)

    def state(folder: Path) -> str:
        source = read(folder / name)
        assert source.n_obs == N_CELLS and (source.X != cells().X).nnz == 0
        if not (folder / output).exists():
            return "absent"
        found = read(folder / output)
        assert found.n_obs == N_CELLS and (found.X != cells().X).nnz == 0
        if "X_scmamba" not in found.obsm:
            return "old"
        assert found.uns["scmamba"]["task"] == "embed"
        assert np.isfinite(found.obsm["X_scmamba"]).all()
        assert (np.abs(found.obsm["X_scmamba"]).sum(1) > 0).all()
        return "new"

    return Scenario(prepare, call, state, "old" if name == output else "absent")


def _many() -> Scenario:
    names = ["a.h5ad", "b.zarr"]

    def prepare(folder: Path) -> None:
        for name in names:
            write(cells(), folder / name)

    def call(folder: Path) -> object:
        return embed([folder / name for name in names], model(), output=folder)

    def state(folder: Path) -> str:
        done = ["X_scmamba" in read(folder / name).obsm for name in names]
        return "new" if all(done) else "old"

    return Scenario(prepare, call, state, "old")


def _save(through_a_link: bool) -> Scenario:
    def target(folder: Path) -> Path:
        return folder / ("link" if through_a_link else "saved")

    def prepare(folder: Path) -> None:
        models.save(model(3), folder / "saved")
        if through_a_link:
            (folder / "link").symlink_to("saved")

    def call(folder: Path) -> object:
        return models.save(model(5), target(folder))

    def state(folder: Path) -> str:
        if through_a_link:
            assert (folder / "link").is_symlink()
        return {3: "old", 5: "new"}[models.load(target(folder)).config.n_classes]

    return Scenario(prepare, call, state, "old")


def _text() -> Scenario:
    def prepare(folder: Path) -> None:
        (folder / "a.json").write_text(json.dumps(["old"] * 1000))

    def call(folder: Path) -> None:
        with atomic(folder / "a.json") as temporary:
            temporary.write_text(json.dumps(["new"] * 1000))

    def state(folder: Path) -> str:
        (word,) = set(json.loads((folder / "a.json").read_text()))
        return word

    return Scenario(prepare, call, state, "old")


SCENARIOS = {
    "h5ad in place": _embedding("cells.h5ad", "cells.h5ad"),
    "zarr in place": _embedding("cells.zarr", "cells.zarr"),
    "h5ad to a file": _embedding("cells.h5ad", "out.h5ad"),
    "zarr to a folder": _embedding("cells.zarr", "out.zarr"),
    "files in place": _many(),
    "saved model": _save(through_a_link=False),
    "saved model, link": _save(through_a_link=True),
    "text": _text(),
}
FOLDERS = ("zarr in place", "saved model", "saved model, link", "files in place")
"""Scenarios in which a folder replaces another one."""


def without_exchange() -> None:
    """As on a file system that cannot exchange two folders in one step."""
    exchange.swap = lambda *_: False


def leftovers(folder: Path) -> list[str]:
    """What a finished call should not leave."""
    return sorted(one.name for one in folder.iterdir() if one.name.startswith("."))
