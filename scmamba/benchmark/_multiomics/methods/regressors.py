"""Regressors of scikit-learn from RNA to the other modality."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from scmamba.benchmark._multiomics.methods.base import (
    MultiomicsMethod,
    Outcome,
    components,
    genes,
    target_values,
    training_pairs,
)
from scmamba.benchmark._multiomics.split import MultiomicsSplit, Setting

ALPHAS = (100.0, 300.0, 600.0, 1000.0, 2000.0)
"""Penalties of ridge regression, chosen by leaving one training cell out."""


@dataclass(frozen=True)
class Regressor:
    """A regressor on genes or on principal components.

    Attributes
    ----------
    make
        Makes a regressor with a seed.
    n_components
        Principal components of RNA that it sees; None: the genes.
    """

    make: Callable[[int], Any]
    n_components: int | None = None

    def __call__(self, split: MultiomicsSplit, seed: int) -> Outcome:
        """Fit the cells with both modalities, predict the others."""
        X: Any = genes(split)
        X = X.toarray() if self.n_components is None else components(X, self.n_components, seed)
        both, query, rows = training_pairs(split)
        model = self.make(seed).fit(X[both], target_values(split)[rows])
        return Outcome(imputed=np.asarray(model.predict(X[query])))


def _ridge(seed: int) -> Any:
    from sklearn.linear_model import RidgeCV

    return RidgeCV(ALPHAS)


def _neighbors(seed: int) -> Any:
    from sklearn.neighbors import KNeighborsRegressor

    return KNeighborsRegressor(20)


def _mlp(seed: int) -> Any:
    from sklearn.neural_network import MLPRegressor

    return MLPRegressor(
        hidden_layer_sizes=(128,), early_stopping=True, max_iter=300, random_state=seed
    )


_BOTH: tuple[Setting, ...] = ("imputation", "mosaic")
RIDGE = MultiomicsMethod(Regressor(_ridge), "ridge on 2,000 genes", _BOTH)
KNN = MultiomicsMethod(Regressor(_neighbors, 50), "20-NN on 50 PCs", _BOTH)
MLP = MultiomicsMethod(Regressor(_mlp, 50), "MLP, one layer of 128, on 50 PCs", _BOTH)
