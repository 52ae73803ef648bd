"""Embeddings of cells and genes from a pretrained model, without training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, overload

from anndata import AnnData

from scmamba._keys import PREFIX
from scmamba.jobs import AnyPath, open_jobs
from scmamba.models import CellModel
from scmamba.tasks._checks import check_folder
from scmamba.tasks._embedding import (
    EmbeddedBlock,
    EmbeddingRequest,
    domain_names,
    embedding_results,
    locate,
)
from scmamba.tasks._pretrained import pretrained

if TYPE_CHECKING:
    from distributed import Client
    from mudata import MuData


@overload
def embed(
    adata: AnnData | MuData | AnyPath | Sequence[AnyPath],
    model: CellModel | AnyPath,
    *,
    normalize: bool = True,
    gene_embeddings: bool = False,
    batch_key: str | None = None,
    tissue: str | None = None,
    assay: str | None = None,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    max_length: int | None = None,
    key_added: str = PREFIX,
    copy: Literal[False] = False,
    seed: int | None = None,
    output: AnyPath | None = None,
    client: Client | str | None = None,
) -> CellModel: ...


@overload
def embed(
    adata: AnnData | MuData,
    model: CellModel | AnyPath,
    *,
    normalize: bool = True,
    gene_embeddings: bool = False,
    batch_key: str | None = None,
    tissue: str | None = None,
    assay: str | None = None,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    max_length: int | None = None,
    key_added: str = PREFIX,
    copy: Literal[True],
    seed: int | None = None,
    output: None = None,
    client: Client | str | None = None,
) -> tuple[AnnData, CellModel]: ...


def embed(
    adata: AnnData | MuData | AnyPath | Sequence[AnyPath],
    model: CellModel | AnyPath,
    *,
    normalize: bool = True,
    gene_embeddings: bool = False,
    batch_key: str | None = None,
    tissue: str | None = None,
    assay: str | None = None,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    max_length: int | None = None,
    key_added: str = PREFIX,
    copy: bool = False,
    seed: int | None = None,
    output: AnyPath | None = None,
    client: Client | str | None = None,
) -> CellModel | tuple[AnnData, CellModel]:
    """Embed cells with a pretrained model, without training.

    Parameters
    ----------
    adata
        Cells by genes: counts or log-normalized counts. An AnnData, in memory or backed; a MuData,
        of which modality ``rna`` is taken; a path or a list of paths (``.h5ad``, ``.zarr``,
        ``.h5mu``, 10x ``.h5`` or mtx folder), which are read in blocks of cells.
    model
        A model, a folder with one (of our format or the published one), or a registered name.
    normalize
        Scale each embedding to length 1, as published zero-shot embeddings are.
    gene_embeddings
        Also write the model's gene embeddings, NaN for genes that it does not know.
    batch_key
        ``obs`` column with the batch of each cell; only needed by models that normalize each batch
        by itself. Its values, sorted, are the model's domains 0, 1, ...
    tissue, assay
        Prompts that the model was pretrained with, the same for all cells: tokens that it reads
        before the genes. None: no such token.
    layer
        Layer that holds the expression; None: ``X`` or ``.raw``, whichever holds counts.
    use_raw
        Whether expression is in ``.raw``; None: looked for in ``X`` first.
    gene_key
        ``var`` column of gene symbols or Ensembl ids; None: the index, or a column that matches.
    max_length
        Most genes per cell, sampled with a seed that depends on the cell; None: all.
    key_added
        Prefix of the keys under which results are written.
    copy
        Write to a copy, which is returned too.
    seed
        Random seed of that sample; None: ``settings.seed``.
    output
        For a path or a backed AnnData: the file to write, a copy with the results added (the same
        path writes into it); for a list of paths, the folder of such files. Files are written
        atomically, and rerunning an interrupted call resumes it.
    client
        A ``distributed.Client`` or the address of its scheduler: blocks of cells are computed by
        the workers of that cluster, each of which handles one at a time; None: here.

    Returns
    -------
    The model, or (copy, model) with ``copy=True``. Written are ``obsm["X_scmamba"]`` (n_obs, D)
    float32; ``uns["scmamba"]``; with ``gene_embeddings`` ``varm["scmamba_gene_embedding"]``
    (n_vars, D); and, where there are any, ``obs["scmamba_empty"]``: cells in which no gene of the
    model is expressed, embedded as ``<cls>`` alone.

    Raises
    ------
    ScmambaError
        Expression cannot be used, fewer than half of the genes match, the model does not load or
        knows no such prompt, or an output cannot be written. ``adata`` is then unchanged.

    Examples
    --------
    >>> import torch
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> adata = scmamba.datasets.synthetic(20, 30, human=True)
    >>> model = scmamba.models.CellModel(
    ...     scmamba.models.preset("mini", n_genes=33, d_model=16, n_layer=1)
    ... )
    >>> model.vocab = scmamba.tokens.Vocab(list(adata.var_names))
    >>> _ = scmamba.tasks.embed(adata, model)
    >>> adata.obsm["X_scmamba"].shape
    (20, 16)
    """
    request = EmbeddingRequest.of(
        key_added,
        seed,
        normalize=normalize,
        gene_embeddings=gene_embeddings,
        batch_key=batch_key,
        tissue=tissue,
        assay=assay,
        layer=layer,
        use_raw=use_raw,
        gene_key=gene_key,
        max_length=max_length,
    )
    check_folder(model)
    with open_jobs(adata, output, copy=copy, client=client) as jobs:
        network = pretrained(model)
        domains = domain_names(jobs, network, batch_key)
        key = request.digest(network, domains) if jobs.of_files else ""
        for one in [locate(job, request, network, domains) for job in jobs.pending(key)]:
            one.job.compute(one.expressions, key, EmbeddedBlock.of(one, network, request))
            one.job.write(embedding_results(one, network, request), key)
    return (jobs.result, network) if copy else network
