"""Loggers of a training by name; a package that is missing is one clear error."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)

from scmamba._errors import ScmambaError


class _Kind(NamedTuple):
    make: Callable[[Path], Logger]
    packages: tuple[str, ...]


_KINDS = {
    "csv": _Kind(lambda folder: CSVLogger(folder, name="csv", version=""), ()),
    "tensorboard": _Kind(
        lambda folder: TensorBoardLogger(folder, name="tensorboard", version=""),
        ("tensorboard", "tensorboardX"),
    ),
    "wandb": _Kind(lambda folder: WandbLogger(save_dir=folder, project="scmamba"), ("wandb",)),
    "mlflow": _Kind(
        lambda folder: MLFlowLogger("scmamba", save_dir=str(folder / "mlflow")),
        ("mlflow", "mlflow_skinny"),
    ),
}


def make_loggers(names: Sequence[str], folder: Path | None) -> list[Logger]:
    """Loggers that write to ``folder``.

    Parameters
    ----------
    names
        Any of ``"csv"``, ``"tensorboard"``, ``"wandb"``, ``"mlflow"``.
    folder
        Folder of the training.

    Raises
    ------
    ScmambaError
        There is no folder, or the package of a logger is not installed.
    """
    if not names:
        return []
    if folder is None:
        raise ScmambaError(f"loggers={tuple(names)} need a folder to write to; give folder=")
    for name in names:
        packages = _KINDS[name].packages
        if packages and not any(map(importlib.util.find_spec, packages)):
            raise ScmambaError(
                f"the logger {name!r} needs a package that is not installed: "
                f"pip install {packages[0]}"
            )
    return [_KINDS[name].make(folder) for name in names]
