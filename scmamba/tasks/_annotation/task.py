"""One fit of an annotator: who is labeled, who is not, what they share, how it is learned."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.learn.axes import fit_axes
from scmamba.learn.discriminant import Unlabeled
from scmamba.learn.fitters import Finetune, FromScratch, Probe
from scmamba.learn.folds import cross_validation_folds, several_batches
from scmamba.learn.neural import NeuralFitter
from scmamba.learn.ood import EQUAL_WEIGHT, NO_REJECTION, fit_ood_scorer, shift_by_batch
from scmamba.learn.supervised import SupervisedFit, fit_supervised
from scmamba.learn.training import AnnotationTraining
from scmamba.models import CellModel
from scmamba.pp.expression import Expression
from scmamba.pp.genes import find_genes
from scmamba.tasks._annotation.annotator import Annotator
from scmamba.tasks._annotation.cells import CellExamples
from scmamba.tasks._annotation.examples import Examples
from scmamba.tasks._annotation.hierarchy import Hierarchy
from scmamba.tasks._annotation.validation import (
    class_table,
    format_scores,
    thresholds_of,
    validation_scores,
)
from scmamba.tasks._forward import cell_data
from scmamba.tasks._panel import Panel, aligned, choose_panel
from scmamba.tasks._pretrained import model_genes, pretrained, starts_networks
from scmamba.tokens.cells.genes import resolve
from scmamba.train import TimeBudget

_PROBE_PENALTY = 10.0
_COMPONENTS = 64
"""Of all given cells, at least."""
_QUERY = "cells to annotate"
"""Their batch beside a reference."""
_OF_THE_PANEL = ("scratch", "initialize")
"""Modes in which the neural component is compact networks of the genes at hand."""


@dataclass(frozen=True)
class FitTask:
    """One fit: who is labeled, who is not, and what they have in common.

    Attributes
    ----------
    given
        The cells, with labels and batches.
    n_top_genes
        Highly variable genes to learn from; None: all.
    seed
        Random seed.
    training
        Training of the networks.
    two_levels
        Whether labels are names of the package's table of cell types, so that the annotator also
        gives coarse types and Cell Ontology ids.
    ood_uncertainty_weight
        Weight of the uncertainty in the out-of-distribution score, in [0, 1].
    """

    given: Examples
    n_top_genes: int | None
    seed: int
    training: AnnotationTraining = AnnotationTraining()
    two_levels: bool = False
    ood_uncertainty_weight: float = EQUAL_WEIGHT

    def fit(
        self,
        model: CellModel | str | os.PathLike[str] | None,
        mode: str,
        max_error: float,
        ood_fpr: float,
        *,
        by_class: bool | None = None,
    ) -> Annotator:
        """Fit an annotator to the labeled cells."""
        if by_class is None:
            by_class = several_batches(self._batches)
        budget = TimeBudget(self.training.max_minutes)
        labels, learn_from, others = self.given.labels, self.given.learn_from, self.given.query
        genes, values, other_values = _common(learn_from, others)
        labeled = values[labels.rows]
        if others is None:
            other_values = values[np.flatnonzero(labels.codes < 0)]
        panel = choose_panel([labeled], genes, self.n_top_genes)
        chosen = [matrix[:, panel.chosen].tocsr() for matrix in (labeled, other_values)]
        fitter: NeuralFitter
        net = None if model is None else pretrained(model)
        mode = _resolved(mode, net)
        if mode in _OF_THE_PANEL:
            examples, fitter = self._compact(panel, chosen, net)
        else:
            assert net is not None
            examples, fitter = self._from_pretrained(net, mode, chosen)
        splits = cross_validation_folds(
            examples.codes, self._batches, seed=self.seed, n_folds=self.training.n_folds
        )
        examples.budget, examples.n_fits = budget, len(splits) + fitter.n_members
        found = fit_supervised(examples, fitter, splits, refit=True)
        about = {
            "model": (net or found.neural.model).name or "compact",
            "model_sha256": (net or found.neural.model).sha256,
            "mode": mode,
            "seed": self.seed,
            "max_error": max_error,
            "ood_fpr": ood_fpr,
            "class_thresholds": by_class,
            "n_labeled": len(examples),
            "n_genes": len(panel.chosen),
            "unit": str(learn_from.unit),
            **budget.about,
        }
        return self._annotator(found, examples, panel, max_error, ood_fpr, by_class, about)

    @property
    def _batches(self) -> npt.NDArray[np.object_] | None:
        """(n_labeled,) batch of each labeled cell, or None."""
        groups = self.given.groups
        return None if groups is None else groups[self.given.labels.rows]

    def _examples(self, chosen: list[sparse.csr_matrix], **more: Any) -> CellExamples:
        """Return the labeled cells, and what those to annotate show without labels."""
        given, others = self.given, chosen[1]
        if given.groups is None or given.query is not None:
            batches = np.full(others.shape[0], _QUERY)
        else:
            batches = given.groups[given.labels.codes < 0].astype(str)
        together = sparse.vstack(chosen).tocsr()
        return CellExamples(
            chosen[0],
            given.labels.codes[given.labels.rows],
            len(given.labels.classes),
            fit_axes(together, max(_COMPONENTS, self.training.width), self.seed),
            Unlabeled(others, batches),
            self.seed,
            batches=self._batches,
            **more,
        )

    def _compact(
        self, panel: Panel, chosen: list[sparse.csr_matrix], start: CellModel | None
    ) -> tuple[CellExamples, FromScratch]:
        """Networks of the panel; they start from components of all given cells, and ``start``."""
        examples = self._examples(chosen, names=panel.names, start=start)
        training = self.training.for_n(len(examples), pretrained=start is not None)
        # Processes take longer to start than networks without Mamba layers take to learn
        parallel = examples.on_cpu and training.n_layer != 0 and training.max_minutes is None
        return examples, FromScratch(training, parallel=parallel)

    def _from_pretrained(
        self, net: CellModel, mode: str, chosen: list[sparse.csr_matrix]
    ) -> tuple[CellExamples, NeuralFitter]:
        """Return a pretrained model and the labeled cells as it reads them."""
        if net.config.n_input_norms:
            raise ScmambaError(
                f"this model normalizes each of its {net.config.n_batches} batches by itself, and "
                "new cells are of none of them; annotate with model=None or with a model without "
                "a domain norm (scmamba.tasks.embed takes it, with batch_key=)"
            )
        model = copy.copy(net)  # shares the weights; <cls> has the value of fine-tuning
        model.config = net.config.replace(cls_value=0.0)
        labels, learn_from = self.given.labels, self.given.learn_from
        codes = labels.codes[labels.rows]
        match = model_genes(model, learn_from)
        data = cell_data(model, learn_from, match).take(labels.rows)
        examples = self._examples(chosen, model=model, data=replace(data, labels=codes))
        if mode == "probe":
            return examples, Probe(model, (_PROBE_PENALTY,), balanced=True)
        training = self.training.for_finetuning(mode)
        return examples, Finetune(training, self.seed, lora=mode == "lora")

    def _annotator(
        self,
        found: SupervisedFit,
        examples: CellExamples,
        panel: Panel,
        max_error: float,
        ood_fpr: float,
        by_class: bool,
        about: dict[str, Any],
    ) -> Annotator:
        """Thresholds from held-out cells, and all of it together."""
        fusion, out = found.fusion, found.out_of_fold
        classes = self.given.labels.classes
        scorer, thresholds, log_proba = NO_REJECTION, np.zeros(len(classes)), None
        levels = Hierarchy.of(classes) if self.two_levels else None
        scores: dict[str, float] = {}
        if out is not None:
            log_proba = fusion.log_proba(out.linear, out.neural)
            thresholds = thresholds_of(out, log_proba, max_error, by_class=by_class)
            if levels is not None:
                up = replace(out, target=levels.codes[out.target])
                together = levels.log_proba(log_proba)
                levels = levels.with_thresholds(
                    thresholds_of(up, together, max_error, by_class=by_class)
                )
            assert out.distance is not None
            mixed = fusion.mixed(out.linear, out.neural)
            weight = self.ood_uncertainty_weight
            scorer = fit_ood_scorer(mixed, out.distance, ood_fpr, weight)
            held = None if self._batches is None else self._batches[out.rows]
            about["held_out_shift"] = shift_by_batch(scorer.score(mixed, out.distance), held)
            scores = validation_scores(out, log_proba)
            logger.info(format_scores(scores, fusion.neural_weight))
        table = class_table(classes, examples.codes, self._batches, out, log_proba, thresholds)
        return Annotator(
            classes=classes,
            panel=panel,
            linear=found.linear,
            neural=found.neural,
            reads_panel=about["mode"] in _OF_THE_PANEL,
            fusion=fusion,
            gaussians=examples.gaussians(np.arange(len(examples))),
            ood_scorer=scorer,
            thresholds=thresholds,
            about=about,
            scores=scores,
            validation=table,
            history=found.history,
            hierarchy=levels,
        )


def _resolved(mode: str, net: CellModel | None) -> str:
    """Return how a pretrained model is used, or ``"scratch"`` where there is none."""
    if net is None:
        return "scratch"
    bag = starts_networks(net)
    if mode == "initialize" and not bag:
        raise ScmambaError(
            "mode='initialize' is for models without Mamba layers that read log-normalized "
            "values, such as 'scmamba-mini'; for this one give 'probe', 'finetune' or 'lora'"
        )
    if mode != "auto":
        return mode
    if bag:
        return "initialize"
    return "probe" if next(net.parameters()).device.type == "cpu" else "finetune"


def _common(
    learn_from: Expression, others: Expression | None
) -> tuple[list[str], sparse.csr_matrix, sparse.csr_matrix]:
    """Genes in common, and the log-normalized values of both groups of cells over them."""
    names = sorted({name for name in learn_from.var_names.tolist() if name})  # in any order given
    if others is not None:
        match = find_genes(others, names)
        there = set(match.index[match.index >= 0].tolist())
        logger.info(
            "%s of the reference's %s genes are among the query's",
            f"{len(there):,}",
            f"{len(names):,}",
        )
        names = [name for i, name in enumerate(names) if i in there]
    matrices = [
        aligned(found, resolve(found.var_names.tolist(), names), len(names))
        for found in (learn_from, others)
        if found is not None
    ]
    return names, matrices[0], matrices[-1]
