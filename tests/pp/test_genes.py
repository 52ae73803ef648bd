"""A data set's gene names against a model's."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from scmamba import ScmambaError, pp
from scmamba.datasets import synthetic
from scmamba.pp.genes import find_genes
from scmamba.tokens import Vocab


def data() -> AnnData:
    var = pd.DataFrame({"symbol": ["CD3E", "gapdh", None]}, index=["a", "b", "CD3E"])
    return AnnData(np.ones((2, 3), dtype=np.float32), var=var)


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: SimpleNamespace(vocab=v), list])
def test_model_vocabulary_or_names(wrap: object) -> None:
    known = wrap(Vocab(["GAPDH", "CD3E"]))
    assert pp.match_genes(data(), known).index.tolist() == [-1, -1, 1]
    assert pp.match_genes(data(), known, gene_key="symbol").index.tolist() == [1, 0, -1]


def test_wrong_input() -> None:
    with pytest.raises(ScmambaError, match="'x' is not a column of adata.var; allowed: 'symbol'"):
        pp.match_genes(data(), ["A"], gene_key="x")
    with pytest.raises(ScmambaError, match="allowed: a model with a vocabulary"):
        pp.match_genes(data(), SimpleNamespace(vocab=None))


def test_genes_in_rows_are_told_with_the_way_out() -> None:
    adata = synthetic(30, 20, 2)
    names = adata.var_names.tolist()
    with pytest.raises(ScmambaError, match="20 names of rows .* adata = adata.T.copy"):
        find_genes(pp.expression(adata.T.copy()), names)
    assert find_genes(pp.expression(adata), names).n_matched == 20
    with pytest.raises(ScmambaError, match="only 0 of 20 genes match"):
        find_genes(pp.expression(adata), ["other", "genes"])
