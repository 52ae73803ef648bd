"""What an annotator sees of a cell: its expression (wide) and its embedding (deep)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba.models.cell.model import CellModel
from scmamba.pp.expression import Expression
from scmamba.stream.data import CellData
from scmamba.tasks._annotation.deep import compact_data
from scmamba.tasks._annotation.linear import Linear
from scmamba.tasks._forward import cell_data, forward
from scmamba.tasks._panel import Panel
from scmamba.tokens.genes import GeneMatch, resolve

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Deep:
    """Cell models and how class logits come from them.

    Attributes
    ----------
    members
        Models of one shape with class heads, whose logits are averaged; or one model without,
        where there is a ``head``.
    head
        Linear head on frozen cell embeddings (mode ``probe``).
    """

    members: tuple[CellModel, ...]
    head: Linear | None = None

    @property
    def model(self) -> CellModel:
        """The first member, whose embedding is given out."""
        return self.members[0]

    def data(self, expression: Expression, panel: Panel, values: sparse.csr_matrix) -> CellData:
        """Tokens of cells: of the panel's values, or bins of the model's own vocabulary."""
        assert self.model.vocab is not None
        if list(self.model.vocab.genes) == panel.names:
            return compact_data(values, panel.names)
        match = resolve(expression.var_names.tolist(), self.model.vocab.tokens).require()
        return cell_data(self.model, expression, match)

    def logits(self, data: CellData) -> tuple[Floats, npt.NDArray[np.float32]]:
        """Class logits (n, n_classes) and cell embeddings (n, D) of the first member."""
        outs = [forward(member, data, text="annotating") for member in self.members]
        if self.head is not None:
            return self.head.logits(outs[0].embedding), outs[0].embedding
        return np.mean([out.class_logits for out in outs], axis=0), outs[0].embedding


@dataclass(frozen=True)
class Cells:
    """Cells prepared for an annotator.

    Attributes
    ----------
    values
        (n, n_chosen) log-normalised values of the panel.
    match
        How the data set's genes met the panel's.
    expression
        All of it, for models with a vocabulary of their own.
    """

    values: sparse.csr_matrix
    match: GeneMatch
    expression: Expression

    @property
    def empty(self) -> npt.NDArray[np.bool_]:
        """(n,) True where no gene of the panel is expressed."""
        return np.diff(self.values.indptr) == 0
