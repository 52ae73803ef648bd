"""Gene vectors to start from: principal components of the corpus, random ones for rare genes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from torch import nn

from scmamba._errors import ScmambaError
from scmamba.learn.axes import moments
from scmamba.models import CellModel
from scmamba.stream.corpus import Corpus
from scmamba.stream.corpus_batches import CellBuffer

Floats = npt.NDArray[np.float32]

_CELLS = 12_000
"""Cells that components are computed from, at most."""
_FLOOR = 0.3
"""Added to standard deviations of log-normalized values, so that rare genes do not dominate."""
_CLIP = 10.0  # standard deviations
_RARE, _RARE_WEIGHT = 0.005, 0.2
"""A gene is rare if no data set expresses it in more than this fraction of its cells; length of its
vector, in units of a standardized gene's."""
_SIZE = 0.3
"""Root mean square of a gene vector's entries: a step of training is to move them noticeably."""


def start_from_components(model: CellModel, corpus: Corpus, seed: int) -> None:
    """Set the gene vectors of a model in place, so that untrained it is no worse than a PCA.

    Half of the width is for principal components of log-normalized expression, centered within each
    data set on the genes that it measures, so that neither depth nor panel makes a component. The
    other half is for genes that the corpus hardly expresses, about which it tells nothing: random
    vectors keep the markers of a tissue that is not in the corpus apart.

    Parameters
    ----------
    model
        A new model whose tokens are gene vectors times values.
    corpus
        Cells to learn from.
    seed
        Of the sample of cells, the decomposition and the random vectors.

    Raises
    ------
    ScmambaError
        The model's tokens are not gene vectors times log-normalized values.
    """
    c = model.config.encoder
    if c.value_encoding != "product" or c.value_type != "lognorm":
        raise ScmambaError(
            f"start='components' with value_encoding={c.value_encoding!r}, value_type="
            f"{c.value_type!r}; components are weights of values: give 'product' and 'lognorm'"
        )
    rng = np.random.default_rng(seed)
    sample = [_cells(corpus, i, model, rng) for i in range(len(corpus.files))]
    table = np.zeros((c.n_genes, c.d_model), np.float32)
    spread = moments(sparse.vstack(sample).tocsr())[1]
    scale = (1 / (spread + _FLOOR)).astype(np.float32)
    seen = np.max([np.diff(x.tocsc().indptr) / max(x.shape[0], 1) for x in sample], axis=0)
    known = np.flatnonzero(seen >= _RARE)
    half = max(c.d_model // 2, 1)
    loadings = _loadings([x[:, known] for x in sample], scale[known], half, seed)
    table[known, : loadings.shape[1]] = loadings
    genes = corpus.vocab.index(corpus.vocab.genes)
    rare = genes[seen[genes] < _RARE]
    width = c.d_model - half
    noise = rng.normal(size=(len(rare), width)) * (_RARE_WEIGHT / _FLOOR)
    table[rare, half:] = noise / np.sqrt(max(width, 1))
    table *= _SIZE / max(float(np.sqrt(np.square(loadings).mean())), 1e-12)
    pooled = [_pooled(x, table, mean=model.config.pool.method != "sum") for x in sample]
    with torch.no_grad():
        weight = model.gene_embedding.embedding.weight
        weight.copy_(torch.from_numpy(table).to(weight))
        _keep_scale(model, pooled)


def _cells(
    corpus: Corpus, number: int, model: CellModel, rng: np.random.Generator
) -> sparse.csr_matrix:
    """Log-normalized values (n, n_genes) of cells of a data set, drawn at random."""
    one = corpus.files[number]
    share = -(-_CELLS // len(corpus.files))
    rows = np.sort(rng.permutation(one.rows)[:share])
    buffer = CellBuffer(corpus.files, model.config.encoder, corpus.settings)
    try:
        tokens = buffer.read(np.full(len(rows), number), rows).tokens
    finally:
        buffer.reader.close()
    parts = (tokens.values.astype(np.float32), tokens.gene_ids, tokens.indptr)
    return sparse.csr_matrix(parts, shape=(len(tokens), model.config.encoder.n_genes))


def _loadings(sample: list[sparse.csr_matrix], scale: Floats, most: int, seed: int) -> Floats:
    """(n_genes, k) weights of values; each data set is centered by itself."""
    from sklearn.utils.extmath import randomized_svd

    parts = []
    for x in sample:
        dense = x.toarray()
        dense -= dense.mean(0)
        dense *= scale
        parts.append(np.clip(dense, -_CLIP, _CLIP, out=dense))
    together = np.concatenate(parts)
    k = min(most, *together.shape)
    axes = randomized_svd(together, k, n_iter=3, random_state=seed)[2]
    return np.asarray(axes.T * scale[:, None], np.float32)


def _pooled(x: sparse.csr_matrix, table: Floats, *, mean: bool) -> Floats:
    """(n, d_model) pooled cells."""
    found = x @ table
    return found / (np.diff(x.indptr)[:, None] + 1) if mean else found


def _keep_scale(model: CellModel, pooled: list[Floats]) -> None:
    """Set a norm of pooled cells so that it changes their unit only, not one axis by another."""
    norm = model.cell_norm
    if not isinstance(norm, nn.BatchNorm1d):
        return
    within = np.concatenate([x - x.mean(0) for x in pooled])
    unit = 1 / max(float(np.sqrt(np.square(within).mean())), 1e-6)
    every = np.concatenate(pooled)
    mean, spread = torch.from_numpy(every.mean(0)), torch.from_numpy(every.std(0))
    assert norm.running_mean is not None and norm.running_var is not None
    norm.running_mean.copy_(mean)
    norm.running_var.copy_(spread.square())
    norm.weight.copy_(spread * unit)
    norm.bias.copy_(mean * unit)
