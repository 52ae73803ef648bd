"""scANVI (Xu et al., Molecular Systems Biology 2021), at the settings of its tutorial."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scmamba.benchmark._annotation.methods.base import AnnotationMethod, Predictions
from scmamba.benchmark._annotation.split import UNLABELED, AnnotationSplit
from scmamba.benchmark._cost import measure_cost

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

EPOCHS, LABELED_EPOCHS = 60, 15


def scanvi(split: AnnotationSplit, seed: int) -> Predictions:
    """Train scVI on the counts of both parts, then scANVI; predict the query."""
    import anndata as ad
    import scvi

    _, _, genes = split.values()
    scvi.settings.seed = seed
    both = ad.concat([split.train[:, genes], split.query[:, genes]], index_unique="-")
    both.obs["label"] = np.concatenate([split.labels, [UNLABELED] * split.query.n_obs])
    with measure_cost() as cost:
        proba = _train(both, split)
    guess = proba.columns.to_numpy(dtype=str)[proba.to_numpy().argmax(1)]
    return Predictions(guess, proba.to_numpy().max(1), **vars(cost))


def _train(both: AnnData, split: AnnotationSplit) -> pd.DataFrame:
    """Probability of every label for each cell of the query."""
    import scvi

    quiet = {"enable_progress_bar": False, "accelerator": "cpu"}
    scvi.model.SCVI.setup_anndata(both, batch_key=split.batch_key)
    base = scvi.model.SCVI(both, n_layers=2, n_latent=30)
    base.train(max_epochs=EPOCHS, **quiet)
    model = scvi.model.SCANVI.from_scvi_model(base, UNLABELED, labels_key="label")
    model.train(max_epochs=LABELED_EPOCHS, n_samples_per_label=100, **quiet)
    proba: pd.DataFrame = model.predict(both[split.train.n_obs :].copy(), soft=True)
    return proba


SCANVI = AnnotationMethod(scanvi, "scANVI", package="scvi")
