"""Where expression is found, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

from scmamba import ScmambaError, pp
from scmamba._log import logger


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What the package logs, whatever its own handlers are."""
    logger.addHandler(caplog.handler)
    caplog.set_level(logging.INFO, logger.name)
    yield caplog
    logger.removeHandler(caplog.handler)


def counts(n_obs: int = 7, n_vars: int = 5) -> np.ndarray:
    return np.random.default_rng(0).poisson(1, (n_obs, n_vars)).astype(np.float32)


def data(X: object = None) -> AnnData:
    X = counts() if X is None else X
    return AnnData(
        X,
        obs=pd.DataFrame(index=[f"c{i}" for i in range(X.shape[0])]),
        var=pd.DataFrame(index=[f"g{i}" for i in range(X.shape[1])]),
    )


def scaled_with_raw() -> AnnData:
    adata = data()
    adata.raw = adata.copy()
    adata = adata[:, :3].copy()
    adata.X = adata.X - 1
    return adata


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.uint8, bool])
@pytest.mark.parametrize(
    "form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array]
)
def test_any_form_and_dtype(form: type, dtype: type) -> None:
    given = form(counts().astype(dtype))
    found = pp.expression(data(given))
    assert isinstance(found.X, sparse.csr_matrix) and found.X.dtype == np.float32
    assert found.source == "X" and found.integer
    np.testing.assert_array_equal(found.X.toarray(), counts().astype(dtype))
    assert found.var_names.tolist() == ["g0", "g1", "g2", "g3", "g4"]


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_backed_and_views(form: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scmamba.pp._matrix._BLOCK", 12)  # several blocks
    data(form(counts())).write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    np.testing.assert_array_equal(pp.expression(backed).X.toarray(), counts())
    np.testing.assert_array_equal(pp.expression(backed[2:5]).X.toarray(), counts()[2:5])
    memory = data(form(counts()))[[5, 1], [4, 0, 2]]
    found = pp.expression(memory)
    np.testing.assert_array_equal(found.X.toarray(), counts()[[5, 1]][:, [4, 0, 2]])
    assert found.var_names.tolist() == ["g4", "g0", "g2"] and memory.is_view


def test_messy_csr_is_put_in_order_in_a_copy() -> None:
    X = sparse.csr_matrix(
        (np.array([1, 2, 3], np.float32), np.array([3, 0, 3]), np.array([0, 3, 3])), shape=(2, 5)
    )
    adata = data(X)
    found = pp.expression(adata)
    assert found.X.indices.tolist() == [0, 3] and found.X.data.tolist() == [2, 4]
    assert adata.X.nnz == 3


def test_canonical_float32_is_not_copied() -> None:
    adata = data(sparse.csr_matrix(counts()))
    assert np.shares_memory(pp.expression(adata).X.data, adata.X.data)


def test_layer_comes_first() -> None:
    adata = data(counts() - 1)
    adata.layers["counts"] = counts() * 2.5
    found = pp.expression(adata, layer="counts")
    assert found.source == "layers['counts']" and not found.integer
    np.testing.assert_array_equal(found.X.toarray(), counts() * np.float32(2.5))


def test_scaled_x_falls_back_on_raw_and_says_so(log: pytest.LogCaptureFixture) -> None:
    found = pp.expression(scaled_with_raw())
    assert found.source == "raw.X" and found.X.shape == (7, 5) and found.integer
    assert len(found.var_names) == 5
    assert "adata.raw" in log.text


def test_use_raw() -> None:
    adata = data()
    adata.raw = adata.copy()
    assert pp.expression(adata).source == "X"
    assert pp.expression(adata, use_raw=True).source == "raw.X"
    with pytest.raises(ScmambaError, match="X holds .* negative"):
        pp.expression(scaled_with_raw(), use_raw=False)
    with pytest.raises(ScmambaError, match="adata.raw is None"):
        pp.expression(data(), use_raw=True)
    with pytest.raises(ScmambaError, match="pass one of them"):
        pp.expression(data(), use_raw=True, layer="counts")


def test_gene_key(log: pytest.LogCaptureFixture) -> None:
    adata = data()
    adata.var["symbol"] = pd.Categorical(["A", "B", "A", None, None])
    found = pp.expression(adata, gene_key="symbol")
    assert found.var_names.tolist() == ["A", "B", "A", "", ""]
    assert "1 of 3 gene names repeat" in log.text
    with pytest.raises(ScmambaError, match="'ensembl' is not a column of adata.var; .*'symbol'"):
        pp.expression(adata, gene_key="ensembl")


def test_gene_key_is_read_in_raw_where_raw_is_taken() -> None:
    adata = scaled_with_raw()
    adata.var["symbol"] = "x"
    with pytest.raises(ScmambaError, match="adata.raw.var"):
        pp.expression(adata, gene_key="symbol")


def test_repeated_names_are_told(log: pytest.LogCaptureFixture) -> None:
    adata = data()
    adata.obs_names = ["c"] * 7
    adata.var_names = ["a", "a", "b", "c", "d"]
    assert pp.expression(adata).var_names.tolist() == ["a", "a", "b", "c", "d"]
    assert "cell names are not unique" in log.text
    assert "1 of 5 gene names repeat" in log.text


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_values_are_placed(form: type, value: float) -> None:
    X = counts()
    X[4, 2] = X[5, 1] = value
    with pytest.raises(ScmambaError, match=r"X holds 2 NaN or inf.* in row 4 \(c4\), column 2"):
        pp.expression(data(form(X)))


def test_negative_values_without_raw_name_the_layer() -> None:
    adata = data(counts() - 1)
    adata.layers["spliced"] = counts()
    with pytest.raises(ScmambaError, match=r'X holds \d+ negative.*layer="counts".*\'spliced\''):
        pp.expression(adata)
    adata.layers["scaled"] = counts() - 1
    with pytest.raises(ScmambaError, match=r"layers\['scaled'\] holds \d+ negative"):
        pp.expression(adata, layer="scaled")


def test_negative_raw_is_refused_too() -> None:
    adata = data(counts() - 1)
    adata.raw = adata.copy()
    with pytest.raises(ScmambaError, match=r"raw.X holds \d+ negative"):
        pp.expression(adata)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (data()[:0], "no cells .shape 0 x 5"),
        (data()[:, :0], "no genes .shape 7 x 0"),
        (AnnData(obs=data().obs, var=data().var), "adata.X is None"),
        ("cells.h5ad", "got a str; .*read_h5ad"),
        (counts(), "got a ndarray; .*anndata.AnnData"),
    ],
    ids=["no cells", "no genes", "no X", "path", "array"],
)
def test_what_holds_no_expression(given: object, message: str) -> None:
    with pytest.raises(ScmambaError, match=message):
        pp.expression(given)


def test_missing_layer_names_those_there() -> None:
    adata = data()
    adata.layers["spliced"] = counts()
    with pytest.raises(ScmambaError, match="layer='counts' is not in .*'spliced'"):
        pp.expression(adata, layer="counts")


def test_adata_is_left_as_it_is() -> None:
    adata = scaled_with_raw()
    before = adata.copy()
    pp.expression(adata)
    np.testing.assert_array_equal(adata.X, before.X)
    assert list(adata.uns) == list(before.uns) and adata.obs.equals(before.obs)


def test_cell_without_counts_is_kept() -> None:
    X = counts()
    X[2] = 0
    assert pp.expression(data(X)).X.shape == (7, 5)


def test_expression_shows_its_source_unit_and_genes() -> None:
    lines = repr(pp.expression(data())).splitlines()
    assert lines[0] == "expression of 7 cells"
    assert [line.split()[0] for line in lines[1:]] == ["source", "unit", "genes"]
    assert "counts" in lines[2] and lines[3].split()[1] == "5:"
