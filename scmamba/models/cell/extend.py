"""Genes placed in a cell model by their sequences.

Pooled embeddings of transcripts or promoters stand in for what a cell model would have learned of a
gene: as a start for all genes (:func:`start_from_sequences`), or, through a linear map fitted on
genes that both know, as tokens for genes outside its vocabulary or of another species
(:func:`extend_genes`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._settings import settings
from scmamba.models.cell.model import CellModel
from scmamba.models.cell.ridge import Ridge, fit_ridge
from scmamba.models.checkpoint.weights import fill
from scmamba.nn.lora import merged_state_dict
from scmamba.tokens.cells.vocab import Vocab

FEWEST = 20
"""Genes that model and table must share for a map to be fitted."""

_TABLE = "gene_embedding.embedding.weight"


@dataclass(frozen=True)
class Extended:
    """A cell model that knows more genes.

    Attributes
    ----------
    model
        The model; all it computes on genes that it knew is what it was.
    added
        The new genes, in the order of their ids, behind those known before.
    embedding_map
        The map from sequence embeddings (standardised) to gene embeddings; its ``r2`` on held-out
        shared genes says what sequences told: 0 means nothing, and every new gene then gets the
        mean of the known ones.
    n_shared
        Genes that the map was fitted on.
    """

    model: CellModel
    added: tuple[str, ...]
    embedding_map: Ridge
    n_shared: int

    def __str__(self) -> str:
        told = f"explains {self.embedding_map.r2:.1%} of the variance of held-out gene embeddings"
        return (
            f"{len(self.added):,} genes added from their sequences by a map fitted on "
            f"{self.n_shared:,} shared genes, which {told} (penalty {self.embedding_map.penalty:g})"
        )


def extend_genes(
    model: CellModel,
    genes: Sequence[str],
    embeddings: npt.ArrayLike,
    *,
    n_folds: int = 5,
    seed: int | None = None,
) -> Extended:
    """Add genes to a cell model, placed by their sequences.

    Genes of the table that the model knows serve to fit a ridge regression from sequence embedding
    to gene embedding; its penalty is chosen on held-out genes. The others are added, each where
    the map puts it, as far from the mean as known genes are (a regression alone puts them nearer,
    and a token near the mean says little to the model). Genes of another species are placed the
    same way, if the table holds genes of the model's species too, embedded by the same sequence
    model. Nothing is trained.

    Parameters
    ----------
    model
        Stays as it is.
    genes
        (n,) names, each once, those the model knows as its vocabulary spells them.
    embeddings
        (n, d) one pooled embedding a gene: what :func:`scmamba.tasks.sequence.embed` writes into
        ``obsm["X_scmamba"]``, for example.
    n_folds
        Parts of the shared genes that are held out in turn.
    seed
        Of the parts; None: ``settings.seed``.

    Returns
    -------
    The new model, on the device of the old one, and what was done.

    Raises
    ------
    ScmambaError
        The model has no vocabulary, the table is odd, no gene is new, or fewer than 20 are shared.
    """
    if model.vocab is None:
        raise ScmambaError("the model has no vocabulary; set model.vocab or load it with one")
    rows = _table(genes, embeddings)
    index = model.vocab.index(genes)
    known, added = index >= 0, tuple(g for g, i in zip(genes, index, strict=True) if i < 0)
    if known.sum() < FEWEST or not added:
        raise ScmambaError(
            f"{known.sum()} of {len(index)} genes are in the model's vocabulary and {len(added)} "
            f"are not; give at least {FEWEST} that are, spelled as there (such as "
            f"{', '.join(model.vocab.genes[:3])}), and at least one that is not"
        )
    state = merged_state_dict(model)
    table = state[_TABLE].double().cpu().numpy()
    used = settings.seed if seed is None else seed
    embedding_map = fit_ridge(rows[known], table[index[known]], n_folds=n_folds, seed=used)
    vocab = Vocab([*model.vocab.tokens, *added])
    n_before = model.config.encoder.n_genes
    config = model.config.replace(n_genes=max(n_before, len(vocab)))
    learned = torch.from_numpy(np.sort(model.vocab.index(model.vocab.genes)))
    grown = {
        name: _grown(t, n_before, config.encoder.n_genes, learned) for name, t in state.items()
    }
    place = slice(len(model.vocab), len(vocab))
    grown[_TABLE][place] = torch.from_numpy(embedding_map.predict(rows[~known], restore=True)).to(
        grown[_TABLE]
    )
    new = fill(lambda: CellModel(config), grown, source="the extended model").model
    new.vocab, new.report = vocab, model.report
    new.name = None if model.name is None else f"{model.name} and {len(added)} genes"
    result = Extended(
        new.to(next(model.parameters()).device), added, embedding_map, int(known.sum())
    )
    (logger.info if embedding_map.r2 > 0 else logger.warning)("%s", result)
    return result


def start_from_sequences(model: CellModel, genes: Sequence[str], embeddings: npt.ArrayLike) -> int:
    """Start the gene embeddings of a model to be trained from sequence embeddings, in place.

    Standardised embeddings are brought to at most ``d_model`` principal components, strongest
    first; see :meth:`CellModel.init_gene_embedding`.

    Parameters
    ----------
    model
        With a vocabulary.
    genes, embeddings
        As in :func:`extend_genes`; genes that the model does not know are passed over.

    Returns
    -------
    The number of genes set; the others keep their start.

    Raises
    ------
    ScmambaError
        The model has no vocabulary, the table is odd, or it holds none of the model's genes.
    """
    if model.vocab is None:
        raise ScmambaError("the model has no vocabulary; set model.vocab first")
    rows = _table(genes, embeddings)
    index = model.vocab.index(genes)
    known = index >= 0
    if not known.any():
        raise ScmambaError(
            f"none of the {len(index)} genes is in the model's vocabulary; spell them as there "
            f"(such as {', '.join(model.vocab.genes[:3])})"
        )
    rows = rows[known]
    spread = rows.std(0)
    standard = (rows - rows.mean(0)) / np.where(spread > 0, spread, 1)
    left, strength, _ = np.linalg.svd(standard, full_matrices=False)
    width = min(model.config.encoder.d_model, int((strength > 1e-8 * strength[0]).sum()) or 1)
    model.init_gene_embedding(left[:, :width] * strength[:width], index[known])
    return int(known.sum())


def _table(genes: Sequence[str], embeddings: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """``embeddings`` as numbers, one finite row a gene, each gene once."""
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != len(genes):
        raise ScmambaError(
            f"embeddings have shape {rows.shape} for {len(genes)} genes; give one row a gene"
        )
    if not np.isfinite(rows).all():
        raise ScmambaError("embeddings hold NaN or infinite numbers; leave those genes out")
    if len(set(genes)) < len(genes):
        raise ScmambaError("a gene comes more than once; give one embedding a gene, such as a mean")
    return rows


def _grown(tensor: Tensor, before: int, after: int, learned: Tensor) -> Tensor:
    """``tensor`` on the CPU; where it has a row a gene, new ones are the mean of the learned."""
    tensor = tensor.detach().cpu().clone()
    if before == after or tensor.ndim != 2 or len(tensor) != before:
        return tensor
    mean = tensor[learned].mean(0, keepdim=True)
    return torch.cat([tensor, mean.expand(after - before, -1)])
