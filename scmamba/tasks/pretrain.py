"""Pretraining of a cell model on many files."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, overload

import pandas as pd

from scmamba._describe import Described
from scmamba._errors import ScmambaError
from scmamba._files import writable_folder
from scmamba._log import logger
from scmamba.models import CellModel, save
from scmamba.stream.corpus import Corpus
from scmamba.stream.corpus_open import open_corpus
from scmamba.tasks._pretraining.config import PretrainConfig
from scmamba.tasks._pretraining.estimate import Estimate, estimate, timed
from scmamba.tasks._pretraining.start import (
    backbone,
    continued,
    new_model,
    objectives_of,
    to_start_from,
)
from scmamba.tasks._pretraining.weights import PretrainObjectives
from scmamba.train import FitResult, train
from scmamba.train.data.corpus import CorpusEpochs

__all__ = ["PretrainConfig", "PretrainObjectives", "Pretrained", "pretrain"]

_SCANS = "scans"


@dataclass(frozen=True, repr=False)
class Pretrained(Described):
    """A pretrained model, and how it was learned.

    Attributes
    ----------
    model
        Without adversary and classes, which belong to the corpus. Tasks take it as ``model=``.
    history
        Losses by epoch.
    config
        Settings.
    about
        Data sets and their numbers of cells.

    Examples
    --------
    See :func:`pretrain`.
    """

    model: CellModel
    history: pd.DataFrame
    config: PretrainConfig
    about: dict[str, Any]

    def save(self, path: str | os.PathLike[str], *, half: bool = False) -> Path:
        """Save the model to a folder, which ``models.load`` and all tasks read.

        Parameters
        ----------
        path
            The folder.
        half
            Store matrices as 16-bit floats, in half the space.
        """
        config = self.config.to_dict()
        del config["data"]["genes"]  # they are the vocabulary
        about = {**self.about, "config": config}
        notes = {"notes": ["pretrained by scmamba"], "pretrain": about}
        return save(self.model, path, about=notes, half=half)

    def _summary(self) -> tuple[str, dict[str, str]]:
        sets = self.about["data_sets"]
        last = self.history.iloc[-1]
        return f"model pretrained on {sum(sets.values()):,} cells", {
            "model": f"{self.model.n_parameters:,} parameters, "
            f"{self.model.config.encoder.n_layer} Mamba-2 layers",
            "data sets": ", ".join(f"{name} ({n:,})" for name, n in sets.items()),
            "held out": ", ".join(self.about["held_out"]) or "none",
            "loss": ", ".join(f"{k[:-5]} {v:.3f}" for k, v in last.items() if k.endswith("_loss")),
        }


@overload
def pretrain(
    files: Any,
    config: PretrainConfig | None = ...,
    *,
    model: CellModel | str | os.PathLike[str] | None = ...,
    folder: str | os.PathLike[str] | None = ...,
    dry_run: Literal[False] = ...,
) -> Pretrained: ...
@overload
def pretrain(
    files: Any,
    config: PretrainConfig | None = ...,
    *,
    model: CellModel | str | os.PathLike[str] | None = ...,
    folder: str | os.PathLike[str] | None = ...,
    dry_run: Literal[True],
) -> Estimate: ...
def pretrain(
    files: Any,
    config: PretrainConfig | None = None,
    *,
    model: CellModel | str | os.PathLike[str] | None = None,
    folder: str | os.PathLike[str] | None = None,
    dry_run: bool = False,
) -> Pretrained | Estimate:
    """Pretrain a model on the cells of many files, or train one further.

    Files are looked at and read once before anything is trained: a damaged file, other species,
    and values that are no counts are found first, and cells that several files hold are used once.
    Training then reads blocks of cells at random places, so that memory does not grow with the
    corpus.

    Parameters
    ----------
    files
        An .h5ad, .zarr or .h5mu file (of which the RNA is read), a folder with such files, or a
        list of both. Each file is a data set, named like the file.
    config
        Settings; None: the defaults.
    model
        A model to train further: a folder, a registered name, or a :class:`CellModel`, which stays
        as it is. None: a new model.
    folder
        Where checkpoints are kept, and what was found in the files. A run that was stopped, at any
        step, goes on from there if it is called in the same way.
    dry_run
        Only estimate memory, time and disk.

    Returns
    -------
    The model with its history, or the estimate.

    Raises
    ------
    ScmambaError
        A file cannot be used, settings do not fit the cells or one another, memory or disk will
        not do, ``folder`` is of another run, or the loss is no longer a number: the batch is then
        in ``folder``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> from scmamba.tasks.pretrain import PretrainConfig, pretrain
    >>> data = {"min_cells": 1, "min_genes": 1}
    >>> config = PretrainConfig.from_dict(
    ...     {"data": data, "model": {"d_model": 16}, "fit": {"epochs": 1}}
    ... )
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i in range(2):
    ...         adata = scmamba.datasets.synthetic(40, 60, 2, seed=i)
    ...         adata.write_h5ad(Path(folder) / f"study{i}.h5ad")
    ...     found = pretrain(folder, config)
    >>> found.about["data_sets"], len(found.history)
    ({'study0': 40, 'study1': 40}, 1)
    """
    config = PretrainConfig() if config is None else config
    if not isinstance(config, PretrainConfig):
        raise ScmambaError(f"config is a {type(config).__name__}; give a PretrainConfig")
    kept = None if folder is None else writable_folder(folder)
    start = None if model is None else to_start_from(model)
    corpus = open_corpus(
        files,
        config.data,
        vocab=None if start is None else start.vocab,
        extend=start is None or config.extend_genes,
        cache=None if kept is None else kept / _SCANS,
    )
    objectives = objectives_of(corpus, config)
    net = new_model(corpus, config) if start is None else continued(start, corpus, config)
    epochs = CorpusEpochs(
        corpus,
        net.config.encoder,
        config.fit,
        config.views,
        n_streams=config.n_streams,
        most_held_out=config.most_held_out,
    )
    needed = estimate(net, epochs, config, kept)
    if dry_run:
        return timed(needed, net, epochs, objectives, config)
    needed.check(config)
    resumed = kept is not None and any(kept.glob("*.ckpt"))
    logger.log(logging.DEBUG if resumed else logging.INFO, "%s", needed)  # told at the start
    result = _trained(net, epochs, objectives, config, kept)
    return Pretrained(backbone(net), result.history, config, _about(corpus, result))


def _trained(
    net: CellModel,
    epochs: CorpusEpochs,
    objectives: list[Any],
    config: PretrainConfig,
    folder: Path | None,
) -> FitResult:
    from scmamba.nn.heads import BatchDiscriminator
    from scmamba.tasks._pretraining.callbacks import KeepBadBatch
    from scmamba.train import Ramp

    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    watching: list[Any] = [] if folder is None else [KeepBadBatch(folder, epochs.corpus)]
    adversary = net.head(BatchDiscriminator)
    if adversary is not None:
        watching.append(Ramp(adversary.reversal))
    fit = replace(config.fit, max_tokens=None, last_max_tokens=None)
    return train(
        net, epochs, objectives, fit, text="Pretraining", folder=folder, callbacks=watching
    )


def _about(corpus: Corpus, result: FitResult) -> dict[str, Any]:
    return {
        "data_sets": {one.content.name: len(one) for one in corpus.files},
        "held_out": {one.content.name: len(one) for one in corpus.held_out},
        "copies_left_out": corpus.n_copies,
        "files_skipped": list(corpus.skipped),
        "best_epoch": result.best_epoch,
        "cut": "; ".join(map(str, result.cuts)),
    }
