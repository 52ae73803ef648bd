"""Genes deleted or overexpressed in a model of cells that were never perturbed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from anndata import AnnData

from scmamba._keys import PREFIX, Keys
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.jobs import AnyPath, Results, about, open_jobs
from scmamba.models import CellModel
from scmamba.tasks._annotation.annotator import Annotator
from scmamba.tasks._checks import check_folder
from scmamba.tasks._integration.integrator import Integrator
from scmamba.tasks._knockout.effects import effect_table
from scmamba.tasks._knockout.opening import open_with_model
from scmamba.tasks._knockout.request import KnockoutRequest, gene_list
from scmamba.tasks._knockout.result import Knockouts
from scmamba.tasks._knockout.survey import Blocks, survey

if TYPE_CHECKING:
    from distributed import Client
    from mudata import MuData


def knockout(
    adata: AnnData | MuData | AnyPath,
    genes: str | Sequence[str],
    *,
    model: CellModel | Annotator | Integrator | AnyPath | None = None,
    kind: Literal["delete", "overexpress"] = "delete",
    goal: str | None = None,
    goal_key: str | None = None,
    n_null: int = 100,
    batch_key: str | None = None,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    key_added: str = PREFIX,
    seed: int | None = None,
    output: AnyPath | None = None,
    client: Client | str | None = None,
) -> Knockouts:
    """Delete or overexpress genes in a model's input, and measure how cells move.

    What a model predicts is an association that it learned from unperturbed cells, not a measured
    effect; compare it with :func:`scmamba.tasks.gene_network` by correlation.

    Parameters
    ----------
    adata
        Cells by genes: an AnnData, in memory or backed; a MuData, of which modality ``rna`` is
        taken; or a path, with ``output``.
    genes
        Genes to perturb, each alone.
    model
        A cell model, an annotator or integrator, the folder of one of these or a registered name.
        None: a compact model of these cells, a bag of genes whose embedding is 50 principal
        components. In a bag of genes the effect of a gene is computed without a forward pass of
        the cells.
    kind
        ``"delete"``: the gene's token is left out. ``"overexpress"``: its value is the largest in
        the cell. A model with perturbation flags is given the flag, whatever the kind.
    goal, goal_key
        Label of a goal state and the ``obs`` column that holds it: cells outside the goal are
        perturbed, and the cosine of their shift and the way to the goal's mean is measured.
    n_null
        Random genes of like expression for each gene, which tell its p-value; 0: none. A p-value
        is at least 1 / (``n_null`` + 1), so that one gene of many needs a large number to get a
        small false discovery rate (``Knockouts.smallest_fdr``). The more there are, the less alike
        is their expression.
    batch_key
        ``obs`` column with the batch of each cell, for a model that normalizes each by itself.
    layer, use_raw, gene_key
        Where expression and names of genes are; see :func:`scmamba.pp.expression`.
    key_added
        Prefix of the keys under which results are written.
    seed
        Random seed; None: ``settings.seed``.
    output
        For a path: the file to write, a copy with the results added.
    client
        A ``distributed.Client`` or the address of its scheduler: genes are perturbed by the
        workers of that cluster, each of which handles one at a time; None: here.

    Returns
    -------
    The effects. Written are ``obsm["scmamba_knockout"]`` (n_obs, n_genes), the length of each
    cell's shift (NaN in the goal state), and ``uns["scmamba"]``, with the table of effects.

    Raises
    ------
    ScmambaError
        A gene, label or column is unknown (the error names those that are near), expression cannot
        be used, or the model does not load. Nothing is written then.

    Notes
    -----
    Genes are perturbed in the input as by Theodoris et al., Nature 2023. Expression is decoded from
    the shift of the embedding by ridge regression fitted on the cells as they are.

    Examples
    --------
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> adata = scmamba.datasets.synthetic(60, 30)
    >>> result = scmamba.tasks.knockout(adata, ["gene_1", "gene_2"], n_null=5)
    >>> sorted(result.table.index)
    ['gene_1', 'gene_2']
    """
    where = {"layer": layer, "use_raw": use_raw, "gene_key": gene_key}
    used = settings.seed if seed is None else seed
    names = gene_list(genes)
    request = KnockoutRequest(Keys(key_added), names, kind, goal, goal_key, n_null, used, where)
    check_folder(model, "annotator.json", "integrator.json")
    if 0 < n_null < 20 * len(names) - 1:
        logger.info(
            "p-values are at least %.2g (n_null=%d): only n_null=%d or more lets a single one of "
            "these %d genes have a false discovery rate of .05",
            1 / (n_null + 1),
            n_null,
            20 * len(names) - 1,
            len(names),
        )
    with open_jobs(adata, output, client=client) as jobs:
        job = jobs[0]
        inside = request.in_goal(job.source.obs)
        opened = open_with_model(job, model, batch_key, where, used, names)
        ids, known = opened.ids(names)
        blocks = Blocks(opened, kind, inside)
        seen = survey(blocks, used)
        others = np.setdiff1d(np.array(sorted(known), np.int64), ids)
        table, effects = effect_table(
            blocks,
            names,
            ids,
            others,
            seen.means,
            seen.goal,
            n_null=n_null,
            seed=used,
            executor=job.executor,
        )
        decoded = [seen.columns[i] for i in seen.decoder.genes]
        change = pd.DataFrame(effects.mean @ seen.decoder.weight, table.index, decoded)
        for name, i in zip(names, ids, strict=True):
            if known[int(i)] in change:
                change.loc[name, known[int(i)]] = np.nan

        rows = np.flatnonzero(~blocks.inside)
        shift = np.full((blocks.n_obs, len(names)), np.nan, np.float32)
        shift[rows] = effects.length
        network = opened.reader.model
        results = Results()
        results.obsm[request.keys.knockout] = shift
        results.uns[request.keys.uns] = about(
            "knockout",
            model=network.name,
            seed=used,
            source=opened.located.first.source,
            params={"kind": kind, "genes": names, "n_null": n_null},
        )
        results.uns[request.keys.uns]["effects"] = table.sort_values("shift", ascending=False)
        job.write(results, "")
    index = job.source.obs.index[rows]
    return Knockouts(
        table.sort_values("shift", ascending=False),
        pd.DataFrame(effects.length, index, names),
        change,
        seen.decoder.r2,
        kind,
        network.name or type(model).__name__,
        n_null,
    )
