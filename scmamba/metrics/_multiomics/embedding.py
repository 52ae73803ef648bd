"""How well an embedding keeps cell types."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._text import label_texts
from scmamba.metrics._scib import scib_scores


def bio_conservation(
    embeddings: Mapping[str, npt.ArrayLike],
    labels: npt.ArrayLike,
    *,
    leiden: bool = False,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """Bio conservation scores of scib-metrics, without batches.

    Parameters
    ----------
    embeddings
        (n_cells, d) by name, with rows in the same order.
    labels
        (n_cells,) labels; those that are missing or ``unknown`` are not scored.
    leiden
        Also NMI and ARI of Leiden clusters.
    n_jobs
        Threads of the neighbor search.

    Returns
    -------
    One row per embedding, one column per metric and their mean, ``"Bio conservation"``; about in
    [0, 1], 1 is best.

    Raises
    ------
    ScmambaError
        If scib-metrics is not installed or an embedding is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> import pytest
    >>> _ = pytest.importorskip("scib_metrics")
    >>> from scmamba.metrics import multiomics
    >>> labels = np.repeat(["a", "b"], 60)
    >>> cells = np.random.default_rng(0).normal(size=(120, 3)) + 9 * (labels == "a")[:, None]
    >>> bool(multiomics.bio_conservation({"x": cells}, labels)["Bio conservation"]["x"] > 0.8)
    True
    """
    texts, missing = label_texts(labels, unlabeled="unknown")
    rows = np.flatnonzero(~missing)
    given = {}
    for name, one in embeddings.items():
        values = np.asarray(one, dtype=np.float32)
        if values.ndim != 2 or len(values) != len(texts) or not np.isfinite(values[rows]).all():
            raise ScmambaError(
                f"embedding {name!r} has shape {values.shape} for {len(texts)} labels; give finite "
                "values, one row per cell"
            )
        given[name] = values[rows]
    table, _ = scib_scores(given, texts[rows], leiden=leiden, n_jobs=n_jobs)
    return table[[name for name in table.columns if name not in ("Batch correction", "Total")]]


def neighbor_accuracy(
    embedding: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    n_neighbors: int = 15,
    folds: int = 5,
    seed: int = 0,
    reference: npt.ArrayLike | None = None,
) -> float:
    """Accuracy of labels by the nearest neighbors.

    Parameters
    ----------
    embedding
        (n_cells, d).
    labels
        (n_cells,) labels; those that are missing or ``unknown`` are left out.
    n_neighbors
        Neighbors that vote.
    folds, seed
        Stratified folds: the labels of each are told from the others.
    reference
        (n_cells,) True for the cells whose labels are known; those of the others are told and
        scored. None: folds.

    Returns
    -------
    Accuracy in [0, 1], mean over folds.

    Examples
    --------
    >>> import numpy as np
    >>> from scmamba.metrics import multiomics
    >>> labels = np.repeat(["a", "b"], 20)
    >>> multiomics.neighbor_accuracy((labels == "a")[:, None] * 1.0, labels)
    1.0
    """
    from sklearn.model_selection import StratifiedKFold
    from sklearn.neighbors import KNeighborsClassifier

    cells = np.asarray(embedding, dtype=np.float64)
    texts, missing = label_texts(labels, unlabeled="unknown")
    if len(cells) != len(texts) or not np.isfinite(cells[~missing]).all():
        raise ScmambaError(
            f"embedding has shape {cells.shape} for {len(texts)} labels; give finite values, one "
            "row per cell"
        )
    names = texts.astype(str)
    if reference is not None:
        known = np.asarray(reference, dtype=bool)
        pairs = [(np.flatnonzero(known & ~missing), np.flatnonzero(~known & ~missing))]
    else:
        kept = np.flatnonzero(~missing)
        split = StratifiedKFold(folds, shuffle=True, random_state=seed)
        pairs = [(kept[a], kept[b]) for a, b in split.split(kept, names[kept])]
    scores = []
    for train, test in pairs:
        model = KNeighborsClassifier(min(n_neighbors, len(train))).fit(cells[train], names[train])
        scores.append(float((model.predict(cells[test]) == names[test]).mean()))
    return float(np.mean(scores))
