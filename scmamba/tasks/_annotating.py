"""What an annotation call asks for, where its labels come from, and what it writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba._keys import UNKNOWN
from scmamba._log import logger
from scmamba._text import label_texts, obs_column
from scmamba.jobs import Job, Jobs, Results, about, digest, identity, label_colors
from scmamba.learn.ood import larger_shift
from scmamba.learn.training import AnnotationTraining
from scmamba.pp.expression import Expression
from scmamba.stream.expressions import Expressions
from scmamba.stream.source import CellSource, open_cells
from scmamba.tasks._annotation.annotator import Annotator
from scmamba.tasks._annotation.examples import beside, within
from scmamba.tasks._annotation.reasons import reason_column
from scmamba.tasks._annotation.task import FitTask
from scmamba.tasks._annotation.voting import majority, over_cluster
from scmamba.tasks._annotation_request import AnnotationRequest
from scmamba.tasks._checks import flag_empty
from scmamba.tasks._forward import block_values
from scmamba.tasks._labels import Labels, read_batches, read_labels
from scmamba.tokens.cells.genes import GeneMatch
from scmamba.tokens.cells.orthologs import as_human
from scmamba.tokens.cells.species import species_hint

_KEPT = ("confidence", "ood_score", "reason", "empty", "embedding")


@dataclass(frozen=True)
class LabeledCells:
    """Where labels come from.

    Attributes
    ----------
    source
        Cells, some of which are labeled: a reference, or those to annotate.
    labels
        Labels of these cells.
    batches
        (n_cells,) batch of each labeled cell, or None.
    colors
        Color of each label, as far as the source has them.
    from_reference
        Whether the cells are of a reference.
    """

    source: CellSource
    labels: Labels
    batches: npt.NDArray[np.object_] | None
    colors: dict[str, str]
    from_reference: bool

    @property
    def own_labels(self) -> Labels | None:
        """Labels of the cells to annotate, which keep them; None where others are labeled."""
        return None if self.from_reference else self.labels


@contextmanager
def open_reference(reference: AnnData | Path | None) -> Iterator[CellSource | None]:
    """Give the cells of the reference, opened and checked once; None where there is none."""
    if reference is None:
        yield None
        return
    with open_cells(reference) as source:
        yield source


def labeled_cells(
    request: AnnotationRequest, jobs: Jobs, reference: CellSource | None
) -> LabeledCells | None:
    """Read labels and batches; None where the annotator was given.

    Raises
    ------
    ScmambaError
        A column is missing or holds no labels, or all cells to annotate are labeled already.
    """
    if request.saved is not None or request.labels_key is None:
        return None
    source = jobs[0].source if reference is None else reference
    where = "adata.obs" if reference is None else "reference.obs"
    key, batches = request.labels_key, None
    labels = read_labels(source.obs, key, request.unlabeled_category, where)
    if request.batch_key is not None:
        batches = read_batches(source.obs, request.batch_key, where, needed=labels.rows)
    if reference is None and len(labels.rows) == len(labels.codes):
        raise ScmambaError(
            f"every cell of adata.obs[{key!r}] is labeled, so none is left to annotate; set those "
            f"to be predicted to NaN or {request.unlabeled_category!r}, or pass the labeled cells "
            "as reference="
        )
    colors = label_colors(source.obs, source.uns, key)
    return LabeledCells(source, labels, batches, colors, reference is not None)


@dataclass(frozen=True)
class AnnotationInput:
    """Cells of one input: the job and the expression of its cells."""

    job: Job
    expressions: Expressions


def locate(job: Job, request: AnnotationRequest) -> AnnotationInput:
    """Find the expression of one input, checked before anything is computed."""
    with job.naming_errors():
        found = as_human_genes(Expressions.of(job.source, **request.where), request.organism)
        if isinstance(request.majority_voting, str):
            obs_column(job.source.obs, request.majority_voting, "majority_voting", "adata.obs")
        if request.saved is not None:
            _check_genes(request.saved, found, request.organism)
    return AnnotationInput(job, found)


def _check_genes(annotator: Annotator, found: Expressions, organism: str) -> None:
    """Raise ScmambaError unless half of the genes match; for mouse genes, say what maps them."""
    try:
        annotator.panel.match(found.first)
    except ScmambaError as error:
        if organism == "human" and species_hint(found.first.var_names.tolist()) == "mouse":
            raise ScmambaError(
                f"{error}. Or give organism='mouse', which reads mouse symbols as those of their "
                "human orthologs"
            ) from error
        raise


def as_human_genes(found: Expressions, organism: str) -> Expressions:
    """Return expression with the names of human orthologs; see :func:`as_human`."""
    if organism == "human":
        return found
    given = found.first.var_names.tolist()
    names = as_human(given, organism)
    logger.warning(
        "organism=%r: %s of %s genes have a human gene of the same symbol and are read as its "
        "one-to-one ortholog, which is an approximation (no table of orthologs ships)%s",
        organism,
        f"{sum(map(bool, names)):,}",
        f"{len(names):,}",
        "" if species_hint(given) else "; the names do not look like those of mouse, though",
    )
    return replace(found, first=replace(found.first, var_names=np.array(names, dtype=object)))


def fit_annotator(
    request: AnnotationRequest, cells: LabeledCells | None, found: Expressions
) -> Annotator:
    """Fit an annotator to labeled cells, for cells of which ``found`` is the expression."""
    if cells is None:
        raise ScmambaError("no labeled cells were given; name them with labels_key=")
    labels, batches, seed = cells.labels, cells.batches, request.seed
    if cells.from_reference:
        if batches is None:
            logger.warning(
                "without batch_key=, labels are validated on cells of the batches that they are "
                "learned from: on another study more of them may be wrong than max_error=%g",
                request.max_error,
            )
        examples = beside(found, cells.source, labels, batches, request.where, seed)
    else:
        examples = within(found, labels, batches, seed)
    return FitTask(
        examples, request.n_top_genes, seed, request.training or AnnotationTraining()
    ).fit(
        request.start,
        request.mode,
        request.max_error,
        request.ood_fpr,
        by_class=request.class_thresholds,
    )


def for_annotator(one: AnnotationInput, annotator: Annotator) -> tuple[Expressions, GeneMatch]:
    """Return an input's expression in blocks of the annotator's size, and its genes, logged."""
    with one.job.naming_errors():
        match = annotator.panel.match(one.expressions.first)
    logger.info(
        "%s of the annotator's %s genes found",
        f"{n_found(annotator, match):,}",
        f"{len(annotator.panel.chosen):,}",
    )
    return replace(one.expressions, block_values=block_values(*annotator.neural.members)), match


def n_found(annotator: Annotator, match: GeneMatch) -> int:
    """Count the annotator's genes that a data set has."""
    return int(np.isin(annotator.panel.chosen, match.index).sum())


def annotate_block(
    annotator: Annotator, match: GeneMatch, request: AnnotationRequest
) -> Callable[[slice, Expression], dict[str, npt.NDArray[Any]]]:
    """Return what predicts the cells of a block; columns by name."""
    return partial(_predicted, annotator, match, request.majority_voting is True)


def _predicted(
    annotator: Annotator, match: GeneMatch, clusters: bool, _rows: slice, values: Expression
) -> dict[str, npt.NDArray[Any]]:
    cells = annotator._aligned(values, match)
    found = annotator._predictions(cells)
    kept = {name: getattr(found, name) for name in _KEPT}
    if annotator.hierarchy is not None:
        kept["coarse"] = found.coarse
    if clusters:
        kept["coordinates"] = annotator.gaussians.coordinates(cells.values)
    return {"best_guess": found.log_proba.argmax(1), **kept}


def annotation_results(
    job: Job,
    annotator: Annotator,
    match: GeneMatch,
    request: AnnotationRequest,
    cells: LabeledCells | None,
) -> Results:
    """Gather what is written for one input."""
    keys = request.keys
    classes = np.array(annotator.classes, dtype=object)
    best_guess = classes[job.kept("best_guess")]
    reason = np.array(job.kept("reason"))
    cell_type = np.where(reason >= 0, UNKNOWN, best_guess)
    own = None if cells is None else cells.own_labels
    if own is not None:
        cell_type[own.rows] = classes[own.codes[own.rows]]
        reason[own.rows] = -1
    colors = {} if cells is None else cells.colors
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
        shift=_shift(annotator, job.kept("ood_score"), cells),
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


def _shift(
    annotator: Annotator, score: npt.NDArray[Any], cells: LabeledCells | None
) -> float | None:
    """Mean out-of-distribution score; logged where no held-out batch had such a high one."""
    held_out = annotator.about.get("held_out_shift", {})
    labels = None if cells is None else cells.own_labels
    new = score if labels is None else score[labels.codes < 0]
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


def call_digest(request: AnnotationRequest, jobs: Jobs) -> str:
    """Return one text that stands for all that decides the results."""
    if request.saved is not None:
        return digest(
            task="annotate",
            annotator=_known(request.saved),
            keys=request.keys.prefix,
            majority_voting=request.majority_voting,
            organism=request.organism,
        )
    how = {f.name: getattr(request, f.name) for f in fields(request)}
    how |= {"model": identity(how["model"]), "reference": identity(how["reference"])}
    return digest(task="annotate", files=jobs.stamp(), **how)


def _known(annotator: Annotator) -> str:
    """One text that stands for an annotator."""
    members = [identity(member) for member in annotator.neural.members]
    apart = {"neural", "history"}
    rest = {f.name: getattr(annotator, f.name) for f in fields(annotator) if f.name not in apart}
    return str(joblib.hash((members, annotator.neural.head, rest)))
