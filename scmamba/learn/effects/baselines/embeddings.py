"""Vectors of genes (or drugs), by which perturbations are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba.learn.effects.gene_sets import GeneSets
from scmamba.learn.effects.names import Perturbation
from scmamba.learn.effects.table import EffectTable, Floats


@dataclass(frozen=True)
class Embedding:
    """A vector for each gene or other target.

    Attributes
    ----------
    names
        (n,) names, without repeats.
    vectors
        (n, d) one row per name.

    Examples
    --------
    >>> import pandas as pd
    >>> embedding = Embedding.of(pd.DataFrame([[1.0, 0], [0, 1]], index=["A", "B"]))
    >>> embedding.perturbations([("A", "B"), ("C",)])
    (array([[1., 1.],
           [0., 0.]]), array([ True, False]))
    """

    names: pd.Index
    vectors: Floats

    @staticmethod
    def of(table: pd.DataFrame | Mapping[str, Any]) -> Embedding:
        """Take a table with one row per name, or a vector by name.

        Raises
        ------
        ScmambaError
            If a name occurs twice, vectors differ in length, or a value is not finite.
        """
        if not isinstance(table, pd.DataFrame):
            lengths = {len(vector) for vector in table.values()}
            if len(lengths) > 1:
                raise ScmambaError(f"gene embeddings have vectors of lengths {sorted(lengths)}")
            table = pd.DataFrame.from_dict(dict(table), orient="index")
        if not table.index.is_unique:
            twice = table.index[table.index.duplicated()][0]
            raise ScmambaError(f"gene embeddings have two rows {twice!r}; keep one of them")
        vectors = table.to_numpy(np.float64)
        if not np.isfinite(vectors).all():
            raise ScmambaError("gene embeddings hold NaN or infinity; leave out those genes")
        return Embedding(pd.Index(table.index.map(str)), vectors)

    @staticmethod
    def of_effects(table: EffectTable, n_components: int = 10) -> Embedding:
        """Principal components of the measured genes over the training effects."""
        return Embedding(table.genes, _components(table.effects.T, n_components))

    @staticmethod
    def of_gene_sets(sets: GeneSets, n_components: int = 100) -> Embedding:
        """Singular vectors of the weights of gene sets; cosines are near to those of the sets."""
        from sklearn.decomposition import TruncatedSVD

        n = min(n_components, min(sets.features.shape) - 1)
        names = pd.Index(list(sets.rows))
        vectors = TruncatedSVD(n, random_state=0).fit_transform(sets.features)
        return Embedding(names, np.asarray(vectors[list(sets.rows.values())]))

    def perturbations(
        self, perturbations: Sequence[Perturbation]
    ) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Sum the vectors of the targets of each perturbation.

        Returns
        -------
        vectors : (n, d)
            0 where no target is known.
        known : (n,)
            Whether all targets have a vector.
        """
        vectors = np.zeros((len(perturbations), self.vectors.shape[1]))
        known = np.zeros(len(perturbations), bool)
        for i, targets in enumerate(perturbations):
            places = self.names.get_indexer(pd.Index(targets, dtype=object))
            known[i] = len(places) > 0 and bool((places >= 0).all())
            vectors[i] = self.vectors[places[places >= 0]].sum(0)
        return vectors, known


def _components(matrix: Floats, n_components: int) -> Floats:
    """(n_rows, d) principal components of the rows, scaled by their singular values."""
    from scipy.linalg import svd

    centered = matrix - matrix.mean(0, dtype=np.float64)
    gram = centered.T @ centered if centered.shape[0] > centered.shape[1] else None
    if gram is not None:  # few columns: their right vectors are enough
        _, _, right = svd(gram)
        return np.asarray(centered @ right[:n_components].T)
    left, scale, _ = svd(centered, full_matrices=False)
    return np.asarray(left[:, :n_components] * scale[:n_components])
