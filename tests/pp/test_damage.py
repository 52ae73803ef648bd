"""A damaged sparse matrix is refused before anything reads past its arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pytest
import zarr
from anndata import AnnData
from scipy import sparse

from scmamba import ScmambaError, pp
from scmamba.stream.expressions import Expressions
from scmamba.stream.source import open_cells


def cells(form: str = "csr") -> AnnData:
    counts = np.random.default_rng(0).poisson(0.6, (80, 40)).astype(np.float32)
    return AnnData(sparse.csr_matrix(counts).asformat(form))


def flip(part: str, position: int, bit: int) -> Callable[[object], None]:
    def damage(matrix: object) -> None:
        array = matrix[part][:] if isinstance(matrix, (h5py.Group, zarr.Group)) else None
        array = getattr(matrix, part) if array is None else array
        array.view(np.uint32)[position] ^= np.uint32(1) << np.uint32(bit)
        if isinstance(matrix, (h5py.Group, zarr.Group)):
            matrix[part][:] = array

    return damage


FLIPS = [("indices", 100, bit) for bit in (6, 7, 20, 30, 31)]
FLIPS += [("indptr", 5, bit) for bit in (7, 12, 30, 31)]
FLIPS += [("indptr", 0, 3), ("indptr", -1, 0)]


@pytest.mark.parametrize("form", ["csr", "csc"])
@pytest.mark.parametrize(("part", "position", "bit"), FLIPS)
def test_flipped_bits_in_memory(form: str, part: str, position: int, bit: int) -> None:
    adata = cells(form)
    flip(part, position, bit)(adata.X)
    with pytest.raises(ScmambaError, match="X is no valid sparse matrix"):
        pp.expression(adata)


@pytest.mark.parametrize("ending", [".h5ad", ".zarr"])
@pytest.mark.parametrize("form", ["csr", "csc"])
@pytest.mark.parametrize(("part", "position", "bit"), FLIPS)
def test_flipped_bits_in_a_file(tmp_path, ending, form, part, position, bit) -> None:
    path = write(cells(form), tmp_path / f"cells{ending}")
    change(path, lambda group: flip(part, position, bit)(group["X"]))
    with (
        pytest.raises(ScmambaError, match=f"X of .*cells{ending} is no valid"),
        open_cells(path) as source,
    ):
        list(Expressions.of(source).blocks())


@pytest.mark.parametrize("form", ["csr", "csc"])
def test_one_row_out_of_order_among_many(form: str) -> None:
    adata = cells(form)
    start = adata.X.indptr[7]
    adata.X.indices[[start, start + 1]] = adata.X.indices[[start + 1, start]]
    with pytest.raises(ScmambaError, match="except 7: a byte is probably damaged.*sum_dup"):
        pp.expression(adata)


def test_rows_out_of_order_throughout_are_put_in_order() -> None:
    adata = cells()
    X = adata.X.copy()
    messy = sparse.csr_matrix(
        (X.data[::-1], X.indices[::-1], np.r_[0, np.cumsum(np.diff(X.indptr)[::-1])]), X.shape
    )
    np.testing.assert_array_equal(pp.expression(AnnData(messy)).X.toarray(), X.toarray()[::-1])


def test_an_index_beyond_32_bits_does_not_wrap() -> None:
    adata = cells()
    adata.X.indices = adata.X.indices.astype(np.int64)
    adata.X.indices[3] += 1 << 32
    with pytest.raises(ScmambaError, match="column index 4294967"):
        pp.expression(adata)


@pytest.mark.parametrize("part", ["data", "indices"])
def test_arrays_of_other_lengths(tmp_path: Path, part: str) -> None:
    path = write(cells(), tmp_path / "cells.h5ad")

    def shorten(group: h5py.Group) -> None:
        values = group[f"X/{part}"][:-3]
        del group[f"X/{part}"]
        group[f"X/{part}"] = values

    change(path, shorten)
    with pytest.raises(ScmambaError, match="cells.h5ad is no valid"), open_cells(path) as source:
        Expressions.of(source)


@pytest.mark.parametrize("part", ["data", "indices", "indptr"])
@pytest.mark.parametrize("version", [2, 3])
def test_a_missing_chunk_of_a_sparse_matrix(tmp_path, part, version) -> None:
    with ad.settings.override(zarr_write_format=version):
        path = write(cells(), tmp_path / "cells.zarr")
    (chunk,) = {path / "X" / part / "0", path / "X" / part / "c" / "0"} & set(path.rglob("*"))
    chunk.unlink()
    with pytest.raises(ScmambaError, match="cells.zarr"), open_cells(path) as source:
        Expressions.of(source)


def test_a_missing_chunk_of_a_dense_matrix(tmp_path: Path) -> None:
    adata = cells()
    adata.X = adata.X.toarray()
    adata.X[:40, :20] = 0  # a chunk that is zero throughout is not stored, and is no fault
    adata.write_zarr(tmp_path / "cells.zarr", chunks=(8, 10))
    with open_cells(tmp_path / "cells.zarr") as source:
        found = Expressions.of(source)
    np.testing.assert_array_equal(found.first.X.toarray(), adata.X)
    missing = next(path for path in (tmp_path / "cells.zarr" / "X").rglob("6.3"))
    missing.unlink()
    with (
        pytest.raises(ScmambaError, match="chunk 6.3 of X is missing.*zarr"),
        open_cells(tmp_path / "cells.zarr") as source,
    ):
        Expressions.of(source)


def test_stored_zeros_are_no_expressed_genes() -> None:
    adata = cells()
    adata.X.data[:5] = 0
    before = adata.X.nnz
    found = pp.expression(adata)
    assert found.X.nnz == before - 5 and adata.X.nnz == before


def write(adata: AnnData, path: Path) -> Path:
    adata.write_zarr(path) if path.suffix == ".zarr" else adata.write_h5ad(path)
    return path


def change(path: Path, how: Callable[[object], None]) -> None:
    if path.suffix == ".zarr":
        how(zarr.open_group(path, mode="r+", use_consolidated=False))
        return
    with h5py.File(path, "r+") as file:
        how(file)
