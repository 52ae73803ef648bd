"""A fitted integration: maps new batches, decodes, saves, loads."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scmamba._describe import Described, listed
from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.jobs import AnyPath, RowBlocks
from scmamba.jobs.blocks import computed
from scmamba.jobs.executor import open_executor
from scmamba.learn.artifact import Artifact, flattened, unflattened
from scmamba.learn.components import Components
from scmamba.learn.reference import Reference
from scmamba.learn.soft_clusters import SoftClusters
from scmamba.models import CellModel
from scmamba.nn.heads import LatentHead
from scmamba.pp.expression import Expression
from scmamba.pp.normalize import log_normalize
from scmamba.stream.expressions import Expressions
from scmamba.stream.formats import as_path
from scmamba.stream.source import open_cells
from scmamba.tasks._forward import block_values
from scmamba.tasks._integration.decode import corrected_blocks, in_columns
from scmamba.tasks._integration.placing import Mapped, among_domains, place_all, zero_shot
from scmamba.tasks._integration.reading import CellReader
from scmamba.tasks._integration.statistics import pooled
from scmamba.tasks._labels import read_batches
from scmamba.tasks._panel import Panel
from scmamba.tasks._pretrained import model_genes
from scmamba.tokens.cells.genes import resolve

if TYPE_CHECKING:
    from distributed import Client

ARTIFACT = Artifact("integrator")
_OLD_NAMES = {"unit": "likelihood", "own_genes": "reads_panel", "usual": "median_knn_distance"}
"""Entries of folders of format version 1."""
_CORRECTION, _COMPONENTS = "correction", "components"
"""Prefixes of their arrays."""
Likelihood = Literal["counts", "bins", "nothing"]
"""What an integrator decodes."""
_Part = TypeVar("_Part", SoftClusters, Components)
AVERAGE = "average"
"""As of which batch expression is decoded, if as of all on average."""


@dataclass(frozen=True, repr=False)
class Integrator(Described):
    """Maps cells into an integration; made by :func:`scmamba.tasks.integrate` or :meth:`load`.

    Attributes
    ----------
    model
        The network.
    panel
        Genes that are decoded and, by a model of its own, read.
    batches
        Names of the batches it was fitted on, sorted.
    classes
        Labels of the reference, sorted; empty where none were given.
    reference
        The cells it was fitted on, embedded.
    likelihood
        What it decodes: ``"counts"``, ``"bins"``, or ``"nothing"`` (zero-shot, or without ``nb``).
    reads_panel
        Whether the model reads the panel; a pretrained one reads all genes that it knows.
    about
        How it was made: mode, seed, weights, genes, label-free figures of quality.
    correction
        Offsets of batches within soft clusters, taken off every embedding; None for a model that is
        taken as it is, and for a folder that was saved without them.
    components
        Principal components that follow the latent in every embedding; None where it is the latent
        alone.
    history
        Training curve, one row per epoch.
    bag
        The same model before its Mamba layers came in, for comparison; not saved.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.tasks import IntegrationTraining, integrate
    >>> scmamba.settings.verbosity = "error"
    >>> adata = scmamba.datasets.synthetic(60, 40, 2, n_batches=2)
    >>> integrator = integrate(adata, "batch", training=IntegrationTraining(epochs=1, n_layer=0))
    >>> integrator.batches
    ('batch_0', 'batch_1')
    """

    model: CellModel
    panel: Panel
    batches: tuple[str, ...]
    classes: tuple[str, ...]
    reference: Reference
    likelihood: Likelihood
    reads_panel: bool
    about: dict[str, Any]
    correction: SoftClusters | None = field(default=None, compare=False)
    components: Components | None = field(default=None, compare=False)
    history: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False)
    bag: CellModel | None = field(default=None, compare=False)

    def _summary(self) -> tuple[str, Mapping[str, str]]:
        about = self.about
        layers = self.model.config.encoder.n_layer
        mode = f", {about['mode']}" if "mode" in about else ""
        entries = {
            "cells": f"{len(self.reference.embedding):,}, embedded in "
            f"{self.reference.embedding.shape[1]} dimensions",
            "batches": listed(self.batches),
            "cell types": listed(self.classes) if self.classes else "not given",
            "genes": f"{len(self.panel.chosen):,}, decoded as {self.likelihood}",
            "network": f"{about['model']}{mode}, {layers} Mamba layers, seed {about['seed']}",
        }
        for stage, scores in about.get("criteria", {}).items():
            fit = scores["held_out_fit"]
            held = "no cells held out" if fit is None else f"held-out fit {fit:.3f}"
            entries[f"stage {stage}"] = f"{held}, batch entropy {scores['mixing']:.3f}"
        if "correction" in about:
            found = about["correction"]
            linear = f"{n} principal components, " if (n := found.get("components", 0)) else ""
            entries["correction"] = (
                f"{linear}{found['clusters']} soft clusters moved cells by "
                f"{found['moved']:.3f} of the spread, batch entropy {found['mixing']:.3f}"
            )
        return "Integrator", entries

    def map(
        self,
        adata: AnnData | AnyPath,
        batch_key: str | None = None,
        *,
        client: Client | str | None = None,
        **where: Any,
    ) -> Mapped:
        """Bring new cells into the integration; nothing is trained, ``adata`` stays as it is.

        Parameters
        ----------
        adata
            Cells by genes, in the unit that was fitted (counts, or anything for bins): an AnnData,
            or a path, which is read in blocks of cells.
        batch_key
            ``obs`` column with the batch of each cell; None: all are of one new batch. Batches
            that were fitted keep their place.
        client
            A ``distributed.Client`` or the address of its scheduler: blocks of cells are computed
            by the workers of that cluster, which see the same files; None: here.
        **where
            ``layer``, ``use_raw``, ``gene_key`` of :func:`scmamba.pp.expression`.

        Raises
        ------
        ScmambaError
            Expression cannot be used, or fewer than half of the genes are there.

        Examples
        --------
        >>> import scmamba
        >>> from scmamba.tasks import IntegrationTraining, integrate
        >>> scmamba.settings.verbosity = "error"
        >>> adata = scmamba.datasets.synthetic(60, 40, 2, n_batches=2)
        >>> quick = IntegrationTraining(epochs=1, n_layer=0, n_latent=5)
        >>> mapped = integrate(adata, "batch", training=quick).map(adata, "batch")
        >>> mapped.embedding.shape, mapped.normed_as["batch_1"]
        ((60, 10), 'batch_1')
        """
        cells = as_path(adata)
        path = cells if isinstance(cells, Path) else None
        with open_executor(client) as executor, open_cells(cells) as source:
            found = Expressions.of(
                source, block_values=block_values(self.model), one_unit=False, **where
            )
            names = np.full(source.n_obs, "", dtype=object)
            if batch_key is not None:
                names = read_batches(source.obs, batch_key, "adata.obs")
            reader, rows = self._reader(found.first), list(found.rows())
            block = partial(_states, self, reader, names)
            blocks = computed(found, rows, block, executor, path)
            states = np.concatenate([block["states"] for block in blocks])
            return self._placed(states, names, partial(reader.counts_of, found))

    def _reader(self, first: Expression) -> CellReader:
        """Find the genes of a data set of which ``first`` are some cells, and log the match."""
        if self.likelihood == "counts" and not first.unit.is_counts:
            raise ScmambaError(
                f"{first.source} holds {first.unit}, but this integrator was fitted on counts; "
                'name where they are: layer="counts", or use_raw=True'
            )
        match = genes = None
        if self.reads_panel or self.likelihood == "counts":
            match = self.panel.match(first)
            logger.info(match.report())
        if not self.reads_panel:
            genes = model_genes(self.model, first)
        return CellReader(self.model, self.panel, match, genes, self.likelihood == "counts")

    def _states(
        self, reader: CellReader, found: Expression, names: npt.NDArray[np.object_]
    ) -> npt.NDArray[np.float32]:
        """(n, d) cells before the statistics of their batch, and their principal components.

        Of a zero-shot model: cells, embedded. Blocks of cells can be given one after the other;
        ``names`` (n,) are their batches.
        """
        data = reader.tokens(found)
        if self.model.head(LatentHead) is None:
            return zero_shot(self.model, among_domains(self.model, self.batches, data, names))
        states = pooled(self.model, data).numpy()
        if self.components is None:
            return states
        counts = reader.counts(found)
        assert counts is not None  # only beside a model that decodes them
        return np.hstack([states, self.components.of(log_normalize(counts))])

    def _placed(
        self,
        states: npt.NDArray[np.float32],
        names: npt.NDArray[np.object_],
        counts_of: Callable[[npt.NDArray[np.int64]], sparse.csr_matrix | None],
    ) -> Mapped:
        """Bring all cells in whose states are there.

        Parameters
        ----------
        states
            (n, d) as :meth:`_states` gives them.
        names
            (n,) batches.
        counts_of
            Gives the counts of some rows, ascending; called once, for cells of new batches.
        """
        return place_all(
            self.model, self.batches, self.reference, self.correction, states, names, counts_of
        )

    def corrected(
        self,
        embedding: npt.NDArray[np.float32],
        depth: npt.NDArray[np.float64],
        batch: str = AVERAGE,
    ) -> sparse.csr_matrix:
        """Expression without batch effects, (n_cells, n_genes of the panel).

        Parameters
        ----------
        embedding
            (n_cells, d) as :func:`scmamba.tasks.integrate` writes it; its latent is read.
        depth
            (n_cells,) counts that each cell is to have over the panel; bins need none.
        batch
            As of which fitted batch, or ``"average"``.

        Raises
        ------
        ScmambaError
            The batch was not fitted, or the model decodes nothing.
        """
        self._check_decodes(batch)
        return self._corrected_blocks(embedding, depth, batch).whole()

    def _corrected_blocks(
        self, embedding: npt.NDArray[np.float32], depth: npt.NDArray[np.float64], batch: str
    ) -> RowBlocks:
        wanted = range(len(self.batches)) if batch == AVERAGE else [self.batches.index(batch)]
        genes = self.model.vocab.index(self.panel.names) if self.model.vocab else np.arange(0)
        counts = depth if self.likelihood == "counts" else None
        latent = embedding[:, : self.model.config.d_cell]
        make = partial(corrected_blocks, self.model, latent, genes, list(wanted), counts)
        return RowBlocks((len(embedding), len(genes)), make)

    def _corrected_in(
        self,
        columns: npt.NDArray[np.object_],
        embedding: npt.NDArray[np.float32],
        depth: npt.NDArray[np.float64],
        batch: str,
    ) -> RowBlocks:
        """(n_cells, n_columns) the same in columns of that name; empty for others."""
        decoded, n = self._corrected_blocks(embedding, depth, batch), len(columns)
        column = resolve(self.panel.names, columns.tolist()).index
        return RowBlocks(
            (len(embedding), n), lambda: (in_columns(block, column, n) for block in decoded)
        )

    def _check_decodes(self, batch: str) -> None:
        """Raise ScmambaError unless expression can be decoded as of ``batch``."""
        if self.likelihood == "nothing":
            raise ScmambaError(
                "this integration decodes no expression: it is of a pretrained model taken as it "
                "is (fine-tune it with training=, or give model=None), or was fitted with nb=0"
            )
        check_batch(batch, self.batches)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the integrator to a folder atomically; no pickle in it."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "chosen": self.panel.chosen,
            "embedding": self.reference.embedding,
            "batch_ids": self.reference.batch_ids,
            "labels": self.reference.labels,
        }
        if self.correction is not None:
            arrays |= flattened(_CORRECTION, self.correction)
        if self.components is not None:
            arrays |= flattened(_COMPONENTS, self.components)
        content = {
            "genes": self.panel.genes,
            "batches": self.batches,
            "classes": self.classes,
            "median_knn_distance": self.reference.usual,
            "likelihood": self.likelihood,
            "reads_panel": self.reads_panel,
            "about": self.about,
        }
        return ARTIFACT.save(path, content, arrays, [self.model], self.history)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Integrator:
        """Read a folder that :meth:`save` wrote.

        Raises
        ------
        ScmambaError
            The folder holds no integrator, is of a newer format, or is damaged.
        """
        with ARTIFACT.reading(path) as saved:
            content, arrays = saved.content, saved.arrays
            if saved.version == 1:
                content |= {new: content[old] for old, new in _OLD_NAMES.items()}
            if content["likelihood"] not in get_args(Likelihood):
                raise ValueError(f"likelihood {content['likelihood']!r}")
            return cls(
                model=saved.networks[0],
                panel=Panel(tuple(content["genes"]), arrays["chosen"]),
                batches=tuple(content["batches"]),
                classes=tuple(content["classes"]),
                reference=Reference(
                    arrays["embedding"],
                    arrays["batch_ids"],
                    arrays["labels"],
                    content["median_knn_distance"],
                ),
                likelihood=content["likelihood"],
                reads_panel=content["reads_panel"],
                about=content["about"],
                correction=_part(SoftClusters, _CORRECTION, arrays),
                components=_part(Components, _COMPONENTS, arrays),
                history=saved.history,
            )


def _states(
    integrator: Integrator,
    reader: CellReader,
    names: npt.NDArray[np.object_],
    rows: slice,
    values: Expression,
) -> dict[str, npt.NDArray[np.float32]]:
    return {"states": integrator._states(reader, values, names[rows])}


def _part(kind: type[_Part], prefix: str, arrays: Mapping[str, npt.NDArray[Any]]) -> _Part | None:
    found = any(name.startswith(f"{prefix}.") for name in arrays)
    return unflattened(kind, prefix, arrays) if found else None


def check_batch(batch: str, known: tuple[str, ...]) -> None:
    """Raise ScmambaError unless ``batch`` is a fitted one or their average."""
    if batch != AVERAGE and batch not in known:
        raise ScmambaError(
            f"batch={batch!r} was not fitted; allowed: {AVERAGE!r}, {', '.join(map(repr, known))}"
        )


def is_integrator(path: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a saved integrator."""
    return ARTIFACT.is_at(path)
