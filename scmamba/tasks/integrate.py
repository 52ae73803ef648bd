"""Batches integrated: an embedding without batch effects, and expression without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, overload

from anndata import AnnData

from scmamba._keys import PREFIX
from scmamba.jobs import AnyPath, open_jobs
from scmamba.learn.training import IntegrationObjectives, IntegrationTraining
from scmamba.models import CellModel
from scmamba.tasks._integrating import call_digest, check_together, fit_integrator, locate
from scmamba.tasks._integration.integrator import Integrator
from scmamba.tasks._integration_request import IntegrationRequest
from scmamba.tasks._integration_results import CellsToPlace, integration_results

if TYPE_CHECKING:
    from mudata import MuData


@overload
def integrate(
    adata: AnnData | MuData | AnyPath | Sequence[AnyPath],
    batch_key: str,
    *,
    labels_key: str | None = None,
    model: Integrator | CellModel | AnyPath | None = None,
    layer: str | None = None,
    gene_key: str | None = None,
    n_top_genes: int | None = 2000,
    correct: bool | str = False,
    objectives: IntegrationObjectives | None = None,
    training: IntegrationTraining | None = None,
    key_added: str = PREFIX,
    copy: Literal[False] = False,
    seed: int | None = None,
    output: AnyPath | None = None,
) -> Integrator: ...


@overload
def integrate(
    adata: AnnData | MuData,
    batch_key: str,
    *,
    labels_key: str | None = None,
    model: Integrator | CellModel | AnyPath | None = None,
    layer: str | None = None,
    gene_key: str | None = None,
    n_top_genes: int | None = 2000,
    correct: bool | str = False,
    objectives: IntegrationObjectives | None = None,
    training: IntegrationTraining | None = None,
    key_added: str = PREFIX,
    copy: Literal[True],
    seed: int | None = None,
    output: None = None,
) -> tuple[AnnData, Integrator]: ...


def integrate(
    adata: AnnData | MuData | AnyPath | Sequence[AnyPath],
    batch_key: str,
    *,
    labels_key: str | None = None,
    model: Integrator | CellModel | AnyPath | None = None,
    layer: str | None = None,
    gene_key: str | None = None,
    n_top_genes: int | None = 2000,
    correct: bool | str = False,
    objectives: IntegrationObjectives | None = None,
    training: IntegrationTraining | None = None,
    key_added: str = PREFIX,
    copy: bool = False,
    seed: int | None = None,
    output: AnyPath | None = None,
) -> Integrator | tuple[AnnData, Integrator]:
    """Embed cells so that batches mix and cell types stay apart.

    A network is trained on the cells themselves: it explains each cell's counts by a small latent
    vector and the batch, brings two random gene subsets of a cell together, and hides the batch
    from an adversary. With ``model``, it starts from a pretrained one, or that is fine-tuned or
    used as it is; or cells are mapped into an integration that was fitted before. To map cells by
    the workers of a cluster, see :meth:`Integrator.map`.

    Parameters
    ----------
    adata
        Cells of several batches: counts; other values are binned first. An AnnData, in memory or
        backed; a MuData, of which modality ``rna`` is taken; a path (``.h5ad``, ``.zarr``,
        ``.h5mu``, 10x ``.h5`` or mtx folder), or a list of paths, whose cells are integrated
        together over the genes that all of them have. Files are read in blocks of cells.
    batch_key
        ``obs`` column with the batch of each cell; the same name in two files is the same batch.
    labels_key
        ``obs`` column with cell types, known for some cells at least: these are kept together.
        They are also kept for label transfer; for that alone give
        ``objectives=IntegrationObjectives(cls=0, supcon=0)``. Missing values and ``"unknown"`` are
        no labels.
    model
        None: a compact model is trained. A pretrained model, its folder or registered name: of one
        without Mamba layers that reads log-normalized values, such as ``"scmamba-mini"``, the
        compact model takes the gene vectors to start from, and fewer epochs; another one is used as
        it is, or fine-tuned where ``training`` or ``objectives`` is given. An integrator or its
        folder: the cells are mapped into its integration, without training; of a list, each file by
        itself.
    layer
        Layer that holds the expression; None: ``X`` or ``.raw``, whichever holds counts.
    gene_key
        ``var`` column of gene symbols or Ensembl ids; None: the index, or a column that matches.
    n_top_genes
        Genes, highly variable within batches, that are used for training and decoded; None: all.
    correct
        Also write expression without batch effects: True adjusts it to the average batch, the name
        of a batch adjusts it to that batch.
    objectives
        Weights of the objectives; None: a preset for the kind of values.
    training
        Epochs, rate, width, ...; None: chosen by the number of cells.
    key_added
        Prefix of the keys under which results are written.
    copy
        Write to a copy, which is returned too.
    seed
        Random seed; None: ``settings.seed``.
    output
        For a path or a backed AnnData: the file to write, a copy with the results added (the same
        path writes into it); for a list of paths, the folder of such files. Files are written
        atomically, and rerunning an interrupted call resumes it. Of files with more than 100,000
        cells in all (``training.max_cells``), as many are drawn for training, small batches whole;
        all others are mapped.

    Returns
    -------
    The integrator, or (copy, integrator) with ``copy=True``. Written are ``obsm["X_scmamba"]``
    (n_obs, d) and ``uns["scmamba"]``. The embedding holds the ``training.n_latent`` dimensions of
    the latent; of counts without labels, as many principal components follow where batches mix in
    them too. With ``correct``: ``layers["scmamba_corrected"]``, in counts or bins as ``uns`` says,
    sparse, for the genes in ``var["scmamba_decoded"]`` alone. Decoded values are model estimates:
    they vary less than measurements, so do not test for differential expression on them. For mapped
    cells: ``obs["scmamba_distance"]`` to the reference (1 is usual within it) and, where the
    reference has labels, ``obs["scmamba_cell_type"]`` and ``obs["scmamba_confidence"]``, the
    fraction of the nearest reference cells that agree.

    Raises
    ------
    ScmambaError
        An input cannot be used, or an output cannot be written. ``adata`` is then unchanged.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> adata = scmamba.datasets.synthetic(60, 40, 2, n_batches=2, human=True)
    >>> quick = scmamba.tasks.IntegrationTraining(epochs=1, n_layer=0, width=16, n_latent=5)
    >>> integrator = scmamba.tasks.integrate(adata, "batch", training=quick)
    >>> adata.obsm["X_scmamba"].shape, integrator.batches
    ((60, 10), ('batch_0', 'batch_1'))
    """
    request = IntegrationRequest.of(
        batch_key=batch_key,
        labels_key=labels_key,
        model=model,
        layer=layer,
        gene_key=gene_key,
        n_top_genes=n_top_genes,
        correct=correct,
        objectives=objectives,
        training=training,
        key_added=key_added,
        seed=seed,
    )
    with open_jobs(adata, output, copy=copy) as jobs:
        key = call_digest(request, jobs) if jobs.of_files else ""
        pending = jobs.pending(key)
        integrator = request.saved or jobs.resume(key, Integrator.load)
        if integrator is None:
            check_together(request, jobs)
        inputs = [locate(job, request) for job in (jobs if integrator is None else pending)]
        if integrator is None:
            integrator = fit_integrator(request, inputs)
            jobs.remember(key, integrator.save)
        for one in [one for one in inputs if one.job in pending]:
            cells = CellsToPlace.of(one, integrator, request, jobs)
            one.job.compute(cells.one.expressions, key, cells.block(decodes=request.decodes))
            one.job.write(integration_results(cells, request), key)
    return (jobs.result, integrator) if copy else integrator
