"""Where the genes that an annotator reads are, in its networks and in a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.tasks._panel import aligned
from scmamba.tokens.cells.genes import GeneMatch, resolve

if TYPE_CHECKING:
    from scmamba.tasks._annotation.annotator import Annotator
    from scmamba.tasks._annotation.prediction import Cells

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class GeneColumns:
    """Where the genes that an annotator reads are found.

    Attributes
    ----------
    names
        All genes that it reads: those of the panel, then those that a pretrained model alone knows.
    panel
        Number of those of the panel, which come first.
    tokens
        (n_tokens,) position in ``names`` of each entry of the pretrained model's vocabulary, -1
        for special tokens; None where networks read the panel.
    expression
        (n_names, n_columns) 1 where a column of the expression is the gene.
    """

    names: list[str]
    panel: int
    tokens: Rows | None
    expression: sparse.csr_matrix


def gene_columns(
    annotator: Annotator, cells: Cells, match: GeneMatch
) -> tuple[GeneColumns, sparse.csr_matrix]:
    """Where all genes that the annotator reads are, and (n, n_genes) log-normalized values."""
    names, values, found = annotator.panel.names, cells.values, cells.expression
    place = {int(gene): i for i, gene in enumerate(annotator.panel.chosen)}
    of_column = np.array([place.get(int(target), -1) for target in match.index])
    if annotator.reads_panel:
        return GeneColumns(names, len(names), None, _placed(of_column, len(names))), values
    vocab = annotator.neural.model.vocab
    tokens = np.full(len(vocab), -1, np.int64)
    known = resolve(names, vocab.tokens).index
    tokens[known[known >= 0]] = np.flatnonzero(known >= 0)
    special = {vocab.pad_id, vocab.cls_id, vocab.eoc_id}
    new = [i for i in range(len(vocab)) if tokens[i] < 0 and i not in special]
    tokens[new] = len(names) + np.arange(len(new))
    own = resolve(found.var_names.tolist(), vocab.tokens)
    both = np.where(of_column >= 0, of_column, np.where(own.index >= 0, tokens[own.index], -1))
    more = aligned(found, own, len(vocab))[:, new]
    every = [*names, *(vocab.tokens[i] for i in new)]
    columns = GeneColumns(every, len(names), tokens, _placed(both, len(every)))
    return columns, sparse.hstack([values, more]).tocsr()


def _placed(of_column: Rows, n_genes: int) -> sparse.csr_matrix:
    here = np.flatnonzero(of_column >= 0)
    ones = np.ones(len(here), np.float32)
    return sparse.csr_matrix((ones, (of_column[here], here)), shape=(n_genes, len(of_column)))
