"""A fitted multi-omics model: maps cells of any subset of modalities, imputes, saves, loads."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._describe import Described, listed
from scmamba._errors import ScmambaError
from scmamba.learn.artifact import Artifact
from scmamba.learn.reference import Reference
from scmamba.tasks._labels import read_batches
from scmamba.tasks._multiomics.assemble import Modality, blocks_to_map
from scmamba.tasks._multiomics.batches import Cells
from scmamba.tasks._multiomics.imputer import Imputer
from scmamba.tasks._multiomics.mapped import MappedCells, mapped_cells
from scmamba.tasks._multiomics.peaks import PeakModel
from scmamba.tasks._multiomics.predict import peak_probability, relative_odds
from scmamba.tasks._multiomics.reading import Input, read_input
from scmamba.tasks._multiomics.saving import restored, taken_apart
from scmamba.tasks._multiomics.sizes import Order
from scmamba.tasks._multiomics.trained import Trained

ARTIFACT = Artifact("multiomics")


@dataclass(frozen=True, repr=False)
class MultiomicsModel(Described):
    """Maps and imputes cells; made by :func:`scmamba.tasks.multiomics` or :meth:`load`.

    Attributes
    ----------
    trained
        The network, and the coding of each modality.
    modalities
        Name, kind and features of each modality.
    batches
        Names of the batches it was fitted on, sorted; one, ``""``, where none were given.
    classes
        Labels of the fitted cells, sorted; empty where none were given.
    scale
        (n_latent, n_latent) by which the latent is multiplied, so that distances in the embedding
        are those of the modalities.
    reference
        The fitted cells, embedded.
    imputers
        By position of the modality.
    peaks
        Models of open peaks by position of the modality.
    order
        Order of the tokens.
    about
        How it was made.
    history
        Training curve, one row per epoch.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.tasks import MultiomicsTraining, multiomics
    >>> scmamba.settings.verbosity = "error"
    >>> cells = scmamba.datasets.synthetic_multiome(60, n_peaks=0)
    >>> model = multiomics(cells, training=MultiomicsTraining(epochs=1))
    >>> model.impute({"rna": cells["rna"]}, "prot").shape
    (60, 6)
    """

    trained: Trained
    modalities: tuple[Modality, ...]
    batches: tuple[str, ...]
    classes: tuple[str, ...]
    scale: npt.NDArray[np.float32]
    reference: Reference
    imputers: dict[int, Imputer]
    peaks: dict[int, PeakModel]
    order: Order
    about: dict[str, Any]
    history: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False)
    without_layers: Trained | None = field(default=None, compare=False)

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        entries = {
            "cells": f"{len(self.reference.embedding):,}, embedded in "
            f"{self.reference.embedding.shape[1]} dimensions",
            **{
                one.name: f"{len(one.features):,} features, measured in "
                f"{self.about['measured'][one.name]:,} cells"
                for one in self.modalities
            },
            "batches": listed(self.batches) if self.batches != ("",) else "not given",
            "cell types": listed(self.classes) if self.classes else "not given",
            "network": f"{self.about['mamba_layers']} Mamba layers, {self.order} order, "
            f"seed {self.about['seed']}",
        }
        for name, value in self.about.get("reliability", {}).items():
            entries[f"{name} imputed"] = f"{value:.3f} on held-out cells"
        return "MultiomicsModel", entries

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modalities."""
        return tuple(one.name for one in self.modalities)

    def map(
        self,
        data: Any,
        *,
        batch_key: str | None = None,
        modalities: Mapping[str, str] | None = None,
        layer: str | Mapping[str, str] | None = None,
    ) -> MappedCells:
        """Bring new cells, with any of the modalities, into the embedding; nothing is trained.

        Parameters
        ----------
        data
            As for :func:`scmamba.tasks.multiomics`; it stays as it is.
        batch_key
            ``obs`` column with the batch of each cell. None: of a model of one batch, that one;
            else one new batch. Batches that were fitted keep their place.
        modalities
            Names of modalities in the data by ours, where they differ: ``{"rna": "GEX"}``.
        layer
            Layer that holds counts, for all modalities or by modality; None: X.

        Raises
        ------
        ScmambaError
            No modality of the model is there, or one lacks half of its features.
        """
        given = read_input(data, modalities, layer, batch_key)
        return self._mapped(given, self._cells(given, batch_key))

    def _cells(self, given: Input, batch_key: str | None) -> Cells:
        ids = np.full(len(given.obs), 0 if len(self.batches) == 1 else -1, np.int64)
        if batch_key is not None:
            names = read_batches(given.obs, batch_key, "obs")
            place = {name: i for i, name in enumerate(self.batches)}
            ids = np.array([place.get(name, -1) for name in names], np.int64)
        return self.trained.cells(blocks_to_map(given, self.modalities, ids))

    def _mapped(self, given: Input, cells: Cells) -> MappedCells:
        return mapped_cells(self.trained, cells, self.scale, self.reference, given.obs.index)

    def impute(
        self,
        data: Any,
        modality: str,
        *,
        features: Sequence[str] | None = None,
        log: bool = False,
        relative: bool = False,
        batch_key: str | None = None,
        modalities: Mapping[str, str] | None = None,
        layer: str | Mapping[str, str] | None = None,
    ) -> pd.DataFrame:
        """Predict one modality of cells, measured or not.

        Genes and proteins are predicted from the other modalities of a cell: what was measured of
        them does not enter, so that predictions can be compared with it. Peaks are predicted from
        everything that was measured, the other open peaks of the cell included.

        Parameters
        ----------
        data
            Cells, as for :meth:`map`.
        modality
            Name of the modality to predict.
        features
            Names of those to return; None: all.
        log
            Return log1p of counts; else the unit of the cells that were fitted, which are counts
            or log1p of normalized counts.
        relative
            For peaks: return log odds relative to how often each peak is open in all cells,
            instead of the probability that it is open.
        batch_key, modalities, layer
            See :meth:`map`.

        Returns
        -------
        (n_cells, n_features) counts of a cell of usual size, or probabilities of peaks. NaN for
        cells in which nothing was measured to predict from.

        Raises
        ------
        ScmambaError
            The modality was not fitted, or never together with another one.
        """
        given = read_input(data, modalities, layer, batch_key)
        cells = self._cells(given, batch_key)
        m = self._position(modality)
        found = self._imputed(given, cells, m, log=log, relative=relative)
        if features is None:
            return found
        names = list(self.modalities[m].shown)
        if unknown := sorted(set(features) - set(names)):
            raise ScmambaError(
                f"{unknown[0]!r} is no feature of {modality!r} in this model; it has "
                f"{listed(names)}"
            )
        return found[list(features)]

    def _imputed(
        self, given: Input, cells: Cells, m: int, *, log: bool = False, relative: bool = False
    ) -> pd.DataFrame:
        """Predict modality ``m``; see :meth:`impute`."""
        known = self.modalities[m]
        if relative and m not in self.peaks:
            raise ScmambaError(
                f"relative=True is for peaks, and {known.name!r} holds {known.kind}; omit it"
            )
        if m in self.peaks:
            way = relative_odds if relative else peak_probability
            values = way(self.trained, cells, self.peaks[m], m)
        else:
            counts = np.expm1(self._imputer(m).predict(self.trained, cells))
            linear = (counts * known.factor).astype(np.float32)
            values = np.log1p(linear) if log or known.is_log else linear
        return pd.DataFrame(values, index=given.obs.index, columns=list(known.shown))

    def reliability(self, modality: str) -> pd.Series:
        """How well each feature was predicted in held-out cells.

        Returns
        -------
        Pearson correlation of log1p counts with those measured, or for peaks the area under the
        ROC curve of hidden open peaks against closed ones. NaN where too few cells were held out.

        Raises
        ------
        ScmambaError
            The modality was not fitted, or never together with another one.
        """
        m = self._position(modality)
        found = self.peaks[m].reliability if m in self.peaks else self._imputer(m).reliability
        return pd.Series(found, index=list(self.modalities[m].shown), name="reliability")

    def _position(self, modality: str) -> int:
        if modality not in self.names:
            raise ScmambaError(
                f"modality={modality!r} was not fitted; allowed: {', '.join(map(repr, self.names))}"
            )
        return self.names.index(modality)

    def _imputer(self, m: int) -> Imputer:
        if m not in self.imputers:
            raise ScmambaError(
                f"modality {self.names[m]!r} was never measured together with another one in the "
                "fitted cells, so that nothing predicts it"
            )
        return self.imputers[m]

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the model to a folder atomically; no pickle in it."""
        content, arrays = taken_apart(self)
        return ARTIFACT.save(path, content, arrays, [], self.history)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> MultiomicsModel:
        """Read a folder that :meth:`save` wrote.

        Raises
        ------
        ScmambaError
            The folder holds no multi-omics model, is of a newer format, or is damaged.
        """
        with ARTIFACT.reading(path) as saved:
            return cls(**restored(saved.content, saved.arrays), history=saved.history)


def is_multiomics(path: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a saved multi-omics model."""
    return ARTIFACT.is_at(path)
