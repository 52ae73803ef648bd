"""The steps of an annotation call: find expression, fit, predict a block of cells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._text import obs_column
from scmamba.jobs import Job, Jobs, digest, identity
from scmamba.learn.training import AnnotationTraining
from scmamba.pp.expression import Expression
from scmamba.stream.expressions import Expressions
from scmamba.tasks._annotation.annotator import Annotator
from scmamba.tasks._annotation.examples import beside, within
from scmamba.tasks._annotation.task import FitTask
from scmamba.tasks._annotation_labels import LabeledCells
from scmamba.tasks._annotation_request import AnnotationRequest
from scmamba.tasks._forward import block_values
from scmamba.tokens.cells.genes import GeneMatch
from scmamba.tokens.cells.orthologs import as_human
from scmamba.tokens.cells.species import species_hint, upper_case_clone

_KEPT = ("confidence", "ood_score", "reason", "empty", "embedding")


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
    """Raise ScmambaError unless half of the genes match; for mouse genes, say what maps them.

    Mouse symbols in upper case match human ones: of these it is a warning.
    """
    names = found.first.var_names.tolist()
    try:
        annotator.panel.match(found.first)
    except ScmambaError as error:
        if organism == "human" and species_hint(names) == "mouse":
            raise ScmambaError(
                f"{error}. Or give organism='mouse', which reads mouse symbols as those of their "
                "human orthologs"
            ) from error
        raise
    if organism == "human" and (clone := upper_case_clone(names)):
        logger.warning(
            "genes such as %s are those of mouse, in upper case, but are read as human genes; give "
            "organism='mouse', which reads only those with a human gene of the same symbol",
            clone,
        )


def as_human_genes(found: Expressions, organism: str) -> Expressions:
    """Return expression with the names of human orthologs; see :func:`as_human`."""
    if organism == "human":
        return found
    given = found.first.var_names.tolist()
    names = as_human(given, organism)
    not_mouse = species_hint(given) is None and upper_case_clone(given) is None
    logger.warning(
        "organism=%r: %s of %s genes have a human gene of the same symbol and are read as its "
        "one-to-one ortholog, which is an approximation (no table of orthologs ships)%s",
        organism,
        f"{sum(map(bool, names)):,}",
        f"{len(names):,}",
        "; the names do not look like those of mouse, though" if not_mouse else "",
    )
    return replace(found, first=replace(found.first, var_names=np.array(names, dtype=object)))


def fit_annotator(
    request: AnnotationRequest, cells: LabeledCells | None, inputs: Sequence[AnnotationInput]
) -> Annotator:
    """Fit an annotator to labeled cells, for those of ``inputs``.

    Beside a reference, cells of the first input are what is annotated; labels within the inputs
    are learned from all of them.
    """
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
        examples = beside(
            inputs[0].expressions, cells.sources, labels, batches, request.where, seed
        )
    else:
        examples = within([one.expressions for one in inputs], labels, batches, seed)
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
    how |= {
        "model": identity(request.model),
        "references": [identity(one) for one in request.references],
    }
    return digest(task="annotate", files=jobs.stamp(), **how)


def _known(annotator: Annotator) -> str:
    """One text that stands for an annotator."""
    members = [identity(member) for member in annotator.neural.members]
    apart = {"neural", "history"}
    rest = {f.name: getattr(annotator, f.name) for f in fields(annotator) if f.name not in apart}
    return str(joblib.hash((members, annotator.neural.head, rest)))
