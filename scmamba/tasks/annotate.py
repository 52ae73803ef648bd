"""Cell types from labelled cells, a reference or a saved annotator."""

from __future__ import annotations

import os
from pathlib import Path

from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba._keys import PREFIX, Keys
from scmamba._settings import settings
from scmamba.models import CellModel
from scmamba.pp.expression import check_shape, expression
from scmamba.tasks._annotation.annotator import Annotator, Prediction, is_annotator
from scmamba.tasks._annotation.labels import Labels, read_labels
from scmamba.tasks._annotation.task import FitTask
from scmamba.tasks._write import about, check_writable, duplicate, write_categories
from scmamba.tasks.embed import batches, write_empty

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
        groups = None if batch_key is None else batches(table.obs, batch_key, f"{name}.obs")
        query = expression(adata, layer=layer, use_raw=use_raw, gene_key=gene_key)
        task = FitTask(query, reference, labels, groups, where, n_top_genes, used)
        assert not isinstance(model, Annotator)
        annotator = task.fit(model, mode, max_error, false_alarm)
        cells = annotator.align(query)
    else:
        cells = annotator.read(adata, layer=layer, use_raw=use_raw, gene_key=gene_key)
    said = annotator.say(cells)
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
