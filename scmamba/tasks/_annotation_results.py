"""What an annotation writes for one input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._keys import UNKNOWN
from scmamba._log import logger
from scmamba._text import label_texts
from scmamba.jobs import Job, Results, about
from scmamba.learn.ood import larger_shift
from scmamba.tasks._annotating import n_found
from scmamba.tasks._annotation.annotator import Annotator
from scmamba.tasks._annotation.reasons import reason_column
from scmamba.tasks._annotation.voting import majority, over_cluster
from scmamba.tasks._annotation_request import AnnotationRequest
from scmamba.tasks._checks import flag_empty
from scmamba.tasks._labels import Labels
from scmamba.tokens.cells.genes import GeneMatch


def annotation_results(
    job: Job,
    annotator: Annotator,
    match: GeneMatch,
    request: AnnotationRequest,
    own: Labels | None,
    colors: Mapping[str, str],
) -> Results:
    """Gather what is written for one input.

    Parameters
    ----------
    job
        The input, all of whose blocks are computed.
    annotator, match
        Annotator that predicted the cells, and where its genes are.
    request
        Options of the call.
    own
        Labels of these cells, which keep them; None where others are labeled.
    colors
        Color of each label, as far as known.
    """
    keys = request.keys
    classes = np.array(annotator.classes, dtype=object)
    best_guess = classes[job.kept("best_guess")]
    reason = np.array(job.kept("reason"))
    cell_type = np.where(reason >= 0, UNKNOWN, best_guess)
    if own is not None:
        cell_type[own.rows] = classes[own.codes[own.rows]]
        reason[own.rows] = -1
    results = Results()
    results.add_labels(keys.cell_type, cell_type, annotator.classes, colors)
    results.add_labels(keys.best_guess, best_guess, annotator.classes, colors)
    if (levels := annotator.hierarchy) is not None:
        coarse = np.array([*levels.coarse, UNKNOWN], dtype=object)[job.kept("coarse")]
        results.add_labels(keys.coarse, coarse, levels.coarse, {})
        results.obs[keys.ontology_id] = pd.Categorical(
            levels.ontology_ids(cell_type.tolist(), coarse.tolist())
        )
    if request.majority_voting:
        voted = majority(cell_type, _clusters(job, request))
        results.add_labels(keys.majority_voting, voted, annotator.classes, colors)
    results.obs[keys.confidence] = np.array(job.kept("confidence"))
    results.obs[keys.ood_score] = np.array(job.kept("ood_score"))
    results.obs[keys.reason] = reason_column(reason)
    flag_empty(results, keys, job.kept("empty"), job.source.obs)
    results.obsm[keys.embedding] = job.kept("embedding")
    results.uns[keys.uns] = about(
        "annotate",
        shift=_shift(annotator, job.kept("ood_score"), own),
        thresholds=dict(zip(annotator.classes, annotator.thresholds.tolist(), strict=True)),
        ood_threshold=annotator.ood_threshold,
        neural_weight=annotator.fusion.neural_weight,
        scores=annotator.scores,
        genes_matched=n_found(annotator, match),
        genes_given=match.n_names,
        **annotator.about,
    )
    results.uns[keys.validation] = annotator.validation
    return results


def _shift(annotator: Annotator, score: npt.NDArray[Any], own: Labels | None) -> float | None:
    """Mean out-of-distribution score; logged where no held-out batch had such a high one."""
    held_out = annotator.about.get("held_out_shift", {})
    new = score if own is None else score[own.codes < 0]
    if not held_out or not len(new):
        return None
    shift = float(np.mean(new))
    if larger_shift(shift, held_out):
        logger.warning(
            "these cells differ more from the labeled cells (mean OOD score %.2f) than held-out "
            "cells did (at most %.2f in a batch): more labels may be wrong than max_error=%g",
            shift,
            max(held_out.values()),
            annotator.about["max_error"],
        )
    return shift


def _clusters(job: Job, request: AnnotationRequest) -> npt.NDArray[Any]:
    """(n,) cluster of each cell: a column of ``obs``, or made from principal components."""
    if isinstance(request.majority_voting, str):
        texts, missing = label_texts(job.source.obs[request.majority_voting])
        texts[missing] = None
        return texts
    return over_cluster(np.array(job.kept("coordinates")), request.seed)
