"""Which of the annotators that ship with the package fits the cells to annotate, if any."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.jobs import Jobs
from scmamba.models.shipped import ShippedModel, shipped_models
from scmamba.pp.expression import Expression
from scmamba.stream.expressions import Expressions
from scmamba.stream.sampling import sample
from scmamba.tasks._annotation.annotator import Annotator
from scmamba.tasks._annotation_request import AnnotationRequest
from scmamba.tasks._gather import gather
from scmamba.tokens.cells.genes import resolve
from scmamba.tokens.cells.orthologs import as_human
from scmamba.tokens.cells.species import upper_case_clone

_SAMPLE = 1_000
"""Cells that are tried with each annotator."""
LEAST_GENES, LEAST_KNOWN = 0.5, 0.5
"""Fractions of an annotator's genes that must be there, and of cells that it must know."""
SURE = 0.9
"""Probability of the coarse type from which a cell counts as known. Of blood cells of studies held
out 0.8 and more have it; of bone marrow progenitors 0.4, of pancreas and epidermis under 0.1."""


@dataclass(frozen=True)
class Trial:
    """How one annotator fits some cells.

    Attributes
    ----------
    card
        Card of the annotator.
    annotator
        The annotator itself, loaded.
    genes
        Fraction of its genes that the data set has, in [0, 1].
    known
        Fraction of the tried cells that are in its distribution and whose coarse type has a
        probability of at least :data:`SURE`, in [0, 1]; 0 where too few genes match to try it.
    species
        Species that the names of the genes suggest, if not human.
    """

    card: ShippedModel
    annotator: Annotator
    genes: float
    known: float
    species: str | None

    @property
    def fits(self) -> bool:
        """Whether the annotator can be used."""
        return self.genes >= LEAST_GENES and self.known >= LEAST_KNOWN

    def __str__(self) -> str:
        """Return name and both fractions as text."""
        known = f", and knows {self.known:.0%} of the cells" if self.genes >= LEAST_GENES else ""
        return f"{self.card.name!r} finds {self.genes:.0%} of its genes{known}"


def with_annotator(request: AnnotationRequest, jobs: Jobs) -> AnnotationRequest:
    """Return the request with the fitting annotator, where it asks for the one that fits.

    Raises
    ------
    ScmambaError
        None fits; the message says how near each is.
    """
    if not request.finds_shipped:
        return request
    found = Expressions.of(jobs[0].source, **request.where, log=False)  # it is read again
    best = best_trial(found, request.organism, request.seed)
    logger.info(
        "annotator %r fits: %.0f %% of its genes are there, and it knows %.0f %% of %s cells",
        best.card.name,
        100 * best.genes,
        100 * best.known,
        "the tried" if found.source.n_obs > _SAMPLE else "the",
    )
    logger.info(
        "it knows %s; cells of other types may be given one of these labels (limits: scmamba info "
        "%s)",
        ", ".join(best.card.labels),
        best.card.name,
    )
    return replace(request, saved=best.annotator)


def best_trial(found: Expressions, organism: str, seed: int) -> Trial:
    """Try all annotators that ship on some of the cells, and return the one that knows most.

    Parameters
    ----------
    found
        Expression of the cells.
    organism
        Species of the genes' names.
    seed
        Random seed of the draw of 1,000 cells.

    Raises
    ------
    ScmambaError
        None finds half of its genes and knows half of the cells; or the genes are those of mouse,
        in upper case, and are said to be human.
    """
    cards = [card for card in shipped_models() if card.kind == "annotator"]
    if not cards:
        raise ScmambaError(
            "no annotator ships with this scmamba, and nothing says where labels come from; give "
            "labels_key= (a column of adata.obs), reference= with it, or model="
        )
    cells = _some(found, seed)
    if organism == "human" and (clone := upper_case_clone(cells.var_names.tolist())):
        raise ScmambaError(
            f"genes such as {clone} are those of mouse, in upper case; give organism='mouse', "
            "which reads those with a human gene of the same symbol"
        )
    names = as_human(cells.var_names.tolist(), organism)
    cells = replace(cells, var_names=np.array(names, dtype=object))
    trials = [_tried(card, cells) for card in cards]
    best = max(trials, key=lambda trial: (trial.fits, trial.known, trial.genes))
    if not best.fits:
        raise ScmambaError(_none_fits(trials))
    return best


def _some(found: Expressions, seed: int) -> Expression:
    """Expression of at most 1,000 cells, drawn at random; in a file, the first ones."""
    if not found.source.in_memory:
        return found.first
    rows = sample(found.source.n_obs, _SAMPLE, seed)
    cells, kept = gather(found, rows)
    return replace(cells, X=cells.X[rows]) if len(kept) > len(rows) else cells


def _tried(card: ShippedModel, cells: Expression) -> Trial:
    annotator = Annotator.load(card.check())
    panel = annotator.panel
    match = resolve(cells.var_names.tolist(), panel.genes)
    genes = float(np.isin(panel.chosen, match.index).mean())
    if genes < LEAST_GENES:
        return Trial(card, annotator, genes, 0.0, match.species_hint)
    predictions = annotator._predictions(annotator._aligned(cells, match))
    log_proba = predictions.log_proba
    if annotator.hierarchy is not None:
        log_proba = annotator.hierarchy.log_proba(log_proba)
    sure = np.exp(log_proba.max(1)) >= SURE
    known = float((sure & (predictions.ood_score <= annotator.ood_threshold)).mean())
    return Trial(card, annotator, genes, known, match.species_hint)


def _none_fits(trials: list[Trial]) -> str:
    """Say that no annotator fits, and which are near."""
    near = sorted(trials, key=lambda trial: (trial.known, trial.genes), reverse=True)
    species = next((trial.species for trial in trials if trial.species), None)
    if species == "mouse":
        mend = (
            "the genes look like those of mouse: organism='mouse' reads them as their human "
            "orthologs"
        )
    elif species is not None:
        mend = f"the genes look like those of {species}: map them to human orthologs (gene_key=)"
    else:
        mend = (
            "give labeled cells (reference= with labels_key=, or labels_key= alone where some "
            f"cells are labeled), or model={near[0].card.name!r} to use it all the same"
        )
    return (
        f"none of the annotators that ship with scmamba fits these cells: "
        f"{'; '.join(map(str, near))} ({LEAST_GENES:.0%} of both are needed). To annotate them, "
        f"{mend}"
    )
