"""Any model of cells, as a task that perturbs its input reads cells with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy import sparse

from scmamba._arguments import nearest
from scmamba._errors import ScmambaError
from scmamba.learn.axes import fit_axes
from scmamba.models import CellModel, preset
from scmamba.pp.expression import Expression
from scmamba.stream.data import CellData
from scmamba.tasks._annotation.annotator import Annotator
from scmamba.tasks._annotation.networks import compact_data
from scmamba.tasks._annotation.saved import ARTIFACT as ANNOTATOR
from scmamba.tasks._forward import cell_data
from scmamba.tasks._integration.integrator import Integrator, is_integrator
from scmamba.tasks._labels import read_batches
from scmamba.tasks._panel import aligned
from scmamba.tasks._pretrained import model_genes, pretrained
from scmamba.tokens.cells.genes import resolve

_COMPONENTS = 50
"""Principal components of a compact model, at most."""
_GENES_PER_COMPONENT = 8
"""With as many components as genes no gene would tell of another."""


@dataclass(frozen=True)
class ReadCells:
    """A model, and cells as it reads them.

    Attributes
    ----------
    model
        The network, in evaluation mode.
    data
        Tokens of n cells.
    genes
        Names of the data set's genes by vocabulary id, those that the model knows.
    """

    model: CellModel
    data: CellData
    genes: dict[int, str]

    @property
    def values(self) -> sparse.csr_matrix:
        """(n, n_tokens) values of the tokens of the cells, in the order of the vocabulary."""
        tokens = self.data.tokens
        parts = (tokens.values.astype(np.float32), tokens.gene_ids, tokens.indptr)
        return sparse.csr_matrix(parts, shape=(len(tokens), len(self.data.vocab)))

    def ids(self, names: list[str], option: str = "genes") -> npt.NDArray[np.int64]:
        """Vocabulary ids of genes that the data set and the model have.

        Raises
        ------
        ScmambaError
            A gene is in none of them; the error names those that are near.
        """
        known = list(self.genes)
        labels = [self.genes[i] for i in known]
        match = resolve(names, labels)
        if match.missing:
            near = nearest(match.missing[0], labels)
            raise ScmambaError(
                f"{option}: {match.missing[0]!r} is not among the {len(labels):,} genes that both "
                f"the cells and the model have; near: {', '.join(map(repr, near))}"
            )
        return np.array(known, np.int64)[match.index]


@dataclass(frozen=True)
class CellReader:
    """A model, and how it reads cells.

    Attributes
    ----------
    model
        The network, in evaluation mode.
    tokens
        Function that makes its input of expression.
    batches
        (n_obs,) batch of each cell of the data set, or None for a model that reads none.
    """

    model: CellModel
    tokens: Callable[[Expression], CellData]
    batches: npt.NDArray[np.int64] | None

    def read(self, found: Expression, rows: slice = slice(None)) -> ReadCells:
        """Read the expression of the cells ``rows`` of the data set."""
        ids = None if self.batches is None else self.batches[rows]
        data = replace(self.tokens(found), batch_ids=ids)
        names = found.var_names.tolist()
        match = resolve(names, data.vocab.tokens)
        genes = {int(i): str(names[k]) for k, i in enumerate(match.index) if i >= 0}
        return ReadCells(self.model, data, genes)


def open_reader(
    model: Any, found: Expression, obs: pd.DataFrame, batch_key: str | None
) -> CellReader:
    """Open a model for cells.

    Parameters
    ----------
    model
        A cell model, an annotator or integrator, the folder of one of these, a registered name, or
        None for a compact model of these cells.
    found
        Expression of cells, all or some, which a compact model learns from.
    obs
        Annotations of all cells.
    batch_key
        Column with the batch of each cell, for models that norm each batch by itself.

    Raises
    ------
    ScmambaError
        The model does not load, fewer than half of its genes are there, or batches are missing.
    """
    if isinstance(model, (str, os.PathLike)):
        if ANNOTATOR.is_at(model):
            model = Annotator.load(model)
        elif is_integrator(model):
            model = Integrator.load(model)
    known: tuple[str, ...] | None = None
    if model is None:
        network, tokens = _compact(found)
    elif isinstance(model, Annotator):
        network, tokens = model.neural.members[0], partial(_annotator_data, model)
    elif isinstance(model, Integrator):
        network, known = model.model, model.batches
        reader = model._reader(found)
        tokens = reader.tokens
    else:
        network = pretrained(model)
        tokens = partial(cell_data, network, match=model_genes(network, found))
    return CellReader(network.eval(), tokens, _batches(network, obs, batch_key, known))


def read_cells(
    model: Any, found: Expression, obs: pd.DataFrame, batch_key: str | None
) -> ReadCells:
    """Open a model and read the expression of all cells with it; see :func:`open_reader`."""
    return open_reader(model, found, obs, batch_key).read(found)


def _annotator_data(model: Annotator, found: Expression) -> CellData:
    if not model.reads_panel:
        network = model.neural.members[0]
        return cell_data(network, found, model_genes(network, found))
    return compact_data(model.panel.values(found, model.panel.match(found)), model.panel.names)


def _compact(found: Expression) -> tuple[CellModel, Callable[[Expression], CellData]]:
    """Return a bag of genes whose cell embedding is the principal components of these cells."""
    names = list(dict.fromkeys(map(str, found.var_names)))
    values = aligned(found, resolve(found.var_names.tolist(), names), len(names))
    expressed = np.flatnonzero(np.asarray((values > 0).sum(0)).ravel() >= 3)
    if len(expressed) < 3 or values.shape[0] < 3:
        raise ScmambaError(
            f"{values.shape[0]} cells with {len(expressed)} genes that three cells express; a "
            "compact model needs at least 3 of both. Give more cells, or a pretrained model"
        )
    values, names = values[:, expressed].tocsr(), [names[i] for i in expressed]
    few = max(len(names) // _GENES_PER_COMPONENT, 2)
    axes = fit_axes(values, min(_COMPONENTS, few, values.shape[0] - 1))
    vocab = compact_data(values[:0], names).vocab
    config = preset(
        "mini",
        n_genes=len(vocab),
        d_model=axes.components.shape[1],
        headdim=1,
        n_layer=0,
        pre_norm=False,
        mvc=False,
        expression=False,
        gene_norm=False,
        input_norm="none",
        value_type="lognorm",
        value_encoding="product",
        pool="sum",
        dropout=0.0,
    )
    network = CellModel(config)
    network.vocab, network.name = vocab, "principal components of these cells"
    with torch.no_grad():
        table = network.gene_embedding.embedding.weight.zero_()
        table[torch.from_numpy(vocab.index(names))] = torch.from_numpy(axes.loadings).float()

    def tokens(cells: Expression) -> CellData:
        match = resolve(cells.var_names.tolist(), names)
        return compact_data(aligned(cells, match, len(names)), names)

    return network, tokens


def _batches(
    model: CellModel, obs: pd.DataFrame, key: str | None, known: tuple[str, ...] | None
) -> npt.NDArray[np.int64] | None:
    """Batch of each cell, for a model that norms each batch by itself."""
    if not model.config.n_input_norms and model.config.pool.norm != "per_batch":
        return None
    if key is None:
        raise ScmambaError(
            f"this model normalizes each of its {model.config.n_batches} batches by itself; name "
            "the obs column with the batch of each cell: batch_key="
        )
    names = read_batches(obs, key, "adata.obs").astype(str)
    order = list(known or sorted(set(names.tolist())))
    unknown = sorted(set(names.tolist()) - set(order))
    if unknown or len(order) > model.config.n_batches:
        raise ScmambaError(
            f"{key!r} holds {len(set(names.tolist()))} batches, such as "
            f"{(unknown or order)[0]!r}; the model knows {model.config.n_batches}"
            f"{': ' + ', '.join(map(repr, order)) if known else ''}. Give cells of these"
        )
    return np.array([order.index(name) for name in names], np.int64)
