"""Vectors of genes from which compact networks start."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.learn.axes import Axes
from scmamba.models import CellModel
from scmamba.tasks._pretrained import known_vectors

Vectors = npt.NDArray[np.float32]

_SCALE = 0.1
"""Of the loadings of genes: small vectors are moved by what is learned."""


def component_vectors(axes: Axes, d: int) -> Vectors:
    """(n_genes, k) vectors with which cells sum to their first k <= d principal components."""
    return (axes.loadings[:, :d] * _SCALE).astype(np.float32)


def pretrained_vectors(
    model: CellModel, names: list[str], values: sparse.csr_matrix, d: int
) -> Vectors:
    """(n_genes, k) vectors of a pretrained bag of genes, turned to where these cells differ.

    Parameters
    ----------
    model
        A model whose configuration ``is_bag``.
    names
        Names of the genes; those that the model does not know have the vector 0.
    values
        (n_cells, n_genes) log-normalized values of the cells.
    d
        Most directions, those of the largest variance of the cells first.
    """
    known, vectors = known_vectors(model, names)
    _, directions = np.linalg.eigh(np.cov(values[:, known] @ vectors, rowvar=False))
    found = np.zeros((len(names), min(d, vectors.shape[1])), np.float32)
    found[known] = vectors @ directions[:, ::-1][:, :d]
    return found


def start_vectors(
    axes: Axes, d: int, model: CellModel | None, names: list[str], values: sparse.csr_matrix
) -> Vectors:
    """(n_genes, k) vectors to start from: of principal components, half from ``model`` if given.

    Both halves are scaled so that the sums of cells vary as much.
    """
    if model is None:
        return component_vectors(axes, d)
    own = component_vectors(axes, d - d // 2)
    learned = pretrained_vectors(model, names, values, d // 2)
    scale = np.std(values @ own) / max(float(np.std(values @ learned)), 1e-9)
    return np.concatenate([own, learned * scale], axis=1).astype(np.float32)
