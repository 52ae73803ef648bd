"""Batches brought together: an embedding without batch effects, and expression without them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from anndata import AnnData
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._keys import PREFIX, UNKNOWN, Keys
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.models import CellModel
from scmamba.pp.expression import Expression, check_shape, expression, gene_names
from scmamba.tasks._annotation.labels import Labels, read_labels
from scmamba.tasks._integration.integrator import (
    AVERAGE,
    Integrator,
    Mapped,
    check_batch,
    is_integrator,
)
from scmamba.tasks._integration.recipe import Recipe, finetune_recipe, for_bins, recipe_for
from scmamba.tasks._integration.task import FitTask
from scmamba.tasks._write import about, check_writable, duplicate, label_colors, write_categories
from scmamba.tasks.embed import batches, write_empty
from scmamba.tokens.genes import resolve

MODES = ("auto", "zero-shot", "finetune")


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
    gep_weight: float | None = None,
    mvc_weight: float | None = None,
    ecs_weight: float | None = None,
    dab_weight: float | None = None,
    cls_weight: float | None = None,
    explicit_zero: bool = False,
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
        kept for label transfer too; for that alone set ``cls_weight=0``.
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
    gep_weight, mvc_weight, ecs_weight, dab_weight, cls_weight
        Of masked gene expression from tokens and from the cell embedding, elastic cell similarity,
        the adversary and classes; 0: off; None: as preset.
    explicit_zero
        Give ``gep`` and ``mvc`` a probability of being expressed.
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
    _check(adata, mode, model, n_top_genes, used)
    check_writable(adata, copy)
    names = batches(adata.obs, batch_key, "adata.obs")
    fitted = _saved(model)
    mapped: Mapped | None = None
    as_of = AVERAGE if correct is True else str(correct)
    if fitted is not None and correct is not False:
        fitted.check_decodes(as_of)
    if fitted is None:
        _check_batches(names, batch_key)
        _check_correct(correct, as_of, names, model, mode)
        labels = None
        if labels_key is not None:
            labels = read_labels(adata.obs, labels_key, unlabeled_category, "adata.obs")
            _tell_overlap(names, labels)
        weights = {"gep": gep_weight, "mvc": mvc_weight, "ecs": ecs_weight, "dab": dab_weight}
        found = expression(adata, layer=layer, use_raw=use_raw, gene_key=gene_key)
        recipe = _recipe(found, {**weights, "cls": cls_weight}, explicit_zero, model, used)
        assert not isinstance(model, Integrator)
        fitted = FitTask(found, names, labels, n_top_genes, recipe).fit(model, mode)
        embedding = fitted.reference.embedding
    else:
        found = expression(adata, layer=layer, use_raw=use_raw, gene_key=gene_key)
        mapped = fitted.place(found, names)
        embedding = mapped.embedding
    corrected = None
    if correct is not False:
        corrected = _corrected(fitted, adata, found, gene_key, embedding, as_of)
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


def _check(adata: object, mode: str, model: object, n_top_genes: int | None, seed: int) -> None:
    check_shape(adata)
    if mode not in MODES:
        raise ScmambaError(f"mode={mode!r}; allowed: {', '.join(map(repr, MODES))}")
    if model is None and mode != "auto":
        raise ScmambaError(
            f"mode={mode!r} needs a pretrained model: give model=, or leave mode='auto' to train a "
            "compact model on these cells"
        )
    for option, number, least in (("seed", seed, 0), ("n_top_genes", n_top_genes, 1)):
        if number is not None and number < least:
            raise ScmambaError(f"{option}={number}; give {least} or more")


def _check_correct(
    correct: bool | str, as_of: str, names: npt.NDArray[np.object_], model: object, mode: str
) -> None:
    if correct is False:
        return
    if model is not None and mode != "finetune":
        raise ScmambaError(
            "correct= needs a model that decodes expression, and a pretrained one that is taken as "
            "it is does not: give mode='finetune', or model=None"
        )
    check_batch(as_of, tuple(sorted(set(names.tolist()))))


def _saved(model: object) -> Integrator | None:
    """The integrator that ``model`` is or names, or None."""
    if isinstance(model, Integrator):
        return model
    if isinstance(model, (str, os.PathLike)) and is_integrator(model):
        return Integrator.load(Path(model))
    return None


def _check_batches(names: npt.NDArray[np.object_], batch_key: str) -> None:
    found, sizes = np.unique(names.astype(str), return_counts=True)
    if len(found) < 2:
        raise ScmambaError(
            f"adata.obs[{batch_key!r}] holds one batch only ({str(found[0])!r}): nothing "
            "to integrate; name a column with two batches or more, or map these cells into an "
            "integration: model="
        )
    if len(found) > max(_FEW_BATCHES, len(names) / 2):
        raise ScmambaError(
            f"adata.obs[{batch_key!r}] holds {len(found):,} different values for {len(names):,} "
            "cells; name a column of which each value stands for several cells"
        )
    if small := [str(name) for name, n in zip(found, sizes, strict=True) if n < _FEW_CELLS]:
        logger.warning(
            "batch(es) of fewer than %d cells, normed much like the others: %s",
            _FEW_CELLS,
            ", ".join(small),
        )


_FEW_BATCHES = 10
"""So many values are taken for batches however few the cells are."""
_FEW_CELLS = 10


def _tell_overlap(names: npt.NDArray[np.object_], labels: Labels) -> None:
    """Warn of batches that share no known label with another one."""
    rows = labels.rows
    types = {name: set(labels.codes[rows][names[rows] == name]) for name in set(names.tolist())}
    alone = [
        str(name)
        for name, own in sorted(types.items())
        if own and not any(own & other for key, other in types.items() if key != name)
    ]
    if alone:
        logger.warning(
            "batch(es) without a cell type in common with any other: %s; corrected all the same, "
            "but differences between batches and between cell types cannot be told apart there",
            ", ".join(alone),
        )


def _recipe(
    found: Expression,
    weights: dict[str, float | None],
    explicit_zero: bool,
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
    return replace(made, weights=made.weights.replace(**weights), explicit_zero=explicit_zero)


def _corrected(
    fitted: Integrator,
    adata: AnnData,
    found: Expression,
    gene_key: str | None,
    embedding: npt.NDArray[np.float32],
    batch: str,
) -> sparse.csr_matrix:
    """(n_obs, n_vars) decoded expression, in the columns of the genes that are decoded."""
    depth = np.zeros(adata.n_obs)
    if fitted.unit == "counts":
        depth = np.asarray(fitted.panel.raw(found, fitted.panel.match(found)).sum(1)).ravel()
    decoded = fitted.corrected(embedding, depth, batch).tocsc()
    names = gene_names(adata.var, gene_key, "adata.var").tolist()
    match = resolve(fitted.panel.names, names)
    there = np.flatnonzero(match.index >= 0)
    place = sparse.csr_matrix(
        (np.ones(len(there), np.float32), (there, match.index[there])),
        shape=(decoded.shape[1], adata.n_vars),
    )
    return (decoded @ place).tocsr()


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
