"""What an embedding call asks for, and how a block of cells is embedded."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._keys import Keys
from scmamba._settings import settings
from scmamba.jobs import Job, Jobs, Results, about, digest, identity
from scmamba.models import CellModel
from scmamba.pp.expression import Expression, gene_names
from scmamba.stream.expressions import Expressions
from scmamba.tasks._checks import check_at_least, flag_empty
from scmamba.tasks._forward import block_values, cell_data, forward
from scmamba.tasks._labels import read_batches
from scmamba.tasks._pretrained import model_genes
from scmamba.tasks._prompts import prompt_ids, with_prompts
from scmamba.tokens.cells.genes import GeneMatch, resolve


@dataclass(frozen=True)
class EmbeddingRequest:
    """Options of :func:`scmamba.tasks.embed`, checked.

    Attributes
    ----------
    keys
        Names under which results are written.
    seed
        Random seed; None was replaced with ``settings.seed``.
    normalize, gene_embeddings, batch_key, tissue, assay, layer, use_raw, gene_key, max_length
        As given.
    """

    keys: Keys
    seed: int
    normalize: bool = True
    gene_embeddings: bool = False
    batch_key: str | None = None
    tissue: str | None = None
    assay: str | None = None
    layer: str | None = None
    use_raw: bool | None = None
    gene_key: str | None = None
    max_length: int | None = None

    def __post_init__(self) -> None:
        check_at_least({"seed": 0, "max_length": 1}, seed=self.seed, max_length=self.max_length)

    @classmethod
    def of(cls, key_added: str, seed: int | None, **options: object) -> EmbeddingRequest:
        """Check the options of a call."""
        used = settings.seed if seed is None else seed
        return cls(Keys(key_added), used, **options)  # type: ignore[arg-type]

    def digest(self, model: CellModel, domains: npt.NDArray[np.object_] | None) -> str:
        """Return one text that stands for all that decides the results, but for the cells."""
        names = None if domains is None else [self.batch_key, *domains]
        return digest(task="embed", model=identity(model), options=repr(self), domains=names)


@dataclass(frozen=True)
class EmbeddingInput:
    """Cells of one input as the model reads them.

    Attributes
    ----------
    job
        The input and its output.
    expressions
        Expression of the cells.
    match
        Token of each gene.
    domains
        (n_cells,) domain of each cell, for a model that normalizes each by itself.
    prompts
        (n_prompts,) tokens that come before the genes of each cell.
    gene_table
        (n_genes, D) gene embeddings, or None where they are not asked for.
    """

    job: Job
    expressions: Expressions
    match: GeneMatch
    domains: npt.NDArray[np.int64] | None
    prompts: npt.NDArray[np.int64]
    gene_table: npt.NDArray[np.float32] | None


def domain_names(
    jobs: Jobs, model: CellModel, batch_key: str | None
) -> npt.NDArray[np.object_] | None:
    """Return the model's domains in order: the batches of all cells, sorted.

    Returns
    -------
    None where the model normalizes all cells alike.

    Raises
    ------
    ScmambaError
        No column is named, or it holds more batches than the model has domains.
    """
    n = model.config.n_input_norms
    if not n:
        return None
    if batch_key is None:
        raise ScmambaError(
            f"this model normalizes each of its {n} batches by itself; name the obs column with "
            "the batch of each cell: batch_key="
        )
    found = []
    for job in jobs:
        with job.naming_errors():
            found.append(np.unique(read_batches(job.source.obs, batch_key, "adata.obs")))
    names = np.unique(np.concatenate(found))
    if len(names) > n:
        raise ScmambaError(
            f"{batch_key!r} holds {len(names)} batches, the model knows {n}; "
            f"embed the cells of at most {n} batches with it"
        )
    return names


def locate(
    job: Job, request: EmbeddingRequest, model: CellModel, names: npt.NDArray[np.object_] | None
) -> EmbeddingInput:
    """Find expression, genes and domains of one input, all checked before anything is computed."""
    with job.naming_errors():
        found = Expressions.of(
            job.source,
            layer=request.layer,
            use_raw=request.use_raw,
            gene_key=request.gene_key,
            block_values=block_values(model),
            one_unit=model.config.encoder.value_type != "bins",
        )
        match, domains = model_genes(model, found.first), None
        if names is not None and request.batch_key is not None:
            batches = read_batches(job.source.obs, request.batch_key, "adata.obs")
            domains = np.searchsorted(names, batches)
        table = None
        if request.gene_embeddings:
            table = gene_table(job.source.var, model, request.gene_key)
    assert model.vocab is not None
    prompts = prompt_ids(model.vocab, tissue=request.tissue, assay=request.assay)
    return EmbeddingInput(job, found, match, domains, prompts, table)


@dataclass(frozen=True)
class EmbeddedBlock:
    """Embeds blocks of the cells of one input.

    Attributes
    ----------
    model, match, domains, prompts
        The network, the token of each gene, the domain of each cell, and prompts of all.
    normalize, max_length, seed
        As in the request.
    """

    model: CellModel
    match: GeneMatch
    domains: npt.NDArray[np.int64] | None
    prompts: npt.NDArray[np.int64]
    normalize: bool
    max_length: int | None
    seed: int

    @classmethod
    def of(cls, one: EmbeddingInput, model: CellModel, request: EmbeddingRequest) -> EmbeddedBlock:
        """Take what the cells of one input are embedded with."""
        how = request.normalize, request.max_length, request.seed
        return cls(model, one.match, one.domains, one.prompts, *how)

    def __call__(self, rows: slice, values: Expression) -> dict[str, npt.NDArray[np.generic]]:
        """Embed the cells ``rows``.

        Returns
        -------
        ``embedding`` (n, D) float32, and ``empty`` (n,): True where no gene is expressed.
        """
        data = cell_data(
            self.model,
            values,
            self.match,
            max_length=self.max_length,
            seed=self.seed,
            batch_ids=None if self.domains is None else self.domains[rows],
        )
        empty = data.tokens.lengths == 0
        data = replace(data, tokens=with_prompts(data.tokens, self.prompts))
        embedding = forward(self.model, data).embedding
        if self.normalize:
            length = np.linalg.norm(embedding, axis=1, keepdims=True)
            embedding = embedding / np.maximum(length, np.finfo(np.float32).tiny)
        return {"embedding": embedding, "empty": empty}


def embedding_results(one: EmbeddingInput, model: CellModel, request: EmbeddingRequest) -> Results:
    """Gather what is written for one input."""
    keys, results = request.keys, Results()
    results.obsm[keys.embedding] = one.job.kept("embedding")
    flag_empty(results, keys, one.job.kept("empty"), one.job.source.obs)
    if one.gene_table is not None:
        results.varm[keys.gene_embedding] = one.gene_table
    results.uns[keys.uns] = about(
        "embed",
        model=model.name,
        model_sha256=model.sha256,
        seed=request.seed,
        source=one.expressions.first.source,
        genes_matched=one.match.n_matched,
        genes_given=one.match.n_names,
        params={
            "normalize": request.normalize,
            "max_length": request.max_length,
            "gene_key": request.gene_key,
            "tissue": request.tissue,
            "assay": request.assay,
        },
    )
    return results


def gene_table(
    var: pd.DataFrame, model: CellModel, gene_key: str | None
) -> npt.NDArray[np.float32]:
    """(n_vars, D) the model's gene embeddings, NaN for genes that it does not know."""
    names = gene_names(var, gene_key, "adata.var")
    match = resolve(names.tolist(), () if model.vocab is None else model.vocab.tokens)
    known = match.index >= 0
    table = np.full((len(var), model.config.encoder.d_model), np.nan, np.float32)
    weights = model.gene_embedding.norm(model.gene_embedding.embedding.weight.detach())
    table[known] = weights.detach().cpu().numpy()[match.index[known]]
    return table
