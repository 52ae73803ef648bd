"""File formats of cells: detection, conversion advice, and the formats of Cell Ranger."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import pandas as pd
from anndata import AnnData
from anndata.io import read_elem
from scipy import sparse

from scmamba._errors import ScmambaError
from scmamba._read import reading
from scmamba.pp._matrix import checked

Format = Literal[".h5ad", ".zarr", ".h5mu", "10x h5", "10x mtx"]

_ALLOWED = (
    ".h5ad, .zarr, .h5mu (modality rna), a Cell Ranger .h5 file or folder with matrix.mtx, "
    "barcodes.tsv and features.tsv"
)
_WAYS = {
    ".gz": "unpack it first: gunzip",
    ".zip": "unpack it first: unzip",
    ".loom": "convert it: anndata.io.read_loom(path).write_h5ad('cells.h5ad')",
    ".rds": "convert it in R (zellkonverter, or the package anndata), then pass the .h5ad",
    ".rdata": "convert it in R (zellkonverter, or the package anndata), then pass the .h5ad",
    ".h5seurat": "convert it in R: SeuratDisk::Convert(path, dest = 'h5ad')",
    ".mtx": "give the folder that holds it, with barcodes.tsv and features.tsv beside it",
    ".csv": "convert it: scanpy.read_csv(path), with .T if genes are rows, then write_h5ad",
    ".tsv": "convert it: scanpy.read_text(path), with .T if genes are rows, then write_h5ad",
    ".txt": "convert it: scanpy.read_text(path), with .T if genes are rows, then write_h5ad",
    ".xlsx": "convert it: scanpy.read_excel(path, sheet), then write_h5ad",
}
_TENX = "write it with Cell Ranger again, or read it with scanpy.read_10x_{0} and write_h5ad"


def format_of(path: Path) -> Format:
    """Return the format of a file or folder of cells.

    Raises
    ------
    ScmambaError
        If it does not exist or its format is not supported; the message says how to convert it.
    """
    ending = path.suffix.lower()
    if ending in (".h5ad", ".zarr", ".h5mu", ".h5"):
        if not path.exists() or path.is_dir() != (ending == ".zarr"):
            what = (
                "is a folder"
                if path.is_dir()
                else "is a file"
                if path.exists()
                else "does not exist"
            )
            raise ScmambaError(f"{path} {what}; give an .h5ad file or a .zarr folder")
        formats: dict[str, Format] = {".h5ad": ".h5ad", ".zarr": ".zarr", ".h5mu": ".h5mu"}
        return formats.get(ending, "10x h5")
    if path.is_dir() and _matrix_file(path) is not None:
        return "10x mtx"
    if not path.exists():
        raise ScmambaError(f"{path} does not exist; allowed: {_ALLOWED}")
    name = path.name.lower()
    if name.endswith(".mtx.gz"):
        ending = ".mtx"
    way = _WAYS.get(ending, "convert it with anndata or scanpy and write_h5ad")
    raise ScmambaError(f"{path} is not a supported file of cells; {way}; allowed: {_ALLOWED}")


def check_file(path: Path) -> Path:
    """Return ``path`` if it exists and its format is supported.

    Raises
    ------
    ScmambaError
        If not; see :func:`format_of`.
    """
    format_of(path)
    return path


def as_path(cells: Any) -> Any:
    """Return ``cells`` as a Path where it is a string or path-like, else unchanged."""
    return Path(cells) if isinstance(cells, str) or hasattr(cells, "__fspath__") else cells


def output_endings(path: Path) -> tuple[str, ...]:
    """Return the file extensions that a copy of ``path`` with results may have."""
    ending = path.suffix.lower()
    if ending in (".h5ad", ".zarr"):
        return tuple(dict.fromkeys((path.suffix, ending)))
    return (".h5mu", ".h5ad") if ending == ".h5mu" else (".h5ad",)


def write_copy(path: Path, copy: Path) -> None:
    """Write the cells of ``path`` to ``copy``, in the format of its extension."""
    if path.is_dir() and copy.suffix.lower() == ".zarr":
        shutil.copytree(path, copy)
    elif path.suffix.lower() == copy.suffix.lower():
        shutil.copyfile(path, copy)
    elif format_of(path) == ".h5mu":
        with h5py.File(path, "r") as file:
            read_elem(file["mod/rna"]).write_h5ad(copy)
    else:
        read_10x(path).write_h5ad(copy)


def read_10x(path: Path) -> AnnData:
    """Read output of Cell Ranger: an ``.h5`` file or a folder with ``matrix.mtx``.

    Parameters
    ----------
    path
        File in version 2 or 3 of the format, or folder with files gzipped or not.

    Returns
    -------
    Counts of all features as CSR, with gene symbols as ``var_names`` and, in ``var``, ``gene_ids``
    and, where present, ``feature_types``, ``genome`` and the position in the genome: ``interval``,
    or ``chrom``, ``start`` and ``end``.

    Raises
    ------
    ScmambaError
        If the file is damaged or not in this format.
    """
    folder = path.is_dir()
    damage = (KeyError, ValueError, TypeError, IndexError, RuntimeError, OverflowError)
    mend = _TENX.format("mtx" if folder else "h5")
    with reading(path, damage=damage, mend=mend):
        return _from_folder(path) if folder else _from_h5(path)


def _from_h5(path: Path) -> AnnData:
    with h5py.File(path, "r") as file:
        if "matrix" in file:
            group = file["matrix"]
            features = group["features"]
            columns = {"gene_ids": "id", "feature_types": "feature_type", "genome": "genome"}
            columns["interval"] = "interval"
            var = {name: _text(features[key]) for name, key in columns.items() if key in features}
            names = _text(features["name"])
        else:
            genomes = [name for name in file if isinstance(file[name], h5py.Group)]
            if len(genomes) != 1:
                raise ValueError(f"it holds {len(genomes)} genomes, not one 'matrix'")
            group = file[genomes[0]]
            var, names = {"gene_ids": _text(group["genes"])}, _text(group["gene_names"])
        n_genes, n_cells = (int(n) for n in group["shape"][:])
        indptr, indices, data = (group[part][:] for part in ("indptr", "indices", "data"))
        obs_names = _text(group["barcodes"])
    if len(indptr) != n_cells + 1 or len(indices) != len(data):
        raise ValueError("its arrays do not match the shape that it states")
    X = sparse.csr_matrix((n_cells, n_genes), dtype=data.dtype)
    X.indptr, X.indices, X.data = indptr, indices, data
    return _anndata(checked(X, str(path)), obs_names, names, var)


def _from_folder(path: Path) -> AnnData:
    from scipy.io import mmread

    matrix = _matrix_file(path)
    assert matrix is not None
    prefix = matrix.name.split("matrix.mtx")[0]
    features = _table(path, prefix, ("features.tsv", "genes.tsv"))
    barcodes = _table(path, prefix, ("barcodes.tsv",))
    X = sparse.csr_matrix(mmread(matrix).T)
    var = {"gene_ids": features[0].tolist()}
    if 2 in features:
        var["feature_types"] = features[2].tolist()
    if 5 in features:  # Cell Ranger ARC
        var |= {"chrom": features[3].tolist(), "start": features[4].tolist()}
        var["end"] = features[5].tolist()
    names = features[1 if 1 in features else 0].tolist()
    return _anndata(X, barcodes[0].tolist(), names, var)


def _anndata(X: Any, obs_names: list[str], names: list[str], var: dict[str, list[str]]) -> AnnData:
    if X.shape != (len(obs_names), len(names)):
        raise ValueError(
            f"the matrix is {X.shape[1]} x {X.shape[0]}, with {len(names)} features and "
            f"{len(obs_names)} barcodes"
        )
    return AnnData(X, pd.DataFrame(index=obs_names), pd.DataFrame(var, index=names))


def _matrix_file(folder: Path) -> Path | None:
    """Find ``matrix.mtx`` in a folder, gzipped or not; with a prefix if there is only one."""
    found = [name for name in os.listdir(folder) if name.endswith(("matrix.mtx", "matrix.mtx.gz"))]
    exact = [name for name in found if name.startswith("matrix.mtx")]
    chosen = sorted(exact or found)
    return folder / chosen[-1] if exact or len(found) == 1 else None


def _table(folder: Path, prefix: str, names: tuple[str, ...]) -> pd.DataFrame:
    for name in names:
        for ending in (".gz", ""):
            path = folder / f"{prefix}{name}{ending}"
            if path.exists():
                return pd.read_csv(path, sep="\t", header=None, dtype=str, keep_default_na=False)
    raise ValueError(f"there is no {prefix}{' or '.join(names)} in it")


def _text(values: Any) -> list[str]:
    return [one.decode() if isinstance(one, bytes) else str(one) for one in np.asarray(values[:])]
