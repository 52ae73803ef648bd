"""Batches brought together: an embedding without batch effects, and expression without them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
from anndata import AnnData

from scmamba._keys import PREFIX, UNKNOWN, Keys
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.models import CellModel
from scmamba.pp.expression import Expression, check_shape, expression, gene_names
from scmamba.tasks._annotation.labels import read_labels
from scmamba.tasks._integration.checks import (
    check_batches,
    check_correct,
    check_options,
    tell_overlap,
)
from scmamba.tasks._integration.integrator import AVERAGE, Integrator, Mapped, is_integrator
from scmamba.tasks._integration.recipe import Recipe, finetune_recipe, for_bins, recipe_for
from scmamba.tasks._integration.task import FitTask
from scmamba.tasks._write import about, check_writable, duplicate, label_colors, write_categories
from scmamba.tasks.embed import batches, write_empty


def integrate(
    adata: AnnData,
    batch_key: str,
    labels_key: str | None = None,
    model: Integrator | CellModel | str | os.PathLike[str] | None = None,
    layer: str | None = None,
    *,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    unlabeled_category: str = UNKNOWN,
    mode: str = "auto",
    n_top_genes: int | None = 2000,
    correct: bool | str = False,
    nb_weight: float | None = None,
    kl_weight: float | None = None,
    contrast_weight: float | None = None,
    gep_weight: float | None = None,
    mvc_weight: float | None = None,
    ecs_weight: float | None = None,
    dab_weight: float | None = None,
    cls_weight: float | None = None,
    supcon_weight: float | None = None,
    explicit_zero: bool = False,
    n_layer: int | None = None,
    key_added: str = PREFIX,
    copy: bool = False,
    seed: int | None = None,
) -> Integrator | tuple[AnnData, Integrator]:
    """Embed cells so that batches mix and cell types stay apart.

    A model is trained on the cells themselves: it explains each cell's counts from a small latent
    and its batch, brings two random gene subsets of a cell together, and hides the batch from an
    adversary. With ``model`` a pretrained one is taken as it is or fine-tuned; or cells are mapped
    into an integration that was fitted before.

    Parameters
    ----------
    adata
        Cells of several batches, counts; of anything else bins are learned and decoded.
    batch_key
        ``obs`` column with the batch of each cell.
    labels_key
        ``obs`` column with cell types, known for some cells at least: they keep together. They are
        kept for label transfer too; for that alone set ``cls_weight=0`` and ``supcon_weight=0``.
    model
        None: train a compact model. A pretrained model, its folder or registered name. An
        integrator or its folder: these cells are mapped into its integration, nothing is trained.
    layer, use_raw, gene_key
        Where expression and gene names are; see :func:`scmamba.pp.expression`.
    unlabeled_category
        What marks an unlabelled cell beside NaN, in any case.
    mode
        With a pretrained model: ``"zero-shot"`` (nothing is trained, the same as ``"auto"``), or
        ``"finetune"``.
    n_top_genes
        Genes, highly variable within batches, to learn from and to decode; None: all.
    correct
        Also write expression without batch effects: True for the average over batches, or the name
        of the batch as of which every cell is decoded.
    nb_weight, kl_weight, contrast_weight, gep_weight, mvc_weight, ecs_weight, dab_weight, \
    cls_weight, supcon_weight
        Of the objectives; 0: off; None: as preset. ``nb`` is the likelihood of a cell's counts,
        ``kl`` the prior of the latent, ``contrast`` two gene subsets of a cell that find one
        another, ``gep`` and ``mvc`` masked gene expression from tokens and from the cell embedding
        (zeros included), ``ecs`` elastic cell similarity, ``dab`` the adversary that guesses the
        batch, ``cls`` the classes of labelled cells, ``supcon`` labelled cells that find those of
        their label in all batches.
    explicit_zero
        Give ``gep`` and ``mvc`` a probability of being expressed.
    n_layer
        Mamba layers of a compact model, which come in once it is trained without them. 0: none.
        None: two, kept if they explain held-out cells better and mix batches no worse.
    key_added
        Prefix of what is written.
    copy
        Write to a copy, which is returned too.
    seed
        Of all that is random; None: ``settings.seed``.

    Returns
    -------
    The integrator, or (copy, integrator) where ``copy=True``. Written are
    ``obsm["X_scmamba"]`` (n_obs, d); ``uns["scmamba"]``; with ``correct``
    ``layers["scmamba_corrected"]``, in counts or bins as ``uns`` says, sparse, empty for genes
    that were not learned from; for mapped cells ``obs["scmamba_distance"]`` to the reference (1 is
    usual within it) and, where the reference has labels, ``obs["scmamba_cell_type"]`` and
    ``obs["scmamba_confidence"]``, the share of the nearest reference cells that agree.

    Raises
    ------
    ScmambaError
        An input cannot be used; ``adata`` is then untouched.
    """
    used = settings.seed if seed is None else seed
    weights = {
        "nb": nb_weight,
        "kl": kl_weight,
        "contrast": contrast_weight,
        "gep": gep_weight,
        "mvc": mvc_weight,
        "ecs": ecs_weight,
        "dab": dab_weight,
        "cls": cls_weight,
        "supcon": supcon_weight,
    }
    training = {f"{name}_weight": weight for name, weight in weights.items()}
    training |= {"n_layer": n_layer, "explicit_zero": explicit_zero or None}
    check_shape(adata)
    fitted = _saved(model)
    check_options(
        mode,
        model,
        fitted is not None,
        training,
        seed=used,
        n_top_genes=n_top_genes,
        n_layer=n_layer,
    )
    check_writable(adata, copy)
    names = batches(adata.obs, batch_key, "adata.obs")
    as_of = AVERAGE if correct is True else str(correct)
    mapped: Mapped | None = None
    if fitted is None:
        check_batches(names, batch_key)
        check_correct(correct, as_of, names, model, mode)
        labels = None
        if labels_key is not None:
            labels = read_labels(adata.obs, labels_key, unlabeled_category, "adata.obs")
            tell_overlap(names, labels)
        found = expression(adata, layer=layer, use_raw=use_raw, gene_key=gene_key)
        recipe = _recipe(found, weights, explicit_zero, n_layer, model, used)
        assert not isinstance(model, Integrator)
        task = FitTask(found, names, labels, n_top_genes, recipe)
        if correct is not False:
            task.check_decodes()
        fitted = task.fit(model, mode)
        embedding = fitted.reference.embedding
    else:
        if correct is not False:
            fitted.check_decodes(as_of)
        found = expression(adata, layer=layer, use_raw=use_raw, gene_key=gene_key)
        mapped = fitted.place(found, names)
        embedding = mapped.embedding
    corrected = None
    if correct is not False:
        columns = gene_names(adata.var, gene_key, "adata.var")
        corrected = fitted.corrected_like(found, columns, embedding, as_of)
    result, keys = duplicate(adata) if copy else adata, Keys(key_added)
    result.obsm[keys.embedding] = embedding
    if corrected is not None:
        result.layers[keys.corrected] = corrected
    if mapped is not None:
        colors = label_colors(adata.obs, adata.uns, labels_key)
        _write_mapped(result, keys, mapped, fitted, colors)
    write_empty(result, keys, np.diff(found.X.indptr) == 0)
    result.uns[keys.uns] = about(
        "integrate",
        batch_key=batch_key,
        batches=fitted.batches,
        corrected=None if correct is False else fitted.unit,
        corrected_as=None if correct is False else as_of,
        normed_as=None if mapped is None else mapped.normed_as,
        **fitted.about,
    )
    return (result, fitted) if copy else fitted


def _saved(model: object) -> Integrator | None:
    """The integrator that ``model`` is or names, or None."""
    if isinstance(model, Integrator):
        return model
    if isinstance(model, (str, os.PathLike)) and is_integrator(model):
        return Integrator.load(Path(model))
    return None


def _recipe(
    found: Expression,
    weights: dict[str, float | None],
    explicit_zero: bool,
    n_layer: int | None,
    model: object,
    seed: int,
) -> Recipe:
    n_cells = found.X.shape[0]
    made = recipe_for(n_cells, seed) if model is None else finetune_recipe(n_cells, seed)
    if not found.integer:
        logger.warning(
            "%s holds values that are no counts: bins are learned and decoded instead; for counts "
            'name a layer that holds them (layer="counts")',
            found.source,
        )
        made = for_bins(made)
    if n_layer is not None:
        made = replace(made, n_layer=n_layer, keep_layers=True)
    return replace(made, weights=made.weights.replace(**weights), explicit_zero=explicit_zero)


def _write_mapped(
    result: AnnData, keys: Keys, mapped: Mapped, fitted: Integrator, colors: dict[str, str]
) -> None:
    result.obs[keys.distance] = mapped.near.distance
    if not fitted.classes:
        return
    codes = mapped.near.codes
    names = [fitted.classes[code] if code >= 0 else UNKNOWN for code in codes]
    write_categories(result, keys.cell_type, names, fitted.classes, colors)
    result.obs[keys.confidence] = mapped.near.share
