"""Gene embeddings of a cell model from embeddings of gene sequences.

Pooled embeddings of transcripts or promoters initialize all gene embeddings before training
(:func:`start_from_sequences`), or add genes that are missing from the vocabulary or belong to
another species (:func:`extend_genes`) through a linear map fitted on shared genes.
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
"""Smallest number of shared genes on which a map is fitted."""

_TABLE = "gene_embedding.embedding.weight"


@dataclass(frozen=True)
class Extended:
    """Cell model with additional genes; see :func:`extend_genes`.

    Attributes
    ----------
    model
        The model; its output for the genes known before is unchanged.
    added
        New genes in the order of their ids, which follow those known before.
    embedding_map
        Ridge regression from standardized sequence embeddings to gene embeddings. If its ``r2`` on
        held-out shared genes is 0, sequences are not informative and each new gene gets the mean
        gene embedding.
    n_shared
        Number of genes that the map was fitted on.

    Examples
    --------
    >>> import numpy as np
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> from scmamba.models import CellModel, extend_genes, preset
    >>> names = [f"g{i}" for i in range(40)]
    >>> model = CellModel(preset("mini", n_genes=43, n_layer=1))
    >>> model.vocab = scmamba.tokens.Vocab(names)
    >>> sequences = np.random.default_rng(0).normal(size=(41, 8))
    >>> extended = extend_genes(model, [*names, "new"], sequences)
    >>> extended.added, extended.n_shared
    (('new',), 40)
    """

    model: CellModel
    added: tuple[str, ...]
    embedding_map: Ridge
    n_shared: int

    def __str__(self) -> str:
        """Return the number of added genes and the quality of the map as text."""
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
    """Add genes to a cell model by their sequence embeddings, without training.

    A ridge regression from sequence embeddings to gene embeddings is fitted on the genes that the
    model knows, with the penalty chosen on held-out genes. The other genes are added at their
    predicted embeddings, rescaled to the variance of known gene embeddings, because predictions of
    a regression shrink towards the mean. Genes of another species can be added in the same way if
    ``genes`` also contains genes of the model's species, embedded by the same sequence model.

    Parameters
    ----------
    model
        Cell model with a vocabulary; not modified.
    genes
        (n,) unique gene names; known genes spelled as in the vocabulary.
    embeddings
        (n, d) pooled sequence embeddings, such as those that :func:`scmamba.tasks.sequence.embed`
        writes to ``obsm["X_scmamba"]``.
    n_folds
        Number of folds of the shared genes for choosing the penalty.
    seed
        Seed of the folds; None for ``settings.seed``.

    Returns
    -------
    The new model, on the device of the old one, with the added genes and the map.

    Raises
    ------
    ScmambaError
        If the model has no vocabulary, the embeddings are invalid, no gene is new, or fewer than 20
        are shared.

    Examples
    --------
    >>> import numpy as np
    >>> import scmamba
    >>> scmamba.settings.verbosity = "error"
    >>> from scmamba.models import CellModel, extend_genes, preset
    >>> names = [f"g{i}" for i in range(40)]
    >>> model = CellModel(preset("mini", n_genes=43, n_layer=1))
    >>> model.vocab = scmamba.tokens.Vocab(names)
    >>> sequences = np.random.default_rng(0).normal(size=(41, 8))
    >>> extend_genes(model, [*names, "new"], sequences).model.vocab["new"]
    43
    """
    if model.vocab is None:
        raise ScmambaError("the model has no vocabulary; set model.vocab or load it with one")
    rows = _table(genes, embeddings)
    index = model.vocab.index(genes)
    known, added = index >= 0, tuple(g for g, i in zip(genes, index, strict=True) if i < 0)
    if known.sum() < FEWEST or not added:
        raise ScmambaError(
            f"{known.sum()} of {len(index)} genes are in the vocabulary of the model and "
            f"{len(added)} are not; give at least {FEWEST} that are, spelled as there (such as "
            f"{', '.join(model.vocab.genes[:3])}), and at least one that is not"
        )
    state = merged_state_dict(model)
    table = state[_TABLE].double().cpu().numpy()
    used = settings.seed if seed is None else seed
    embedding_map = fit_ridge(rows[known], table[index[known]], n_folds=n_folds, seed=used)
    new = _with_tokens(model, added, embedding_map.predict(rows[~known], restore=True))
    result = Extended(new, added, embedding_map, int(known.sum()))
    (logger.info if embedding_map.r2 > 0 else logger.warning)("%s", result)
    return result


def add_tokens(model: CellModel, tokens: Sequence[str], *, seed: int = 0) -> CellModel:
    """Add tokens of which nothing is known but their names, for further training.

    Each new embedding is the mean of those of the known genes, plus noise of a tenth of their
    standard deviation, so that training can tell the tokens apart.

    Parameters
    ----------
    model
        Cell model with a vocabulary; not modified.
    tokens
        Names of genes, or of other tokens, that the vocabulary lacks.
    seed
        Seed of the noise.

    Returns
    -------
    The new model, on the device of the old one.

    Raises
    ------
    ScmambaError
        If the model has no vocabulary.

    Examples
    --------
    >>> import scmamba
    >>> from scmamba.models import CellModel, preset
    >>> from scmamba.models.cell.extend import add_tokens
    >>> model = CellModel(preset("mini", n_genes=6, n_layer=1))
    >>> model.vocab = scmamba.tokens.Vocab(["A", "B", "C"])
    >>> add_tokens(model, ["D", "<tissue:blood>"]).vocab["D"]
    6
    """
    if model.vocab is None:
        raise ScmambaError("the model has no vocabulary; set model.vocab or load it with one")
    learned = model.gene_embedding.embedding.weight.detach().double().cpu().numpy()
    learned = learned[model.vocab.index(model.vocab.genes)]
    noise = np.random.default_rng(seed).normal(size=(len(tokens), learned.shape[1]))
    return _with_tokens(model, tokens, learned.mean(0) + 0.1 * learned.std(0) * noise)


def start_from_sequences(model: CellModel, genes: Sequence[str], embeddings: npt.ArrayLike) -> int:
    """Initialize gene embeddings of a model from sequence embeddings before training, in place.

    Embeddings are standardized and reduced to at most ``d_model`` principal components, by
    ``GeneEmbedding.init``.

    Parameters
    ----------
    model
        Cell model with a vocabulary; modified.
    genes, embeddings
        Gene names (n,) and sequence embeddings (n, d); genes outside the vocabulary are ignored.

    Returns
    -------
    Number of genes that were initialized; the others keep their random embeddings.

    Raises
    ------
    ScmambaError
        If the model has no vocabulary, the embeddings are invalid, or none of the genes is in the
        vocabulary.

    Examples
    --------
    >>> import numpy as np
    >>> import scmamba
    >>> from scmamba.models import CellModel, preset, start_from_sequences
    >>> model = CellModel(preset("mini", n_genes=6, n_layer=1))
    >>> model.vocab = scmamba.tokens.Vocab(["A", "B", "C"])
    >>> start_from_sequences(model, ["A", "C", "other"], np.eye(3))
    2
    """
    if model.vocab is None:
        raise ScmambaError("the model has no vocabulary; set model.vocab first")
    rows = _table(genes, embeddings)
    index = model.vocab.index(genes)
    known = index >= 0
    if not known.any():
        raise ScmambaError(
            f"none of the {len(index)} genes is in the vocabulary of the model; spell them as "
            f"there (such as {', '.join(model.vocab.genes[:3])})"
        )
    rows = rows[known]
    spread = rows.std(0)
    standard = (rows - rows.mean(0)) / np.where(spread > 0, spread, 1)
    left, strength, _ = np.linalg.svd(standard, full_matrices=False)
    width = min(model.config.encoder.d_model, int((strength > 1e-8 * strength[0]).sum()) or 1)
    model.gene_embedding.init(left[:, :width] * strength[:width], index[known])
    return int(known.sum())


def _with_tokens(
    model: CellModel, added: Sequence[str], embeddings: npt.NDArray[np.float64]
) -> CellModel:
    """Copy a model, with more tokens, of the given embeddings (n, d_model)."""
    assert model.vocab is not None
    state = merged_state_dict(model)
    vocab = Vocab([*model.vocab.tokens, *added])
    config = model.config.replace(n_genes=max(model.config.encoder.n_genes, len(vocab)))
    learned = torch.from_numpy(np.sort(model.vocab.index(model.vocab.genes)))
    with torch.device("meta"):
        wanted = {name: len(t) for name, t in CellModel(config).state_dict().items() if t.ndim == 2}
    grown = {name: _grown(t, wanted.get(name, 0), learned) for name, t in state.items()}
    place = slice(len(model.vocab), len(vocab))
    grown[_TABLE][place] = torch.from_numpy(embeddings).to(grown[_TABLE])
    new = fill(lambda: CellModel(config), grown, source="the extended model").model
    new.vocab, new.report, new.license = vocab, model.report, model.license
    new.name = None if model.name is None else f"{model.name} and {len(added)} genes"
    return new.to(next(model.parameters()).device)


def _table(genes: Sequence[str], embeddings: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Check that ``embeddings`` has one finite row per gene, and that genes are unique."""
    rows = np.asarray(embeddings, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != len(genes):
        raise ScmambaError(
            f"embeddings have shape {rows.shape} for {len(genes)} genes; give one row per gene"
        )
    if not np.isfinite(rows).all():
        raise ScmambaError("embeddings hold NaN or infinite numbers; leave those genes out")
    if len(set(genes)) < len(genes):
        raise ScmambaError(
            "a gene occurs more than once; give one embedding per gene, such as a mean"
        )
    return rows


def _grown(tensor: Tensor, wanted: int, learned: Tensor) -> Tensor:
    """Copy to the CPU; where the larger model wants more rows, append the mean of learned ones."""
    tensor = tensor.detach().cpu().clone()
    if tensor.ndim != 2 or len(tensor) >= wanted:
        return tensor
    mean = tensor[learned].mean(0, keepdim=True)
    return torch.cat([tensor, mean.expand(wanted - len(tensor), -1)])
