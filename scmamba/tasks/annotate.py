"""Cell types from labelled cells, a reference or a saved annotator."""

from __future__ import annotations

import os
from collections.abc import Sequence
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
from scmamba._keys import PREFIX, UNKNOWN, Keys
from scmamba._settings import settings
from scmamba.models import CellModel
from scmamba.pp.expression import Expression, check_shape
from scmamba.stream.expressions import Expressions
from scmamba.stream.source import CellSource, as_path, check_file, open_cells
from scmamba.stream.store import Store
from scmamba.tasks._annotation.annotator import Annotator, is_annotator
from scmamba.tasks._annotation.examples import beside, within
from scmamba.tasks._annotation.labels import Labels, read_labels
from scmamba.tasks._annotation.task import FitTask
from scmamba.tasks._each import each
from scmamba.tasks._forward import block_values
from scmamba.tasks._identity import fingerprint, identity
from scmamba.tasks._pairing import places
from scmamba.tasks._places import Place
from scmamba.tasks._write import about, label_colors, write_categories
from scmamba.tasks.embed import AnyPath, batches, write_empty
from scmamba.tokens.genes import GeneMatch

MODES = ("auto", "probe", "finetune", "lora")


def annotate(
    adata: AnnData | AnyPath | Sequence[AnyPath],
    reference: AnnData | AnyPath | None = None,
    *,
    labels_key: str | None = None,
    unlabeled_category: str = "unknown",
    model: Annotator | CellModel | AnyPath | None = None,
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
    output: AnyPath | None = None,
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
        Cells to annotate: counts or log-normalised counts. An AnnData, in memory or backed; or
        the path of an ``.h5ad`` or ``.zarr`` file, or a list of paths, read in blocks of cells.
    reference
        Labelled cells, an AnnData or a path; its genes may be others, those in common are used.
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
    output
        With a path, or a backed AnnData: the file to write, a copy of that one with the results
        (the same path writes into it); with a list, the folder of such files. It is there whole or
        not at all, and a call that was killed goes on where it was when it is made again. Of a
        file, all labelled cells are learned from and at most 20,000 others, drawn by ``seed``; of
        a list, the first file stands for the others' genes.

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
    reference = as_path(reference)
    where = {"layer": layer, "use_raw": use_raw, "gene_key": gene_key}
    targets = places(adata, output, copy)
    _check(targets, reference, labels_key, model, mode, max_error, false_alarm)
    for option, number, least in (("seed", used, 0), ("n_top_genes", n_top_genes, 1)):
        if number is not None and number < least:
            raise ScmambaError(f"{option}={number}; give {least} or more")
    annotator, keys, colors = _saved(model), Keys(key_added), {}
    new = annotator is None
    call = ""
    if output is not None:
        inside = identity(targets[0].cells) if new else ""
        source = _known(annotator) if annotator else identity(model)
        how = (mode, n_top_genes, max_error, false_alarm, used, key_added)
        what = (labels_key, unlabeled_category, batch_key, identity(reference), inside)
        call = fingerprint(task="annotate", model=source, how=how, what=what, **where)
    if new and reference is not None:
        with open_cells(reference) as cells:
            colors = label_colors(cells.obs, cells.uns, labels_key)

    def read(obs: pd.DataFrame, name: str) -> tuple[Labels, npt.NDArray[np.object_] | None]:
        assert labels_key is not None
        labels = read_labels(obs, labels_key, unlabeled_category, name)
        return labels, None if batch_key is None else batches(obs, batch_key, name)

    def look(cells: CellSource) -> _Seen:
        if not new or reference is not None:
            found = Expressions.of(cells, **where)  # type: ignore[arg-type]
            return _Seen(found, annotator and annotator.match(found.first), None, None)
        labels, groups = read(cells.obs, "adata.obs")
        _partly(labels, str(labels_key), unlabeled_category)
        return _Seen(Expressions.of(cells, **where), None, labels, groups)  # type: ignore[arg-type]

    def learn(seen: _Seen) -> Annotator:
        if seen.labels is not None:
            examples = within(seen.found, seen.labels, seen.groups, used)
        else:
            by = partial(read, name="reference.obs")
            examples = beside(seen.found, reference, by, where, used)  # type: ignore[arg-type]
        assert not isinstance(model, Annotator)
        learned = FitTask(examples, n_top_genes, used).fit(model, mode, max_error, false_alarm)
        targets[0].remember(call, learned.save)
        return learned

    def do(place: Place, seen: _Seen) -> AnnData:
        nonlocal annotator
        if annotator is None:
            annotator = learn(seen)
        said = _predict(annotator, place, seen, call)
        cells, given = seen.found.source, seen.labels
        own = colors if given is None else label_colors(cells.obs, cells.uns, labels_key)

        def fill(result: AnnData) -> None:
            assert annotator is not None
            _write(result, said, annotator, keys, own, given)

        return place.write(cells, fill)

    annotator = annotator or targets[0].recall(call, Annotator.load)
    result = each(targets, call, look, do)
    assert annotator is not None
    return (result, annotator) if copy else annotator  # type: ignore[return-value]


@dataclass(frozen=True)
class _Seen:
    """What is known of some cells before any is annotated."""

    found: Expressions
    match: GeneMatch | None
    labels: Labels | None
    groups: npt.NDArray[np.object_] | None


def _predict(annotator: Annotator, place: Place, seen: _Seen, call: str) -> Store:
    """Annotate all cells, block by block."""
    match = seen.match or annotator.match(seen.found.first)
    found = replace(seen.found, block_values=block_values(*annotator.deep.members))

    def work(rows: slice, values: Expression) -> dict[str, npt.NDArray[Any]]:
        said = annotator.say(annotator.align(values, match))
        kept = {name: getattr(said, name) for name in _KEPT}
        return {"best_guess": said.log_proba.argmax(1), **kept}

    return place.compute(found, work, call)


_KEPT = ("confidence", "ood_score", "unknown", "empty", "embedding")


def _known(annotator: Annotator) -> str:
    """One text that stands for an annotator."""
    members = [identity(member) for member in annotator.deep.members]
    apart = {"deep", "history"}
    rest = {f.name: getattr(annotator, f.name) for f in fields(annotator) if f.name not in apart}
    return str(joblib.hash((members, annotator.deep.head, rest)))


def _check(
    targets: list[Place],
    reference: AnnData | Path | None,
    labels_key: str | None,
    model: object,
    mode: str,
    max_error: float,
    false_alarm: float,
) -> None:
    cells: list[Any] = [place.cells for place in targets]
    for table in (*cells, *(() if reference is None else (reference,))):
        check_file(table) if isinstance(table, Path) else check_shape(table)
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
    if reference is None and len(targets) > 1:
        raise ScmambaError(
            f"labels within {len(targets)} files are not gathered; give the labelled cells as "
            "reference=, or a saved annotator as model="
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


def _partly(labels: Labels, labels_key: str, unlabeled_category: str) -> None:
    if len(labels.rows) == len(labels.codes):
        raise ScmambaError(
            f"every cell of adata.obs[{labels_key!r}] is labelled, so none is left to annotate; "
            f"set those to be predicted to NaN or {unlabeled_category!r}, or pass the labelled "
            "cells as reference="
        )


def _write(
    adata: AnnData,
    said: Store,
    annotator: Annotator,
    keys: Keys,
    colors: dict[str, str],
    given: Labels | None,
) -> None:
    classes = np.array(annotator.classes, dtype=object)
    best_guess = classes[said["best_guess"]]
    cell_type = np.where(said["unknown"], UNKNOWN, best_guess)
    if given is not None:
        cell_type[given.rows] = classes[given.codes[given.rows]]
    write_categories(adata, keys.cell_type, cell_type, annotator.classes, colors)
    write_categories(adata, keys.best_guess, best_guess, annotator.classes, colors)
    adata.obs[keys.confidence] = np.array(said["confidence"])
    adata.obs[keys.ood_score] = np.array(said["ood_score"])
    write_empty(adata, keys, np.array(said["empty"]))
    adata.obsm[keys.embedding] = said["embedding"]
    adata.uns[keys.uns] = about(
        "annotate",
        confidence_threshold=annotator.confidence_threshold,
        ood_threshold=annotator.strangeness.threshold,
        deep_share=annotator.fusion.deep_share,
        validation=annotator.validation,
        **annotator.about,
    )
