"""Zero-shot embeddings of cells and genes from a pretrained model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from anndata import AnnData

from scmamba._errors import ScmambaError
from scmamba._keys import PREFIX, Keys
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.models import CellModel, load
from scmamba.models.loading import is_sequence_model
from scmamba.pp.expression import Expression, gene_names
from scmamba.stream.expressions import Expressions
from scmamba.stream.source import CellSource
from scmamba.tasks._each import each
from scmamba.tasks._forward import block_values, cell_data, forward
from scmamba.tasks._identity import fingerprint, identity
from scmamba.tasks._pairing import places
from scmamba.tasks._places import Place
from scmamba.tasks._write import about
from scmamba.tokens.genes import GeneMatch, resolve

AnyPath = str | os.PathLike[str]


def embed(
    adata: AnnData | AnyPath | Sequence[AnyPath],
    model: CellModel | AnyPath,
    *,
    normalize: bool = True,
    gene_embeddings: bool = False,
    batch_key: str | None = None,
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    max_length: int | None = None,
    key_added: str = PREFIX,
    copy: bool = False,
    seed: int | None = None,
    output: AnyPath | None = None,
) -> AnnData | None:
    """Embed cells with a pretrained model; nothing is trained.

    Parameters
    ----------
    adata
        Cells by genes: counts or log-normalised counts. An AnnData, in memory or backed; or the
        path of an ``.h5ad`` or ``.zarr`` file, or a list of paths, read in blocks of cells.
    model
        A model, a folder with one (of our format or the published one), or a registered name.
    normalize
        Bring each embedding to length 1, as published zero-shot embeddings are.
    gene_embeddings
        Write the model's gene embeddings too; NaN for genes it does not know.
    batch_key
        ``obs`` column with the batch of each cell; needed by models with a domain norm alone. Its
        values, sorted, are the model's domains 0, 1, ...
    layer, use_raw, gene_key
        Where expression and gene names are; see :func:`scmamba.pp.expression`.
    max_length
        At most this many genes a cell, drawn by the cell's own values; None: all.
    key_added
        Prefix of what is written.
    copy
        Return an annotated copy and leave ``adata`` as it is.
    seed
        Of that draw; None: ``settings.seed``.
    output
        With a path, or a backed AnnData: the file to write, a copy of that one with the results
        (the same path writes into it); with a list, the folder of such files. It is there whole or
        not at all, and a call that was killed goes on where it was when it is made again.

    Returns
    -------
    None, or the copy. Written are ``obsm["X_scmamba"]`` (n_obs, D) float32, ``uns["scmamba"]``,
    with ``gene_embeddings`` ``varm["scmamba_gene_embedding"]`` (n_vars, D), and, where there are
    any, ``obs["scmamba_empty"]``: cells in which no gene of the model is expressed, embedded as
    ``<cls>`` alone.

    Raises
    ------
    ScmambaError
        Expression cannot be used, fewer than half of the genes match, or the model does not load.
        ``adata`` is then untouched.
    """
    used = settings.seed if seed is None else seed
    targets = places(adata, output, copy)
    net, keys = pretrained(model), Keys(key_added)
    where = {"layer": layer, "use_raw": use_raw, "gene_key": gene_key}
    params = {"normalize": normalize, "max_length": max_length, "gene_key": gene_key}
    names = _domain_names(targets, net, batch_key)
    call = ""
    if output is not None:
        how = {**params, **where, "seed": used, "gene_embeddings": gene_embeddings}
        batches_of = None if names is None else [batch_key, *names]
        call = fingerprint(task="embed", model=identity(net), keys=key_added, on=batches_of, **how)

    def look(cells: CellSource) -> _Seen:
        found = Expressions.of(
            cells,
            **where,  # type: ignore[arg-type]
            block_values=block_values(net),
            one_unit=net.config.value_type != "bins",
        )
        match = model_genes(net, found.first.var_names)
        return _Seen(found, match, _gene_table(cells.var, net, gene_key, gene_embeddings))

    def do(place: Place, seen: _Seen) -> AnnData:
        cells, match = seen.found.source, seen.match
        domains = None
        if names is not None and batch_key is not None:
            domains = np.searchsorted(names, batches(cells.obs, batch_key, "adata.obs"))

        def work(rows: slice, values: Expression) -> dict[str, npt.NDArray[Any]]:
            ids = None if domains is None else domains[rows]
            data = cell_data(net, values, match, max_length=max_length, seed=used, batch_ids=ids)
            embedding = forward(net, data).embedding
            if normalize:
                length = np.linalg.norm(embedding, axis=1, keepdims=True)
                embedding = embedding / np.maximum(length, np.finfo(np.float32).tiny)
            return {"embedding": embedding, "empty": data.tokens.lengths == 0}

        store = place.compute(seen.found, work, call)

        def fill(result: AnnData) -> None:
            result.obsm[keys.embedding] = store["embedding"]
            write_empty(result, keys, store["empty"])
            if seen.gene_table is not None:
                result.varm[keys.gene_embedding] = seen.gene_table
            result.uns[keys.uns] = about(
                "embed",
                model=net.name,
                model_sha256=net.sha256,
                seed=used,
                source=seen.found.first.source,
                genes_matched=match.n_matched,
                genes_given=match.n_names,
                params=params,
            )

        return place.write(cells, fill)

    result = each(targets, call, look, do)
    return result if copy else None


@dataclass(frozen=True)
class _Seen:
    """What is known of some cells before any is embedded."""

    found: Expressions
    match: GeneMatch
    gene_table: npt.NDArray[np.float32] | None


def pretrained(model: CellModel | str | os.PathLike[str], **changes: Any) -> CellModel:
    """The model itself, or the one that a folder or registered name stands for.

    Raises
    ------
    ScmambaError
        It is none of these, or does not load.
    """
    if isinstance(model, CellModel):
        return model
    if not isinstance(model, (str, os.PathLike)):
        raise ScmambaError(
            f"model={model!r}; allowed: a CellModel, the folder of one, or a registered name"
        )
    if is_sequence_model(model):
        raise ScmambaError(
            f"model={str(model)!r} is a model of DNA or mRNA; for cells give a model of cells, for "
            "sequences call scmamba.tasks.sequence"
        )
    return load(model, **changes)


def model_genes(model: CellModel, var_names: npt.NDArray[np.object_]) -> GeneMatch:
    """Find a data set's genes in a model's vocabulary, at least half of them, and report it."""
    if model.vocab is None:
        raise ScmambaError("the model has no vocabulary; load it from a folder with vocab.json")
    match = resolve(var_names.tolist(), model.vocab.tokens).require()
    logger.info(match.report())
    return match


def write_empty(adata: AnnData, keys: Keys, empty: npt.NDArray[np.bool_]) -> None:
    """Flag cells without a single expressed gene, where there are any or were before."""
    if empty.any():
        logger.warning(
            "%d cell(s) express no gene of the model: kept, flagged in obs[%r]",
            int(empty.sum()),
            keys.empty,
        )
    if empty.any() or keys.empty in adata.obs:
        adata.obs[keys.empty] = empty


def _domain_names(
    targets: list[Place], model: CellModel, batch_key: str | None
) -> npt.NDArray[np.object_] | None:
    """The model's domains in order: the batches of all cells, sorted; None where it has none."""
    n = model.config.n_domains
    if not n:
        return None
    if batch_key is None:
        raise ScmambaError(
            f"this model norms each of its {n} batches by itself; name the obs column with the "
            "batch of each cell: batch_key="
        )
    found = []
    for place in targets:
        with place.open() as cells:
            found.append(np.unique(batches(cells.obs, batch_key, "adata.obs")))
    names = np.unique(np.concatenate(found))
    if len(names) > n:
        raise ScmambaError(
            f"{batch_key!r} holds {len(names)} batches, the model knows {n}; "
            f"embed the cells of at most {n} batches with it"
        )
    return names


def batches(obs: pd.DataFrame, batch_key: str, where: str) -> npt.NDArray[np.object_]:
    """The batch of each cell as text.

    Raises
    ------
    ScmambaError
        The column is missing, or a cell has no batch.
    """
    if batch_key not in obs:
        raise ScmambaError(
            f"batch_key={batch_key!r} is not a column of {where}; it has "
            f"{', '.join(map(repr, obs.columns)) or 'no columns'}"
        )
    column = obs[batch_key]
    if column.isna().any():
        raise ScmambaError(
            f"{where}[{batch_key!r}] is missing for {int(column.isna().sum())} cell(s); fill it in "
            "or drop those cells"
        )
    return column.astype(str).to_numpy(dtype=object)


def _gene_table(
    var: pd.DataFrame, model: CellModel, gene_key: str | None, wanted: bool
) -> npt.NDArray[np.float32] | None:
    """(n_vars, D) the model's gene embeddings, NaN for genes it does not know."""
    if not wanted:
        return None
    assert model.vocab is not None
    names = gene_names(var, gene_key, "adata.var")
    match = resolve(names.tolist(), model.vocab.tokens)
    known = match.index >= 0
    table = np.full((len(var), model.config.d_model), np.nan, np.float32)
    weights = model.gene_embedding.norm(model.gene_embedding.embedding.weight.detach())
    table[known] = weights.detach().cpu().numpy()[match.index[known]]
    return table
