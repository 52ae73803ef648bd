"""Several modalities of cells in one embedding, and each imputed from the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from anndata import AnnData

from scmamba._keys import PREFIX
from scmamba._log import logger
from scmamba.jobs import AnyPath
from scmamba.learn.training import MultiomicsObjectives, MultiomicsTraining
from scmamba.models import CellModel
from scmamba.tasks._labels import read_batches, read_labels
from scmamba.tasks._multiomics.files import check_output, opened, save
from scmamba.tasks._multiomics.fit import FitTask
from scmamba.tasks._multiomics.model import MultiomicsModel
from scmamba.tasks._multiomics.reading import Input, read_input
from scmamba.tasks._multiomics.sizes import Order
from scmamba.tasks._multiomics.writing import check_impute, results_of, write
from scmamba.tasks._multiomics_request import MultiomicsRequest

if TYPE_CHECKING:
    from mudata import MuData


def multiomics(
    data: MuData | AnnData | Mapping[str, AnnData] | Sequence[Any] | AnyPath,
    *,
    batch_key: str | None = None,
    labels_key: str | None = None,
    model: MultiomicsModel | CellModel | AnyPath | None = None,
    modalities: Mapping[str, str] | None = None,
    layer: str | Mapping[str, str] | None = None,
    impute: bool = False,
    order: Order = "genome",
    n_top_genes: int | None = 2000,
    training: MultiomicsTraining | None = None,
    objectives: MultiomicsObjectives | None = None,
    key_added: str = PREFIX,
    seed: int | None = None,
    output: AnyPath | None = None,
) -> MultiomicsModel:
    """Embed cells with RNA, surface proteins and open chromatin together.

    A network explains each modality of a cell by one latent: genes by negative binomials, proteins
    by mixtures of background and signal, peaks by the probability that each is open. In training
    it sees random subsets of a cell's modalities and explains all that were measured, so that
    cells with any subset have a place in the embedding, and a modality that was not measured can
    be imputed. How reliable imputed values are is measured on cells that are held out at first.

    Parameters
    ----------
    data
        MuData with modalities ``rna``, ``prot`` (or ``adt``) and ``atac``, two of them at least;
        AnnData with ``obsm["protein_expression"]`` or ``var["feature_types"]``; or AnnData by
        modality, whose cells are matched by name; a list of these; or the path of one (``.h5mu``,
        ``.zarr``, ``.h5ad``, 10x ``.h5`` file or mtx folder). Cells may lack modalities. Counts, or
        values from which counts can be recovered.
    batch_key
        ``obs`` column with the batch of each cell, whose effects are removed. None: one batch.
    labels_key
        ``obs`` column with cell types, known for some cells, which are transferred to others.
    model
        None: a model is fitted. A fitted one or its folder: the cells are mapped into it, without
        training; ``labels_key``, ``order``, ``n_top_genes``, ``training`` and ``objectives`` are
        refused. A pretrained model of cells, its folder or registered name: a model is fitted whose
        genes, batches and modalities start at the vectors of that model, and whose Mamba
        layers (``training=MultiomicsTraining(n_layer=2)``) start as its first ones, at its width.
    modalities
        Names of modalities in the data by ours, ``{"rna": "GEX", "prot": "ADT"}``, where they
        differ; others are left out.
    layer
        Layer that holds counts, for all modalities or by modality; None: X.
    impute
        Also write imputed values of every modality.
    order
        Order of the tokens in Mamba layers, and in which neighbors of peaks are looked for:
        ``"genome"``, ``"vocabulary"`` (by name) or ``"shuffled"``. Peaks say where they are; genes
        do where ``var`` of RNA has ``chrom``, ``start`` and ``end``, or ``interval``, else they
        stand before the peaks.
    n_top_genes
        Genes, variable within batches, that are modeled; None: all. All proteins and peaks are.
    training
        Epochs, rate, Mamba layers, ...; None: chosen by the number of cells, without layers.
    objectives
        Weights of the objectives; None: the defaults.
    key_added
        Prefix of the keys under which results are written.
    seed
        Random seed; None: ``settings.seed``.
    output
        For a path: the file to write, a copy of the cells with the results, as .h5mu where the
        input is a MuData, else as .h5ad.

    Returns
    -------
    The fitted model. Written to ``data``, at the top of a MuData, or to each AnnData of a mapping:
    ``obsm["X_scmamba"]`` (n_obs, n_latent) from all modalities of a cell,
    ``obsm["X_scmamba_rna"]`` ... from one alone (NaN where it was not measured),
    ``obs["scmamba_weight_rna"]`` ..., the part of each modality in the embedding, and
    ``uns["scmamba"]`` with how many cells and features of each modality were measured in which
    batch. With ``labels_key`` or for mapped cells of a
    model with labels: ``obs["scmamba_cell_type"]`` and ``obs["scmamba_confidence"]``, the fraction
    of the nearest fitted cells that agree. With ``impute``: ``layers["scmamba_imputed"]`` of each
    modality and ``var["scmamba_reliability"]``; of proteins in ``obsm``,
    ``obsm["scmamba_imputed_prot"]``. A layer holds the cells of its modality alone;
    ``model.impute(data, "prot")`` returns all cells.

    Raises
    ------
    ScmambaError
        An input cannot be used. ``data`` is then unchanged.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.tasks import MultiomicsTraining, multiomics
    >>> scmamba.settings.verbosity = "error"
    >>> cells = scmamba.datasets.synthetic_multiome(60)
    >>> quick = MultiomicsTraining(epochs=1, n_latent=5)
    >>> model = multiomics(cells, training=quick)
    >>> cells["rna"].obsm["X_scmamba"].shape, model.names
    ((60, 5), ('rna', 'prot', 'atac'))
    """
    request = MultiomicsRequest.of(
        batch_key=batch_key,
        labels_key=labels_key,
        model=model,
        modalities=modalities,
        layer=layer,
        impute=impute,
        order=order,
        n_top_genes=n_top_genes,
        training=training,
        objectives=objectives,
        key_added=key_added,
        seed=seed,
    )
    check_output(data, output)
    data = opened(data)
    given = read_input(data, modalities, layer, batch_key)
    if request.impute:
        check_impute(given)
    fitted = request.saved or _fit(given, request)
    write(data, results_of(given, fitted, request), request.keys)
    if output is not None:
        save(data, output)
    return fitted


def _fit(given: Input, request: MultiomicsRequest) -> MultiomicsModel:
    if len(given.names) == 1:
        logger.warning("the one modality is %r; for RNA alone, integrate is meant", *given.names)
    n = len(given.obs)
    names: Any = np.full(n, "", dtype=object)
    if request.batch_key is not None:
        names = read_batches(given.obs, request.batch_key, "obs")
    labels = None
    if request.labels_key is not None:
        labels = read_labels(given.obs, request.labels_key, "unknown", "obs")
    recipe = request.recipe()
    return FitTask(given, names, labels, request.n_top_genes, recipe).fit()
