"""Cells as an integrator reads them, whatever the size of the data set they come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.models import CellModel
from scmamba.models.cell.config import EncoderConfig
from scmamba.pp.expression import Expression
from scmamba.stream.data import CellData
from scmamba.stream.expressions import Expressions
from scmamba.tasks._forward import cell_data
from scmamba.tasks._gather import gather
from scmamba.tasks._panel import Panel
from scmamba.tokens.cells.genes import GeneMatch
from scmamba.tokens.cells.tokenize import tokenize
from scmamba.tokens.cells.vocab import Vocab


@dataclass(frozen=True)
class CellReader:
    """Reads blocks of cells of one data set.

    Attributes
    ----------
    model
        The network.
    panel
        Genes that are decoded.
    match
        Where the panel's genes are in the data set; None where neither is needed.
    genes
        Where the genes of a pretrained model are in the data set; None for a model that reads the
        panel.
    decodes_counts
        Whether the model decodes counts.
    """

    model: CellModel
    panel: Panel
    match: GeneMatch | None
    genes: GeneMatch | None
    decodes_counts: bool

    def tokens(self, found: Expression) -> CellData:
        """Tokens of the cells as the model reads them."""
        if self.genes is not None:
            return cell_data(self.model, found, self.genes)
        assert self.match is not None and self.model.vocab is not None
        binned = self.model.config.encoder.value_type == "bins"
        return panel_tokens(self.panel, self.model.vocab, found, self.match, binned=binned)

    def counts(self, found: Expression) -> sparse.csr_matrix | None:
        """(n_cells, n_genes of the panel) counts that are decoded, or None."""
        if self.match is None or not self.decodes_counts:
            return None
        return self.panel.linear(found, self.match)

    def counts_of(
        self, found: Expressions, rows: npt.NDArray[np.int64]
    ) -> sparse.csr_matrix | None:
        """(n_rows, n_genes of the panel) the same of the cells ``rows``, ascending."""
        some, given = gather(found, rows, "to choose statistics of new batches")
        counts = self.counts(some)
        return counts if counts is None or len(given) == len(rows) else counts[rows]

    def depth(self, found: Expression) -> npt.NDArray[np.float64]:
        """(n_cells,) counts over the panel; 0 where bins are decoded, which need none."""
        counts = self.counts(found)
        if counts is None:
            return np.zeros(found.X.shape[0])
        return np.asarray(counts.sum(1), np.float64).ravel()


def panel_tokens(
    panel: Panel, vocab: Vocab, found: Expression, match: GeneMatch, *, binned: bool
) -> CellData:
    """Tokens of the panel's genes: bins, or log-normalized values."""
    values = panel.linear(found, match) if binned else panel.values(found, match)
    n_bins = EncoderConfig.n_bins if binned else None
    tokens = tokenize(values, vocab.index(panel.names), n_bins=n_bins)
    return CellData(tokens, vocab, EncoderConfig.cls_value, EncoderConfig.pad_value)
