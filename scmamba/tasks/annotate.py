"""Cell types from labelled cells, a reference or a saved annotator."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from anndata import AnnData
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._keys import PREFIX, Keys
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.models import CellModel
from scmamba.pp.expression import Expression, check_shape, expression
from scmamba.stream.data import CellData
from scmamba.tasks._annotation.annotator import Annotator, Prediction, is_annotator
from scmamba.tasks._annotation.crossfit import cross_fit
from scmamba.tasks._annotation.deep import (
    compact_data,
    gene_vectors,
    pretrained_compact,
    recipe_for,
)
from scmamba.tasks._annotation.folds import folds
from scmamba.tasks._annotation.labels import Labels, read_labels
from scmamba.tasks._annotation.learners import Finetune, FromScratch, Learner, Probe
from scmamba.tasks._annotation.panel import Panel, aligned, choose_panel
from scmamba.tasks._annotation.parallel import run
from scmamba.tasks._forward import cell_data
from scmamba.tasks._write import about, check_writable, duplicate, write_categories
from scmamba.tasks.embed import batches, model_genes, pretrained, write_empty
from scmamba.tokens.genes import resolve
from scmamba.train import FitConfig

MODES = ("auto", "probe", "finetune", "lora")


def annotate(
    adata: AnnData,
    reference: AnnData | None = None,
    *,
    labels_key: str | None = None,
    unlabeled_category: str = "unknown",
    model: Annotator | CellModel | str | os.PathLike[str] | None = None,
    batch_key: str | None = None,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    mode: str = "auto",
    n_top_genes: int | None = 2000,
    max_error: float = 0.05,
    false_alarm: float = 0.01,
    key_added: str = PREFIX,
    copy: bool = False,
    seed: int | None = None,
) -> Annotator | tuple[AnnData, Annotator]:
    """Predict the cell type of each cell, and say where it cannot be known.

    There are three ways to say where labels come from: ``model``, a saved annotator (nothing is
    trained); ``reference``, a labelled AnnData; or ``labels_key`` in ``adata.obs``, where some
    cells are labelled and the others are not.

    A linear view of the expression and a deep one of the cell embedding are fitted, validated on
    labelled cells that were held out (whole batches where ``batch_key`` allows), and fused with
    weights, calibration and thresholds that those cells choose.

    Parameters
    ----------
    adata
        Cells to annotate: counts or log-normalised counts.
    reference
        Labelled cells; its genes may be others, those in common are used.
    labels_key
        ``obs`` column with labels, in ``reference`` or in ``adata``.
    unlabeled_category
        What marks an unlabelled cell beside NaN, in any case.
    model
        An annotator or its folder; or a pretrained model, its folder or registered name, from
        which the deep view then starts. None: a compact model is trained from scratch.
    batch_key
        ``obs`` column with the batch or donor of the labelled cells.
    layer, use_raw, gene_key
        Where expression and gene names are; see :func:`scmamba.pp.expression`. A ``layer`` or
        ``gene_key`` that the reference lacks is looked for in ``adata`` alone.
    mode
        With a pretrained model: ``"probe"`` (frozen, a head is fitted), ``"finetune"`` (all
        weights), ``"lora"`` (low-rank parts), or ``"auto"``: ``"probe"`` on a CPU, else
        ``"finetune"``.
    n_top_genes
        Highly variable genes to learn from; None: all.
    max_error
        Share of wrong labels allowed among held-out cells that are not called ``unknown``.
    false_alarm
        Share of held-out cells that may be called ``unknown`` for being out of distribution.
    key_added
        Prefix of what is written.
    copy
        Write to a copy, which is returned too.
    seed
        Of all that is random; None: ``settings.seed``.

    Returns
    -------
    The annotator, or (copy, annotator) where ``copy=True``. Written are, in ``obs``,
    ``scmamba_cell_type`` (with ``unknown``; cells that carry a label keep it),
    ``scmamba_best_guess`` (never unknown), ``scmamba_confidence`` in [0, 1] and
    ``scmamba_ood_score``; ``obsm["X_scmamba"]`` (n_obs, D); ``uns["scmamba"]``.

    Raises
    ------
    ScmambaError
        An input cannot be used; ``adata`` is then untouched.
    """
    used = settings.seed if seed is None else seed
    where = {"layer": layer, "use_raw": use_raw, "gene_key": gene_key}
    _check(adata, reference, labels_key, model, mode, max_error, false_alarm)
    check_writable(adata, copy)
    for option, number, least in (("seed", used, 0), ("n_top_genes", n_top_genes, 1)):
        if number is not None and number < least:
            raise ScmambaError(f"{option}={number}; give {least} or more")
    given: Labels | None = None
    if (annotator := _saved(model)) is None:
        table, name = (adata, "adata") if reference is None else (reference, "reference")
        assert labels_key is not None
        labels = read_labels(table.obs, labels_key, unlabeled_category, f"{name}.obs")
        if reference is None:
            given = _partly(labels, labels_key, unlabeled_category)
        groups = None if batch_key is None else batches(table, batch_key, f"{name}.obs")
        task = _Task(adata, reference, labels, groups, where, n_top_genes, used)
        annotator = task.fit(model, mode, max_error, false_alarm)
    said = annotator.say(annotator.read(adata, **where))
    result = duplicate(adata) if copy else adata
    _write(result, said, annotator, Keys(key_added), labels_key, given)
    return (result, annotator) if copy else annotator


def _check(
    adata: AnnData,
    reference: AnnData | None,
    labels_key: str | None,
    model: object,
    mode: str,
    max_error: float,
    false_alarm: float,
) -> None:
    for table in (adata, *(() if reference is None else (reference,))):
        check_shape(table)
    if mode not in MODES:
        raise ScmambaError(f"mode={mode!r}; allowed: {', '.join(map(repr, MODES))}")
    for name, value in (("max_error", max_error), ("false_alarm", false_alarm)):
        if not 0 <= value < 1:
            raise ScmambaError(f"{name}={value}; give a share in [0, 1)")
    if isinstance(model, Annotator) or (_is_path(model) and is_annotator(str(model))):
        return
    if labels_key is None and model is not None:
        given = str(model) if _is_path(model) else type(model).__name__
        raise ScmambaError(
            f"model={given!r} is no saved annotator, so labels are needed to fit one to it: give "
            "labels_key= (a column of adata.obs, or of reference=), or the folder that "
            "Annotator.save wrote"
        )
    if labels_key is None:
        raise ScmambaError(
            "nothing says where labels come from; give one of three: model= (a saved annotator), "
            "reference= (labelled cells) with labels_key=, or labels_key= (a column of adata.obs "
            "in which some cells are labelled)"
        )
    if model is None and mode in ("probe", "lora"):
        raise ScmambaError(
            f"mode={mode!r} needs a pretrained model: give model=, or leave mode='auto' to train "
            "a compact model on these cells"
        )


def _is_path(model: object) -> bool:
    return isinstance(model, (str, os.PathLike))


def _saved(model: object) -> Annotator | None:
    """The annotator that ``model`` is or names, or None."""
    if isinstance(model, Annotator):
        return model
    return (
        Annotator.load(Path(str(model))) if _is_path(model) and is_annotator(str(model)) else None
    )


def _partly(labels: Labels, labels_key: str, unlabeled_category: str) -> Labels:
    if len(labels.rows) == len(labels.codes):
        raise ScmambaError(
            f"every cell of adata.obs[{labels_key!r}] is labelled, so none is left to annotate; "
            f"set those to be predicted to NaN or {unlabeled_category!r}, or pass the labelled "
            "cells as reference="
        )
    return labels


@dataclass(frozen=True)
class _Task:
    """One fit: who is labelled, who is not, and what they have in common."""

    adata: AnnData
    reference: AnnData | None
    labels: Labels
    groups: npt.NDArray[np.object_] | None
    where: dict[str, object]
    n_top_genes: int | None
    seed: int

    def fit(
        self,
        model: Annotator | CellModel | str | os.PathLike[str] | None,
        mode: str,
        max_error: float,
        false_alarm: float,
    ) -> Annotator:
        """Learn an annotator from the labelled cells."""
        learn_from, others = self._expressions()
        genes, values, other_values = _common(learn_from, others)
        rows = self.labels.rows
        labelled = values[rows]
        if others is None:
            other_values = values[np.flatnonzero(self.labels.codes < 0)]
        groups = None if self.groups is None else self.groups[rows]
        panel = choose_panel([*_by_group(labelled, groups), other_values], genes, self.n_top_genes)
        chosen = [matrix[:, panel.chosen].tocsr() for matrix in (labelled, other_values)]
        codes = self.labels.codes[rows]
        n_classes = len(self.labels.classes)
        learner, used_mode = self._learner(model, mode, panel, chosen, codes, learn_from, n_classes)
        found = cross_fit(
            chosen[0],
            codes,
            learner,
            folds(codes, groups, seed=self.seed),
            n_classes,
            max_error=max_error,
            false_alarm=false_alarm,
            seed=self.seed,
        )
        return Annotator(
            classes=self.labels.classes,
            panel=panel,
            log_prior=found.log_prior,
            wide=found.wide,
            deep=found.deep,
            fusion=found.fusion,
            principal=found.principal,
            strangeness=found.strangeness,
            confidence_threshold=found.confidence_threshold,
            about={
                "model": found.deep.model.name or "compact",
                "model_sha256": found.deep.model.sha256,
                "mode": used_mode,
                "seed": self.seed,
                "max_error": max_error,
                "false_alarm": false_alarm,
                "n_labelled": len(rows),
                "n_genes": len(panel.chosen),
            },
            validation=found.validation,
            history=found.history,
        )

    def _expressions(self) -> tuple[Expression, Expression | None]:
        """Expression of the cells to learn from, and of the query where it is another AnnData."""
        query = expression(self.adata, **self.where)  # type: ignore[arg-type]
        if self.reference is None:
            return query, None
        there = dict(self.where)
        if there["layer"] not in self.reference.layers:
            there["layer"] = None
        if there["gene_key"] not in self.reference.var.columns:
            there["gene_key"] = None
        if self.reference.raw is None:
            there["use_raw"] = None
        return expression(self.reference, **there), query  # type: ignore[arg-type]

    def _learner(
        self,
        model: CellModel | str | os.PathLike[str] | Annotator | None,
        mode: str,
        panel: Panel,
        chosen: list[sparse.csr_matrix],
        codes: npt.NDArray[np.int64],
        learn_from: Expression,
        n_classes: int,
    ) -> tuple[Learner, str]:
        if model is None:
            every = sparse.vstack(chosen).tocsr()
            all_codes = np.concatenate([codes, np.full(chosen[1].shape[0], -1)])
            recipe = recipe_for(len(codes), self.seed)
            data = compact_data(every, panel.names, all_codes)
            vectors = gene_vectors(every, recipe.d_model, self.seed)
            job = (data, vectors, np.arange(len(data)), recipe)
            (start,) = run(pretrained_compact, [job], text="pretraining", spread=True)
            return FromScratch(start, data, n_classes, recipe), "scratch"
        assert not isinstance(model, Annotator)
        net = pretrained(model, cls_value=0.0)
        match = model_genes(net, learn_from.var_names)
        data = cell_data(net, learn_from, match).take(self.labels.rows)
        data = CellData(data.tokens, data.vocab, data.cls_value, data.pad_value, labels=codes)
        if mode == "auto":
            on_cpu = next(net.parameters()).device.type == "cpu"
            mode = "probe" if on_cpu else "finetune"
        if mode == "probe":
            return Probe(net, data, n_classes), mode
        config = FitConfig(
            epochs=10,
            lr=1e-3 if mode == "lora" else 1e-4,
            ema=0.0,
            max_tokens=1199,
            last_max_tokens=1199,
            patience=2,
            seed=self.seed,
        )
        return Finetune(net, data, n_classes, config, lora=mode == "lora"), mode


def _by_group(
    values: sparse.csr_matrix, groups: npt.NDArray[np.object_] | None
) -> list[sparse.csr_matrix]:
    """Cells of each batch by themselves, so that batches do not make genes look variable."""
    if groups is None:
        return [values]
    return [values[np.flatnonzero(groups == name)] for name in np.unique(groups.astype(str))]


def _common(
    learn_from: Expression, others: Expression | None
) -> tuple[list[str], sparse.csr_matrix, sparse.csr_matrix]:
    """Genes in common, and the log-normalised values of both groups of cells over them."""
    names = list(dict.fromkeys(name for name in learn_from.var_names.tolist() if name))
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


def _write(
    adata: AnnData,
    said: Prediction,
    annotator: Annotator,
    keys: Keys,
    labels_key: str | None,
    given: Labels | None,
) -> None:
    cell_type = said.cell_type
    if given is not None:
        for row in given.rows:
            cell_type[row] = given.classes[given.codes[row]]
    write_categories(adata, keys.cell_type, cell_type, said.classes, labels_key)
    write_categories(adata, keys.best_guess, said.best_guess, said.classes, labels_key)
    adata.obs[keys.confidence] = said.confidence
    adata.obs[keys.ood_score] = said.ood_score
    write_empty(adata, keys, said.empty)
    adata.obsm[keys.embedding] = said.embedding
    adata.uns[keys.uns] = about(
        "annotate",
        confidence_threshold=annotator.confidence_threshold,
        ood_threshold=annotator.strangeness.threshold,
        deep_share=annotator.fusion.deep_share,
        validation=annotator.validation,
        **annotator.about,
    )
