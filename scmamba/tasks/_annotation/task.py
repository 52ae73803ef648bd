"""One fit of an annotator: who is labelled, who is not, what they share, how it is learned."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.models import CellModel
from scmamba.pp.expression import Expression
from scmamba.tasks._annotation.annotator import Annotator
from scmamba.tasks._annotation.crossfit import cross_fit
from scmamba.tasks._annotation.deep import (
    compact_data,
    gene_vectors,
    pretrained_compact,
    recipe_for,
)
from scmamba.tasks._annotation.examples import Examples
from scmamba.tasks._annotation.folds import folds
from scmamba.tasks._annotation.learners import Finetune, FromScratch, Learner, Probe
from scmamba.tasks._annotation.parallel import run
from scmamba.tasks._forward import cell_data
from scmamba.tasks._panel import Panel, aligned, choose_panel
from scmamba.tasks._pretrained import model_genes, pretrained
from scmamba.tokens.genes import resolve
from scmamba.train import FitConfig

FINETUNE = FitConfig(epochs=10, ema=0.0, max_tokens=1199, last_max_tokens=1199, patience=2)
"""Of a pretrained model: longer cells than from scratch."""
RATES = {"finetune": 1e-4, "lora": 1e-3}
"""Peak learning rates of it."""


@dataclass(frozen=True)
class FitTask:
    """One fit: who is labelled, who is not, and what they have in common."""

    given: Examples
    n_top_genes: int | None
    seed: int

    def fit(
        self,
        model: CellModel | str | os.PathLike[str] | None,
        mode: str,
        max_error: float,
        ood_fpr: float,
    ) -> Annotator:
        """Learn an annotator from the labelled cells."""
        labels, learn_from, others = self.given.labels, self.given.learn_from, self.given.query
        genes, values, other_values = _common(learn_from, others)
        rows = labels.rows
        labelled = values[rows]
        if others is None:
            other_values = values[np.flatnonzero(labels.codes < 0)]
        groups = None if self.given.groups is None else self.given.groups[rows]
        panel = choose_panel([labelled], genes, self.n_top_genes)
        chosen = [matrix[:, panel.chosen].tocsr() for matrix in (labelled, other_values)]
        codes = labels.codes[rows]
        n_classes = len(labels.classes)
        learner: Learner
        if model is None:
            learner, used_mode = self._from_scratch(panel, chosen, codes), "scratch"
        else:
            net = pretrained(model)
            learner, used_mode = self._from_pretrained(net, mode, codes, learn_from)
        found = cross_fit(
            chosen[0],
            codes,
            learner,
            folds(codes, groups, seed=self.seed),
            n_classes,
            max_error=max_error,
            false_alarm=ood_fpr,
            seed=self.seed,
        )
        return Annotator(
            **vars(found),
            classes=labels.classes,
            panel=panel,
            about={
                "model": found.deep.model.name or "compact",
                "model_sha256": found.deep.model.sha256,
                "mode": used_mode,
                "seed": self.seed,
                "max_error": max_error,
                "ood_fpr": ood_fpr,
                "n_labelled": len(rows),
                "n_genes": len(panel.chosen),
                "unit": str(learn_from.unit),
            },
        )

    def _from_scratch(
        self, panel: Panel, chosen: list[sparse.csr_matrix], codes: npt.NDArray[np.int64]
    ) -> FromScratch:
        """A compact model that has seen all given cells, and no label yet."""
        every = sparse.vstack(chosen).tocsr()
        all_codes = np.concatenate([codes, np.full(chosen[1].shape[0], -1)])
        recipe = recipe_for(len(codes), self.seed)
        data = compact_data(every, panel.names, all_codes)
        vectors = gene_vectors(every, recipe.d_model, self.seed)
        job = (data, vectors, np.arange(len(data)), recipe)
        (start,) = run(pretrained_compact, [job], text="pretraining", spread=True)
        return FromScratch(start, data, len(self.given.labels.classes), recipe)

    def _from_pretrained(
        self, net: CellModel, mode: str, codes: npt.NDArray[np.int64], learn_from: Expression
    ) -> tuple[Learner, str]:
        """A pretrained model and the labelled cells as it reads them."""
        if net.config.n_domains:
            raise ScmambaError(
                f"this model norms each of its {net.config.n_domains} batches by itself, and new "
                "cells are of none of them; annotate with model=None or with a model without a "
                "domain norm (scmamba.tasks.embed takes it, with batch_key=)"
            )
        model = copy.copy(net)  # shares the weights; <cls> has the value of fine-tuning
        model.config = net.config.replace(cls_value=0.0)
        match = model_genes(model, learn_from.var_names)
        data = cell_data(model, learn_from, match).take(self.given.labels.rows)
        data = replace(data, labels=codes)
        if mode == "auto":
            on_cpu = next(model.parameters()).device.type == "cpu"
            mode = "probe" if on_cpu else "finetune"
        n_classes = len(self.given.labels.classes)
        if mode == "probe":
            return Probe(model, data, n_classes), mode
        config = replace(FINETUNE, lr=RATES[mode], seed=self.seed)
        return Finetune(model, data, n_classes, config, lora=mode == "lora"), mode


def _common(
    learn_from: Expression, others: Expression | None
) -> tuple[list[str], sparse.csr_matrix, sparse.csr_matrix]:
    """Genes in common, and the log-normalised values of both groups of cells over them."""
    names = sorted({name for name in learn_from.var_names.tolist() if name})  # in any order given
    if others is not None:
        match = resolve(others.var_names.tolist(), names).require()
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
