"""Columns that are no genes are left out, said how many."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from scmamba import ScmambaError, pp
from scmamba._log import logger
from scmamba.pp.features import gene_names, is_gene


def cite_seq(types: list[object]) -> AnnData:
    """Three genes, of which antibodies carry the names of two."""
    counts = np.array([[1, 2, 0, 300, 400], [0, 1, 4, 500, 0], [3, 0, 0, 100, 0]], np.float32)
    var = pd.DataFrame({"feature_types": types}, index=["CD4", "CD8A", "GAPDH", "CD4", "CD8A"])
    return AnnData(sparse.csr_matrix(counts), var=var)


GENE, ANTIBODY = "Gene Expression", "Antibody Capture"


@pytest.mark.parametrize(
    "types",
    [
        [GENE] * 3 + [ANTIBODY] * 2,
        [GENE, None, GENE] + ["Peaks", "CRISPR Guide Capture"],
        ["gex"] * 3 + ["adt"] * 2,
        ["protein_coding", "lncRNA", "protein_coding", "Multiplexing Capture", "peak"],
        ["gene"] * 3 + ["Protein"] * 2,
        [GENE] * 3 + ["Something", "Custom"],
    ],
)
def test_genes_alone(types: list[object], caplog: pytest.LogCaptureFixture) -> None:
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO, logger.name)
    found = pp.expression(cite_seq(types))
    logger.removeHandler(caplog.handler)
    assert found.var_names.tolist() == ["CD4", "CD8A", "GAPDH"]
    assert found.X.toarray().sum() == 11
    assert "feature_types" in caplog.text and "3 genes are read; left out: " in caplog.text
    assert "repeat" not in caplog.text
    assert gene_names(cite_seq(types).var, None, "var").tolist() == ["CD4", "CD8A", "GAPDH", "", ""]


def test_all_genes_and_no_types() -> None:
    assert is_gene(cite_seq([GENE] * 5).var) is None
    assert is_gene(pd.DataFrame(index=["a"])) is None


def test_no_genes_are_refused() -> None:
    with pytest.raises(ScmambaError, match="names no genes: Peaks 5"):
        pp.expression(cite_seq(["Peaks"] * 5))


def test_library_sizes_are_of_genes() -> None:
    types = [GENE] * 3 + [ANTIBODY] * 2
    found = pp.expression(cite_seq(types))
    values = np.expm1(pp.log_normalized(found.X, found.unit).toarray())
    np.testing.assert_allclose(values.sum(1), 1e4, rtol=1e-5)
