"""Whatever holds several modalities is read alike, and left as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import io, sparse

from scmamba import ScmambaError
from scmamba.stream.modalities import Modalities, read_modalities


@pytest.fixture
def mdata(rna: ad.AnnData, prot: ad.AnnData, atac: ad.AnnData) -> Any:
    mudata = pytest.importorskip("mudata")
    return mudata.MuData({"rna": rna, "adt": prot, "atac": atac})


def _same(found: Modalities, rna: ad.AnnData, prot: ad.AnnData) -> None:
    assert list(found)[:2] == ["rna", "prot"]
    assert found.obs.index.tolist() == rna.obs_names.tolist()
    np.testing.assert_array_equal(found["rna"].X.toarray(), rna.X.toarray())
    np.testing.assert_array_equal(found["prot"].X.toarray(), prot.X.toarray())
    assert found["prot"].features.tolist() == prot.var_names.tolist()
    assert found["prot"].names.tolist() == ["CD4", "CD8a", "CD19", "IgG1-control"]
    assert found["prot"].controls.tolist() == [False, False, False, True]
    assert found["rna"].unit == found["prot"].unit == "counts"
    assert found.measured.all() and found.n_paired == 12


def _together(rna: ad.AnnData, prot: ad.AnnData) -> ad.AnnData:
    both = ad.concat([rna, prot], axis=1, merge="first")
    both.var_names = [*rna.var_names, *prot.var_names]
    both.var["feature_types"] = ["Gene Expression"] * 5 + ["Antibody Capture"] * 4
    return both


def test_mudata_and_its_files(
    mdata: Any, rna: ad.AnnData, prot: ad.AnnData, tmp_path: Path
) -> None:
    mdata.write(tmp_path / "a.h5mu")
    mdata.write_zarr(tmp_path / "a.zarr")
    for data in (mdata, tmp_path / "a.h5mu", str(tmp_path / "a.zarr")):
        found = read_modalities(data, batch_key="batch")
        _same(found, rna, prot)
        assert found.obs["batch"].astype(str).tolist() == rna.obs["batch"].tolist()
        assert found["atac"].order.tolist() == [2, 1, 0, 3]
        assert found["atac"].names[1] == "chr1:30-40"
    assert list(mdata.mod) == ["rna", "adt", "atac"] and "X_scmamba" not in mdata.obsm


def test_feature_types(rna: ad.AnnData, prot: ad.AnnData, tmp_path: Path) -> None:
    both = _together(rna, prot)
    both.layers["counts"] = both.X.copy()
    both.write_h5ad(tmp_path / "a.h5ad")
    backed = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    for data in (both, tmp_path / "a.h5ad", backed):
        _same(read_modalities(data), rna, prot)
    _same(read_modalities(both, layer={"prot": "counts"}), rna, prot)


def test_proteins_in_obsm(rna: ad.AnnData, prot: ad.AnnData) -> None:
    rna.obsm["protein_expression"] = prot.X.toarray()
    rna.uns["protein_names"] = prot.var_names.to_numpy()
    _same(read_modalities(rna), rna, prot)
    rna.obsm["adt"] = pd.DataFrame(prot.X.toarray(), rna.obs_names, prot.var_names)
    _same(read_modalities(rna, {"rna": "X", "prot": "adt"}), rna, prot)


def test_cell_ranger(rna: ad.AnnData, prot: ad.AnnData, tmp_path: Path) -> None:
    both = _together(rna, prot)
    folder = tmp_path / "filtered_feature_bc_matrix"
    folder.mkdir()
    io.mmwrite(folder / "matrix.mtx", sparse.coo_matrix(both.X.T.astype(int)))
    (folder / "barcodes.tsv").write_text("\n".join(both.obs_names))
    kinds = both.var["feature_types"]
    lines = [f"id{i}\t{name}\t{kind}" for i, (name, kind) in enumerate(kinds.items())]
    (folder / "features.tsv").write_text("\n".join(lines))
    _same(read_modalities(folder), rna, prot)
    with h5py.File(tmp_path / "filtered_feature_bc_matrix.h5", "w") as file:
        group = file.create_group("matrix")
        X = sparse.csr_matrix(both.X)
        for key in ("data", "indices", "indptr"):
            group[key] = getattr(X, key)
        group["shape"] = X.shape[::-1]
        group["barcodes"] = [name.encode() for name in both.obs_names]
        features = {"id": lines, "name": both.var_names, "feature_type": kinds}
        for key, texts in features.items():
            group[f"features/{key}"] = [text.encode() for text in texts]
        group["features/interval"] = [b"chr2:5-9", b"chr1:5-9"] + [b"chr3:1-2"] * 7
    found = read_modalities(tmp_path / "filtered_feature_bc_matrix.h5")
    _same(found, rna, prot)
    assert found["rna"].order.tolist() == [1, 0, 2, 3, 4]


def test_names_by_the_user(rna: ad.AnnData, prot: ad.AnnData) -> None:
    data = {"GEX2": rna, "surface": prot, "hto": prot[:, :1]}
    _same(read_modalities(data, {"rna": "GEX2", "prot": "surface"}), rna, prot)
    with pytest.raises(ScmambaError, match="'GEX2', 'surface', 'hto'.*say which is which"):
        read_modalities(data)
    with pytest.raises(ScmambaError, match="allowed: 'rna', 'prot', 'atac'"):
        read_modalities(data, {"gex": "GEX2"})
    with pytest.raises(ScmambaError, match="'nope'} is not in the data"):
        read_modalities(data, {"rna": "GEX2", "prot": "nope"})


def test_cells_are_joined_by_name(rna: ad.AnnData, prot: ad.AnnData) -> None:
    shuffled = prot[[8, 2, 5]].copy()
    found = read_modalities({"rna": rna[:7], "prot": shuffled})
    assert found.n_cells == 8 and found.n_paired == 2
    assert found.obs.index[found["prot"].cells].tolist() == ["c2", "c5", "c8"]
    np.testing.assert_array_equal(found["prot"].X.toarray(), prot.X.toarray()[[2, 5, 8]])
    assert found.rows("prot").tolist() == [-1, -1, 0, -1, -1, 1, -1, 2]


def test_a_list_of_batches_with_other_features(rna: ad.AnnData) -> None:
    first, second = rna[:6, :4].copy(), rna[6:, 2:].copy()
    found = read_modalities([first, second])["rna"]
    assert found.features.tolist() == rna.var_names.tolist()
    assert found.panels.astype(int).tolist() == [[1, 1, 1, 1, 0], [0, 0, 1, 1, 1]]
    assert found.panel.tolist() == [0] * 6 + [1] * 6
    expected = np.where(found.feature_mask(), rna.X.toarray(), 0)
    np.testing.assert_array_equal(found.X.toarray(), expected)


def test_missing_proteins_are_not_zero(rna: ad.AnnData, prot: ad.AnnData) -> None:
    values = pd.DataFrame(prot.X.toarray(), rna.obs_names, prot.var_names)
    values.iloc[:6, 1] = np.nan
    values.iloc[11] = np.nan
    rna.obsm["protein_expression"] = values
    found = read_modalities(rna)["prot"]
    assert found.cells.tolist() == list(range(11))
    np.testing.assert_array_equal(found.feature_mask(), values.notna().to_numpy()[:11])


def test_zeros_of_an_outer_join_are_not_measured() -> None:
    rng = np.random.default_rng(0)
    X = rng.poisson(3, (80, 3)).astype(np.float32)
    X[:, 0] += 1
    X[40:, 1] = 0
    obs = pd.DataFrame({"b": ["x"] * 40 + ["y"] * 40}, index=[f"c{i}" for i in range(80)])
    adata = ad.AnnData(X, obs)
    found = read_modalities({"prot": adata}, batch_key="b")["prot"]
    assert found.feature_mask()[:40].all()
    assert found.feature_mask()[40:].tolist() == [[True, False, True]] * 40
    assert read_modalities({"prot": adata})["prot"].panels.all()


def test_cells_without_anything(rna: ad.AnnData, prot: ad.AnnData) -> None:
    rna.X[3], prot.X[3], prot.X[4] = 0, 0, 0
    found = read_modalities({"rna": rna, "prot": prot})
    assert np.flatnonzero(found.empty).tolist() == [3]
    assert found.measured.sum(0).tolist() == [11, 10]


def test_parts_of_the_cells(rna: ad.AnnData, prot: ad.AnnData) -> None:
    found = read_modalities({"rna": rna, "prot": prot[4:]}).take(np.array([2, 6, 7]))
    assert found.obs.index.tolist() == ["c2", "c6", "c7"]
    assert found["prot"].cells.tolist() == [1, 2]
    hidden = found.without("prot", np.array([False, True, False]))
    assert hidden.measured.tolist() == [[True, False], [True, False], [True, True]]


def test_one_modality_is_read(rna: ad.AnnData, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(read_modalities(rna)) == ["rna"]
    assert "no cell has all" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("of_rna", "of_prot"),
    [("{}-1", "{}"), ("{}", "s2_{}"), ("{}-1-rna", "{}-2-prot"), ("gex#{}-1", "{}_3")],
)
def test_names_that_would_match_by_barcode(
    rna: ad.AnnData, prot: ad.AnnData, of_rna: str, of_prot: str
) -> None:
    rna.obs_names = [of_rna.format(name) for name in rna.obs_names]
    prot.obs_names = [of_prot.format(name) for name in prot.obs_names]
    told = f"'rna' .{of_rna.format('c0')!r}. and 'prot' .{of_prot.format('c0')!r}., but 12 would"
    with pytest.raises(ScmambaError, match=told):
        read_modalities({"rna": rna, "prot": prot})


def test_other_cells_are_told_with_their_names(
    rna: ad.AnnData, prot: ad.AnnData, capsys: pytest.CaptureFixture[str]
) -> None:
    for names in ([f"other{i}-1" for i in range(12)], [f"c_{i}" for i in range(12)]):
        prot.obs_names = names
        assert read_modalities({"rna": rna, "prot": prot}).n_paired == 0
        assert f"named 'c0' in rna, {names[0]!r} in prot" in capsys.readouterr().err
    rna.obs_names = [f"rna_{i}" for i in range(12)]  # numbers are no barcodes
    assert read_modalities({"rna": rna, "prot": prot}).n_paired == 0


def test_bad_input(rna: ad.AnnData, prot: ad.AnnData, atac: ad.AnnData) -> None:
    with pytest.raises(ScmambaError, match="'prot' is empty .shape 12 x 0"):
        read_modalities({"rna": rna, "prot": prot[:, :0]})
    with pytest.raises(ScmambaError, match="5 of 5 peaks of modality 'atac'.*'CD4'"):
        read_modalities({"rna": rna, "atac": rna})
    with pytest.raises(ScmambaError, match="taken for RNA, but its features are intervals"):
        read_modalities({"rna": atac, "prot": prot})
    with pytest.raises(ScmambaError, match="occurs in two inputs of 'rna'"):
        read_modalities([rna, rna])
    with pytest.raises(ScmambaError, match="allowed: a MuData, a path"):
        read_modalities(3)
    twice = rna.copy()
    twice.obs_names = ["c0"] * 12
    with pytest.raises(ScmambaError, match="obs_names_make_unique"):
        read_modalities({"rna": twice, "prot": prot})
    negative = prot.copy()
    negative.X = negative.X.toarray() - 1
    with pytest.raises(ScmambaError, match="modality 'prot': X holds .* negative values"):
        read_modalities({"rna": rna, "prot": negative})
    negative.layers["counts"] = prot.X
    np.testing.assert_array_equal(
        read_modalities({"prot": negative})["prot"].X.toarray(), prot.X.toarray()
    )
    empty = prot.copy()
    empty.X = sparse.csr_matrix(empty.shape, dtype=np.float32)
    with pytest.raises(ScmambaError, match="'prot' holds no value above 0"):
        read_modalities({"rna": rna, "prot": empty})


def test_units(rna: ad.AnnData, prot: ad.AnnData, atac: ad.AnnData) -> None:
    atac.X = (atac.X > 0).astype(np.float32)
    assert read_modalities({"atac": atac})["atac"].unit == "binary"
    prot.X = sparse.csr_matrix(prot.X * 0.93)
    assert read_modalities({"prot": prot})["prot"].unit == "fractional counts"


def test_the_data_beside_the_project(shared_data: Path) -> None:
    found = read_modalities(shared_data / "multiome" / "a549_rna_atac.h5mu")
    assert found.n_paired == 2641
    assert found["atac"].n_features == 52761 and found["atac"].opened.nnz == found["atac"].X.nnz
    assert abs(found["atac"].X.getnnz(axis=1).mean() - 425) < 1
