"""Files of cells as other tools write them are read, or refused with the way out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import sparse
from scipy.io import mmwrite

from scmamba import ScmambaError
from scmamba.datasets import synthetic
from scmamba.stream.expressions import Expressions
from scmamba.stream.formats import format_of, output_endings, write_copy
from scmamba.stream.source import open_cells


@pytest.fixture
def cells() -> ad.AnnData:
    adata = synthetic(30, 12, 2)
    adata.var["gene_ids"] = [f"ENSG{i:011d}" for i in range(12)]
    adata.var["feature_types"] = ["Gene Expression"] * 10 + ["Antibody Capture"] * 2
    return adata


def cell_ranger_h5(adata: ad.AnnData, path: Path, version: int = 3) -> Path:
    X = sparse.csr_matrix(adata.X)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix" if version == 3 else "GRCh38")
        group["shape"] = np.array(X.shape[::-1])
        for part in ("data", "indices", "indptr"):
            group[part] = getattr(X, part)
        group["barcodes"] = np.array(adata.obs_names, "S")
        if version == 3:
            features = group.create_group("features")
            features["id"] = np.array(adata.var["gene_ids"], "S")
            features["name"] = np.array(adata.var_names, "S")
            features["feature_type"] = np.array(adata.var["feature_types"], "S")
            features["genome"] = np.array(["GRCh38"] * adata.n_vars, "S")
        else:
            group["genes"] = np.array(adata.var["gene_ids"], "S")
            group["gene_names"] = np.array(adata.var_names, "S")
    return path


def cell_ranger_folder(
    adata: ad.AnnData, path: Path, *, version: int = 3, packed: bool = True, prefix: str = ""
) -> Path:
    path.mkdir()
    mmwrite(path / f"{prefix}matrix.mtx", sparse.csc_matrix(adata.X.T.astype(int)))
    columns = [adata.var["gene_ids"], adata.var_names, adata.var["feature_types"]][:version]
    table = pd.DataFrame({i: list(column) for i, column in enumerate(columns)})
    features = "features.tsv" if version == 3 else "genes.tsv"
    table.to_csv(path / f"{prefix}{features}", sep="\t", header=False, index=False)
    names = "\n".join(adata.obs_names)
    (path / f"{prefix}barcodes.tsv").write_text(names + "\n")
    for one in list(path.iterdir()) if packed else ():
        Path(f"{one}.gz").write_bytes(gzip.compress(one.read_bytes()))
        one.unlink()
    return path


def expression_of(path: Path) -> tuple[np.ndarray, list[str], list[str]]:
    with open_cells(path) as source:
        found = Expressions.of(source)
        together = sparse.vstack([block.X for _, block in found.blocks()]).toarray()
        return together, found.first.var_names.tolist(), source.obs.index.tolist()


FORMS = {
    "h5 v3": lambda a, p: cell_ranger_h5(a, p / "a.h5"),
    "h5 v2": lambda a, p: cell_ranger_h5(a, p / "a.h5", 2),
    "mtx v3": lambda a, p: cell_ranger_folder(a, p / "a"),
    "mtx v3 unpacked": lambda a, p: cell_ranger_folder(a, p / "a", packed=False),
    "mtx v2": lambda a, p: cell_ranger_folder(a, p / "a", version=2, packed=False),
    "mtx of GEO": lambda a, p: cell_ranger_folder(a, p / "a", prefix="GSM1_"),
}


@pytest.mark.parametrize("form", FORMS)
def test_cell_ranger(cells: ad.AnnData, tmp_path: Path, form: str) -> None:
    path = FORMS[form](cells, tmp_path)
    values, genes, names = expression_of(path)
    n = 12 if "v2" in form else 10
    np.testing.assert_array_equal(values, cells.X.toarray()[:, :n])
    assert genes == cells.var_names.tolist()[:n] and names == cells.obs_names.tolist()
    assert output_endings(path) == (".h5ad",)
    write_copy(path, tmp_path / "copy.h5ad")
    copy = ad.read_h5ad(tmp_path / "copy.h5ad")
    np.testing.assert_array_equal(copy.X.toarray(), cells.X.toarray())
    assert copy.var["gene_ids"].tolist() == cells.var["gene_ids"].tolist()


def test_a_mudata_file(cells: ad.AnnData, tmp_path: Path) -> None:
    mudata = pytest.importorskip("mudata")
    path = tmp_path / "a.h5mu"
    mudata.MuData({"rna": cells, "prot": cells[:, 10:].copy()}).write(path)
    values, genes, _ = expression_of(path)
    np.testing.assert_array_equal(values, cells.X.toarray()[:, :10])
    write_copy(path, tmp_path / "copy.h5ad")
    assert ad.read_h5ad(tmp_path / "copy.h5ad").shape == cells.shape
    with h5py.File(path, "r+") as file:
        file.move("mod/rna", "mod/gex")
    with pytest.raises(ScmambaError, match="no modality 'rna', only 'gex', 'prot'"):
        expression_of(path)


def test_capitals_in_the_ending(cells: ad.AnnData, tmp_path: Path) -> None:
    cells.write_h5ad(tmp_path / "a.h5ad")
    (tmp_path / "a.h5ad").rename(tmp_path / "A.H5AD")
    assert expression_of(tmp_path / "A.H5AD")[0].shape == (30, 10)


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("a.h5ad.gz", "gunzip"),
        ("a.loom", "read_loom"),
        ("a.rds", "in R"),
        ("a.csv", "scanpy.read_csv"),
        ("a.mtx.gz", "folder that holds it"),
        ("a.parquet", "write_h5ad"),
    ],
)
def test_other_formats_are_refused_with_the_way_out(tmp_path: Path, name: str, way: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ScmambaError, match=f"{name}.*{way}.*allowed: .h5ad"):
        format_of(tmp_path / name)
    with pytest.raises(ScmambaError, match="does not exist"):
        format_of(tmp_path / "no_folder")


@pytest.mark.parametrize("form", ["h5 v3", "h5 v2", "mtx v3"])
def test_damaged_files_of_cell_ranger(cells: ad.AnnData, tmp_path: Path, form: str) -> None:
    path = FORMS[form](cells, tmp_path)
    one = path / "matrix.mtx.gz" if path.is_dir() else path
    content = one.read_bytes()
    for damaged in (b"", b"x", content[: len(content) // 2]):
        one.write_bytes(damaged)
        with pytest.raises(ScmambaError, match=f"{path.name}.*scanpy.read_10x"):
            expression_of(path)


@pytest.mark.parametrize("where", ["obs/future", "var/future", "X"])
def test_a_file_of_a_newer_anndata(cells: ad.AnnData, tmp_path: Path, where: str) -> None:
    cells.obs["future"] = cells.var["future"] = 1.0
    cells.write_h5ad(tmp_path / "a.h5ad")
    with h5py.File(tmp_path / "a.h5ad", "r+") as file:
        file[where].attrs["encoding-type"] = "of-the-future"
    with pytest.raises(ScmambaError, match="a.h5ad.*newer version of anndata.*install -U"):
        expression_of(tmp_path / "a.h5ad")


@pytest.mark.parametrize("version", [2, 3])
def test_pickles_in_a_store_are_refused_unread(cells, tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.zarr"
    cells.obs["pickle"] = 1.0  # a name is no filter
    with ad.settings.override(zarr_write_format=version):
        cells.write_zarr(path)
    assert expression_of(path)[0].shape == (30, 10)
    group = zarr.open_group(path, mode="r+", use_consolidated=False)
    assert "pickle" in group["obs"]
    metadata = path / "obs" / "pickle" / (".zarray" if version == 2 else "zarr.json")
    content = json.loads(metadata.read_text())
    if version == 2:
        content["filters"] = [{"id": "pickle", "protocol": 5}]
    else:
        content["codecs"] = [{"name": "numcodecs.pickle", "configuration": {}}]
    metadata.write_text(json.dumps(content))
    with pytest.raises(ScmambaError, match="obs/pickle is stored as pickles"):
        expression_of(path)


@pytest.mark.parametrize("ending", [".h5ad", ".zarr"])
def test_a_file_cut_short(cells: ad.AnnData, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    cells.write_h5ad(path) if ending == ".h5ad" else cells.write_zarr(path)
    one = path if ending == ".h5ad" else path / "X" / "data" / "0"
    content = one.read_bytes()
    one.write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(ScmambaError, match=f"a{ending} cannot be read"):
        expression_of(path)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("column", ["obs/_index", "obs/cell_type/categories", "var/_index"])
def test_a_missing_chunk_of_a_table(cells, tmp_path: Path, column: str, version: int) -> None:
    path = tmp_path / "a.zarr"
    cells.obs["cell_type"] = pd.Categorical(["a", "b"] * 15)
    cells.obs["codes are zero"] = pd.Categorical(["a"] * 30, categories=["a", "b"])
    with ad.settings.override(zarr_write_format=version):
        cells.write_zarr(path)
    assert expression_of(path)[0].shape == (30, 10)
    (path / column / ("0" if version == 2 else "c/0")).unlink()
    with pytest.raises(ScmambaError, match=f"chunk 0 of {column} is missing from the zarr store"):
        expression_of(path)


def test_output_of_a_file_in_capitals_may_end_in_small_letters() -> None:
    assert output_endings(Path("A.H5AD")) == (".H5AD", ".h5ad")
