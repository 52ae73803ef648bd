"""Mean profiles of the types that an annotator knows, and the genes that mark them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy import sparse

from scmamba._arguments import check_count
from scmamba.tasks._annotation.attribution import Point, Scorer, integrated_gradients
from scmamba.tasks._annotation.paths import network_of_panel

if TYPE_CHECKING:
    from scmamba.tasks._annotation.annotator import Annotator

Floats = npt.NDArray[np.float64]

COLUMNS = ("cell_type", "gene", "attribution", "mean_expression", "difference")


def type_profiles(annotator: Annotator) -> Floats:
    """(n_classes, n_chosen) mean log-normalized values of each type, as the annotator keeps them.

    They are those of the centers of its Gaussians in principal components, at least 0; NaN for a
    class without labeled cells.
    """
    known = annotator.gaussians
    profiles = (known.centers @ known.components.T) * known.scale + known.mean
    return np.maximum(profiles, 0)


def mean_profile(annotator: Annotator) -> Floats:
    """(n_chosen,) mean of the profiles of all types, each of which counts once."""
    return np.asarray(np.nanmean(type_profiles(annotator), axis=0))


def markers(annotator: Annotator, n: int = 20) -> pd.DataFrame:
    """Find the genes by which the annotator tells each type, without any cells.

    The mean profile of a type, as the annotator keeps it, is explained as
    :meth:`~scmamba.tasks.Annotator.explain` explains a cell, beginning at the mean of all types.
    Networks with a vocabulary of their own need cells and are left out.

    Parameters
    ----------
    n
        Genes of each type, at most: those with more expression than in the other types.

    Returns
    -------
    One row per type and gene, the strongest first: ``cell_type``, ``gene``, ``attribution``
    in nats, ``mean_expression`` (log1p of counts per 10,000) and its ``difference`` from the
    mean of the other types.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> cells = scmamba.datasets.synthetic(60, 40, 2, human=True)
    >>> quick = scmamba.tasks.AnnotationTraining(epochs=1, n_members=1, width=16)
    >>> annotator = scmamba.tasks.annotate(
    ...     cells[40:], cells[:40], labels_key="cell_type", training=quick
    ... )
    >>> annotator.markers(2)["cell_type"].tolist()
    ['type_0', 'type_0', 'type_1', 'type_1']
    """
    check_count("n", n, optional=False)
    profiles, names = type_profiles(annotator), np.array(annotator.panel.names, object)
    codes = np.flatnonzero(~np.isnan(profiles[:, 0]))
    profiles = profiles[codes]
    start = np.broadcast_to(profiles.mean(0), profiles.shape)
    network = network_of_panel(annotator, sparse.csr_matrix(profiles.astype(np.float32)))
    score = Scorer(annotator.fusion, annotator.linear, network)
    cells, baseline = (Point(torch.from_numpy(np.array(one))) for one in (profiles, start))
    (found,), _ = integrated_gradients(score, cells, baseline, codes)
    parts = []
    for i, code in enumerate(codes):
        others = np.delete(profiles, i, axis=0)
        difference = profiles[i] - (others.mean(0) if len(others) else 0.0)
        order = np.argsort(-found[i], kind="stable")
        kept = order[(found[i, order] > 0) & (difference[order] > 0)][:n]
        columns = (
            annotator.classes[code], names[kept], found[i, kept], profiles[i, kept],
            difference[kept],
        )  # fmt: skip
        parts.append(pd.DataFrame(dict(zip(COLUMNS, columns, strict=True))))
    return pd.concat(parts, ignore_index=True)
