"""Prompts: tokens for the tissue and the assay of cells, before their genes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._arguments import nearest
from scmamba._errors import ScmambaError
from scmamba.tokens.cells.tokenize import CellTokens
from scmamba.tokens.cells.vocab import Vocab


def prompt_ids(vocab: Vocab, *, tissue: str | None, assay: str | None) -> npt.NDArray[np.int64]:
    """(n,) vocabulary ids of the prompts that are given.

    Raises
    ------
    ScmambaError
        The model knows no such prompt.

    Examples
    --------
    >>> vocab = Vocab(["CD3E", "<tissue:blood>"])
    >>> prompt_ids(vocab, tissue="blood", assay=None).tolist()
    [1]
    """
    found = []
    for kind, value in (("tissue", tissue), ("assay", assay)):
        if value is None:
            continue
        start = f"<{kind}:"
        known = [t[len(start) : -1] for t in vocab.tokens if t.startswith(start)]
        if not known:
            raise ScmambaError(
                f"{kind}={value!r}: the model was pretrained without prompts of the {kind}; leave "
                f"{kind} out, or give a model whose data had data.{kind}_key"
            )
        if value not in known:
            raise ScmambaError(
                f"{kind}={value!r} is not a prompt of the model; similar or first ones: "
                f"{', '.join(nearest(value, known, cutoff=0.4))}"
            )
        found.append(vocab[f"{start}{value}>"])
    return np.array(found, dtype=np.int64)


def with_prompts(tokens: CellTokens, ids: npt.NDArray[np.int64]) -> CellTokens:
    """Put prompts, of value 1, before the genes of each cell, as pretraining does."""
    if not len(ids):
        return tokens
    n, each = len(tokens), len(ids)
    starts = np.repeat(tokens.indptr[:-1], each)
    genes = np.insert(tokens.gene_ids, starts, np.tile(ids, n).astype(tokens.gene_ids.dtype))
    values: Any = np.insert(tokens.values, starts, np.ones(n * each, dtype=tokens.values.dtype))
    return CellTokens(tokens.indptr + each * np.arange(n + 1), genes, values)
