"""scANVI (Xu et al., Molecular Systems Biology 2021), at the settings of its tutorial."""

from __future__ import annotations

import time

import numpy as np

from scmamba.benchmark._annotation.methods.base import AnnotationMethod, Predictions
from scmamba.benchmark._annotation.split import UNLABELED, AnnotationSplit

EPOCHS, LABELED_EPOCHS = 60, 15


def scanvi(split: AnnotationSplit, seed: int) -> Predictions:
    """Train scVI on the counts of both parts, then scANVI; predict the query."""
    import anndata as ad
    import scvi

    _, _, genes = split.values()
    scvi.settings.seed = seed
    both = ad.concat([split.train[:, genes], split.query[:, genes]], index_unique="-")
    both.obs["label"] = np.concatenate([split.labels, [UNLABELED] * split.query.n_obs])
    quiet = {"enable_progress_bar": False, "accelerator": "cpu"}
    start = time.perf_counter()
    scvi.model.SCVI.setup_anndata(both, batch_key=split.batch_key)
    base = scvi.model.SCVI(both, n_layers=2, n_latent=30)
    base.train(max_epochs=EPOCHS, **quiet)
    model = scvi.model.SCANVI.from_scvi_model(base, UNLABELED, labels_key="label")
    model.train(max_epochs=LABELED_EPOCHS, n_samples_per_label=100, **quiet)
    proba = model.predict(both[split.train.n_obs :].copy(), soft=True)
    seconds = time.perf_counter() - start
    guess = proba.columns.to_numpy(dtype=str)[proba.to_numpy().argmax(1)]
    return Predictions(guess, proba.to_numpy().max(1), seconds=seconds)


SCANVI = AnnotationMethod(scanvi, "scANVI", package="scvi")
