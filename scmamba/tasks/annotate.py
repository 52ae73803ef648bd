"""Cell types from labeled cells, a reference or a saved annotator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, overload

from anndata import AnnData

from scmamba._keys import PREFIX, UNKNOWN
from scmamba.jobs import AnyPath, open_jobs
from scmamba.learn.training import AnnotationTraining
from scmamba.models import CellModel
from scmamba.tasks._annotating import (
    annotate_block,
    call_digest,
    fit_annotator,
    for_annotator,
    locate,
)
from scmamba.tasks._annotation.annotator import Annotator
from scmamba.tasks._annotation_choice import with_annotator
from scmamba.tasks._annotation_labels import labeled_cells, open_references
from scmamba.tasks._annotation_request import AnnotationRequest
from scmamba.tasks._annotation_results import annotation_results

if TYPE_CHECKING:
    from distributed import Client
    from mudata import MuData


@overload
def annotate(
    adata: AnnData | MuData | AnyPath | Sequence[AnyPath],
    reference: AnnData | AnyPath | Sequence[AnnData | AnyPath] | None = None,
    *,
    labels_key: str | None = None,
    unlabeled_category: str = UNKNOWN,
    model: Annotator | CellModel | AnyPath | None = None,
    batch_key: str | None = None,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    mode: str = "auto",
    n_top_genes: int | None = 2000,
    max_error: float = 0.05,
    ood_fpr: float = 0.01,
    class_thresholds: bool | None = None,
    majority_voting: bool | str = False,
    organism: str = "human",
    training: AnnotationTraining | None = None,
    key_added: str = PREFIX,
    copy: Literal[False] = False,
    seed: int | None = None,
    output: AnyPath | None = None,
    client: Client | str | None = None,
) -> Annotator: ...


@overload
def annotate(
    adata: AnnData | MuData,
    reference: AnnData | AnyPath | Sequence[AnnData | AnyPath] | None = None,
    *,
    labels_key: str | None = None,
    unlabeled_category: str = UNKNOWN,
    model: Annotator | CellModel | AnyPath | None = None,
    batch_key: str | None = None,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    mode: str = "auto",
    n_top_genes: int | None = 2000,
    max_error: float = 0.05,
    ood_fpr: float = 0.01,
    class_thresholds: bool | None = None,
    majority_voting: bool | str = False,
    organism: str = "human",
    training: AnnotationTraining | None = None,
    key_added: str = PREFIX,
    copy: Literal[True],
    seed: int | None = None,
    output: None = None,
    client: Client | str | None = None,
) -> tuple[AnnData, Annotator]: ...


def annotate(
    adata: AnnData | MuData | AnyPath | Sequence[AnyPath],
    reference: AnnData | AnyPath | Sequence[AnnData | AnyPath] | None = None,
    *,
    labels_key: str | None = None,
    unlabeled_category: str = UNKNOWN,
    model: Annotator | CellModel | AnyPath | None = None,
    batch_key: str | None = None,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    mode: str = "auto",
    n_top_genes: int | None = 2000,
    max_error: float = 0.05,
    ood_fpr: float = 0.01,
    class_thresholds: bool | None = None,
    majority_voting: bool | str = False,
    organism: str = "human",
    training: AnnotationTraining | None = None,
    key_added: str = PREFIX,
    copy: bool = False,
    seed: int | None = None,
    output: AnyPath | None = None,
    client: Client | str | None = None,
) -> Annotator | tuple[AnnData, Annotator]:
    """Predict the type of each cell, or ``unknown`` where the prediction is not reliable.

    With nothing but cells, the annotator that fits them is found among those that ship with the
    package (:func:`scmamba.models.list`), by its genes and by how many cells are like those it
    learned from; where none fits, an error says how near each is. Else labels come from one of
    three places: ``model``, an annotator (nothing is trained); ``reference``, labeled cells; or
    ``labels_key`` in ``adata.obs``, where some cells are labeled and others are not.

    To learn from labeled cells, a linear component on expression and a neural component on cell
    embeddings are fitted, validated on held-out labeled cells (whole batches where ``batch_key``
    allows), and combined with weights, calibration and thresholds that those cells choose. Where
    there are several batches, the linear component also learns from the expression of the cells
    to annotate.

    Parameters
    ----------
    adata
        Cells to annotate, counts or log-normalized counts: an AnnData, a MuData (its ``rna``), a
        path or a list of paths (``.h5ad``, ``.zarr``, ``.h5mu``, 10x ``.h5`` or mtx folder), which
        are read in blocks.
    reference
        Labeled cells: an AnnData, a path, or a list of these; the genes in common are used.
    labels_key
        ``obs`` column with labels, in ``reference`` or in ``adata``; of several files, each has
        it, and all of them are learned from together.
    unlabeled_category
        Label that marks an unlabeled cell, in upper or lower case, as missing values do.
    model
        An annotator, its folder or the name of one that ships, such as ``"blood"``; or a
        pretrained model, its folder or registered name, from which the neural component starts.
        None: with labels, a compact model is trained from scratch.
    batch_key
        ``obs`` column with the batch or donor of the labeled cells; other cells need none.
    layer
        Layer that holds the expression; None: ``X`` or ``.raw``, whichever holds counts.
    use_raw
        Whether expression is in ``.raw``; None: looked for in ``X`` first.
    gene_key
        ``var`` column of gene symbols or Ensembl ids; None: the index, or a column that matches.
        A ``layer`` or ``gene_key`` that the reference lacks is used for ``adata`` alone.
    mode
        With a pretrained model: ``"initialize"`` (compact networks of the genes at hand start from
        its gene vectors; for models without Mamba layers), ``"probe"`` (frozen), ``"finetune"``
        (all weights), ``"lora"`` (low-rank parts), or ``"auto"``: ``"initialize"`` where that is
        possible, else ``"probe"`` on a CPU and ``"finetune"`` on a GPU.
    n_top_genes
        Highly variable genes to learn from; None: all.
    max_error
        Fraction of wrong labels allowed among cells that are not called ``unknown``. Thresholds
        are the lowest with which, at a confidence of 80 %, it holds for held-out cells.
    ood_fpr
        False positive rate: fraction of held-out cells that may be taken for out of distribution.
    class_thresholds
        Whether each cell type has a threshold of its own, so that ``max_error`` holds for the
        cells predicted to be of each type, whatever the frequencies of types are. False: one
        threshold for all types. None: True where ``batch_key`` names at least two batches.
    majority_voting
        Name of an ``obs`` column with clusters, or True, which clusters the cells finely by Leiden
        on principal components (needs igraph): the type that more than half of a cluster's cells
        have is written too.
    organism
        Species of ``adata``: ``"human"``, or ``"mouse"``, whose symbols are then read as those of
        their one-to-one human orthologs. That is an approximation: no table of orthologs ships, and
        a mouse symbol that is a human one in upper case (``Cd3e``, ``CD3E``) is taken for it.
    training
        Training of the neural component; None: chosen by the number of labeled cells.
    key_added
        Prefix of the keys under which results are written.
    copy
        Write to a copy, which is returned too.
    seed
        Random seed; None: ``settings.seed``.
    output
        For a path or a backed AnnData: the file to write, a copy with the results added (the same
        path writes into it); for a list of paths, the folder of such files. Files are written
        atomically, and rerunning an interrupted call resumes it. From files, all labeled cells
        and at most 20,000 others, sampled by ``seed``, are used for training; beside a reference,
        genes and cells of the first file of a list.
    client
        A ``distributed.Client`` or the address of its scheduler: blocks of cells are annotated by
        the workers of that cluster, each of which handles one at a time; None: here.

    Returns
    -------
    The annotator, or (copy, annotator) with ``copy=True``. Written are, in ``obs``,
    ``scmamba_cell_type`` (with ``unknown``; cells that carry a label keep it),
    ``scmamba_best_guess`` (never unknown), ``scmamba_confidence`` in [0, 1],
    ``scmamba_ood_score`` and ``scmamba_reason`` (why a cell is unknown: ``low confidence``,
    ``out of distribution``, ``type not validated`` or ``no gene expressed``), with
    ``majority_voting`` also ``scmamba_majority_voting``; by an annotator with two levels, such as
    those that ship, ``scmamba_cell_type_coarse`` (may be known where the fine type is not) and
    ``scmamba_cell_type_ontology_term_id`` (Cell Ontology id of the finer of both);
    ``obsm["X_scmamba"]`` (n_obs, D); ``uns["scmamba"]``, and ``uns["scmamba_validation"]``, the
    table ``annotator.validation``.

    Raises
    ------
    ScmambaError
        An input cannot be used, no annotator that ships fits, or an output cannot be written.
        ``adata`` is then unchanged.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.tasks.annotate import AnnotationTraining, annotate
    >>> scmamba.settings.verbosity = "error"
    >>> cells = scmamba.datasets.synthetic(60, 40, 2, human=True)
    >>> quick = AnnotationTraining(epochs=1, n_layer=0, n_members=1)
    >>> annotate(cells[40:], cells[:40], labels_key="cell_type", training=quick).classes
    ('type_0', 'type_1')
    """
    request = AnnotationRequest.of(
        adata, reference=reference, labels_key=labels_key, unlabeled_category=unlabeled_category,
        model=model, batch_key=batch_key, layer=layer, use_raw=use_raw, gene_key=gene_key,
        mode=mode, n_top_genes=n_top_genes, max_error=max_error, ood_fpr=ood_fpr,
        class_thresholds=class_thresholds, majority_voting=majority_voting, organism=organism,
        training=training, key_added=key_added, seed=seed,
    )  # fmt: skip
    with (
        open_jobs(adata, output, copy=copy, client=client) as jobs,
        open_references(request.references) as references,
    ):
        request = with_annotator(request, jobs)
        cells = labeled_cells(request, jobs, references)
        key = call_digest(request, jobs) if jobs.of_files else ""
        pending = jobs.pending(key)
        annotator = request.saved or jobs.resume(key, Annotator.load)
        inputs = [locate(job, request) for job in (jobs if annotator is None else pending)]
        if annotator is None:
            annotator = fit_annotator(request, cells, inputs)
            jobs.remember(key, annotator.save)
        for one in [one for one in inputs if one.job in pending]:
            found, match = for_annotator(one, annotator)
            one.job.compute(found, key, annotate_block(annotator, match, request))
            own = None if cells is None else cells.own_labels(jobs.rows(one.job))
            colors = {} if cells is None else cells.colors
            results = annotation_results(one.job, annotator, match, request, own, colors)
            one.job.write(results, key)
    return (jobs.result, annotator) if copy else annotator
