"""Effects of perturbations that were measured nowhere, from prior knowledge of genes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scmamba.learn.effects.components import scale_components
from scmamba.learn.effects.embeddings import GeneEmbeddings
from scmamba.learn.effects.kriging import Kriging, fit_kriging, relative_variance
from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.table import EffectTable, Floats


@dataclass(frozen=True)
class UnseenModel:
    """Kriging on the similarity of perturbed genes, in one context.

    Attributes
    ----------
    names
        (n,) single perturbations to learn from.
    kriging
        Fitted on their effects.
    own
        Change of a perturbed gene's own expression as a share of its control expression (or, for
        given effects, the change itself), or None where left-out perturbations do not favor it.
    controls
        (n_genes,) control profile, or None.
    columns
        Column of each gene.
    embeddings
        Prior knowledge of genes, or None.
    """

    names: tuple[str, ...]
    kriging: Kriging
    own: float | None
    controls: Floats | None
    columns: dict[str, int] = field(repr=False)
    embeddings: GeneEmbeddings | None = field(repr=False)

    def predict(self, perturbation: Perturbation) -> Floats:
        """(n_genes,) effect of one gene's perturbation."""
        (name,) = perturbation
        kernel: Floats = np.zeros((1, len(self.names)))
        if self.embeddings is not None and self.kriging.kernel != "mean":
            kernel = self.embeddings.kernel(self.kriging.kernel, [name], self.names)
        found = self.kriging.predict(kernel)[0].copy()
        column = self.columns.get(name)
        if self.own is not None and column is not None:
            found[column] = self.own * (1 if self.controls is None else self.controls[column])
        return found

    def nearest(self, name: str) -> tuple[str, float]:
        """Most similar perturbation that was measured, and its similarity in [0, 1]."""
        if self.embeddings is None or self.kriging.kernel == "mean":
            return "", 0.0
        kernel = self.embeddings.kernel(self.kriging.kernel, [name], self.names)[0]
        return self.names[int(kernel.argmax())], float(kernel.max())


def fit_unseen_model(
    table: EffectTable, context: str, embeddings: GeneEmbeddings | None
) -> UnseenModel:
    """Fit on the single perturbations of a context, at their highest dose."""
    highest: dict[str, int] = {}
    for i, perturbation in enumerate(table.perturbations):
        if table.contexts[i] != context or len(perturbation) != 1:
            continue
        before = highest.get(perturbation[0])
        if before is None or table.doses[i] > table.doses[before]:
            highest[perturbation[0]] = i
    rows = list(highest.values()) or [i for i, one in enumerate(table.contexts) if one == context]
    names = tuple(highest)
    errors = None if table.errors is None else table.errors[rows]
    kernels = embeddings.kernels(names, names) if embeddings is not None and names else {}
    fitted = fit_kriging(kernels, table.effects[rows], relative_variance(errors, len(rows)))
    kriging = scale_components(fitted, table.effects[rows])
    controls = table.control_of([context])
    columns = {str(gene): i for i, gene in enumerate(table.genes)}
    profile = None if controls is None else controls[0]
    own = _own_change(table.effects[rows], kriging.held_out, names, columns, profile)
    return UnseenModel(names, kriging, own, profile, columns, embeddings)


def _own_change(
    effects: Floats,
    held_out: Floats,
    names: tuple[str, ...],
    columns: dict[str, int],
    controls: Floats | None,
) -> float | None:
    """Mean change of own expression, if it predicts left-out perturbations better than kriging."""
    known = [(i, columns[name]) for i, name in enumerate(names) if name in columns]
    if len(known) < 3:
        return None
    rows, genes = map(np.array, zip(*known, strict=True))
    change = effects[rows, genes].astype(np.float64)
    scale = np.ones(len(rows)) if controls is None else controls[genes].astype(np.float64)
    square, product = float(scale @ scale), float(scale @ change)
    if square <= 0:
        return None
    rest = np.maximum(square - scale**2, 1e-12)
    guess = scale * (product - scale * change) / rest  # least squares without the row itself
    better = np.square(guess - change).sum() < np.square(held_out[rows, genes] - change).sum()
    return product / square if better else None
