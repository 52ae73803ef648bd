"""Write a made h5ad of any size, some rows at a time: counts, CSR, as large atlases are stored.

python benchmarks/make_cells.py cells.h5ad                    # 1,000,000 x 20,000, 12 GB
python benchmarks/make_cells.py cells.h5ad --cells 100000
"""

from __future__ import annotations

import argparse
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem

ROWS = 5_000


def make(path: Path, n_cells: int, n_genes: int, n_non_zero: int, seed: int = 0) -> None:
    """Write ``n_cells`` cells with about ``n_non_zero`` counts each, the same for one seed."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(n_non_zero * 2 // 3, n_non_zero * 4 // 3 + 1, n_cells)
    lengths = np.minimum(lengths, n_genes)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        names = pd.Index([f"C{i}" for i in range(n_cells)], dtype=object)
        write_elem(file, "obs", pd.DataFrame({"sample": rng.integers(0, 9, n_cells)}, index=names))
        genes = pd.Index([f"G{i}" for i in range(n_genes)], dtype=object)
        write_elem(file, "var", pd.DataFrame(index=genes))
        for name in ("obsm", "varm", "layers", "uns"):
            write_elem(file, name, {})
        X = file.create_group("X")
        X.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
        X.attrs["shape"] = (n_cells, n_genes)
        X.create_dataset("indptr", data=indptr)
        shape, chunks = (int(indptr[-1]),), (min(1 << 18, int(indptr[-1])),)
        indices = X.create_dataset("indices", shape, np.int32, chunks=chunks)
        data = X.create_dataset("data", shape, np.float32, chunks=chunks)
        for start in range(0, n_cells, ROWS):
            rows = lengths[start : start + ROWS]
            place = slice(int(indptr[start]), int(indptr[start] + rows.sum()))
            indices[place] = _ascending(rng, rows, n_genes)
            counts = rng.geometric(0.35, rows.sum())
            counts[rng.random(len(counts)) < 0.01] *= 20  # abundant transcripts
            data[place] = counts


def _ascending(rng: np.random.Generator, lengths: np.ndarray, n_genes: int) -> np.ndarray:
    """Different columns of each row, ascending: gaps drawn at random and scaled to fit."""
    n, longest = len(lengths), int(lengths.max())
    spare = n_genes - lengths
    cuts = np.sort(rng.random((n, longest)), axis=1)
    # of a shorter row the first cuts, stretched to the whole width
    last = cuts[np.arange(n), lengths - 1]
    cuts = np.floor(cuts / last[:, None] * spare[:, None] * 0.999).astype(np.int64)
    columns = cuts + np.arange(longest)
    return columns[np.arange(longest) < lengths[:, None]].astype(np.int32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--non-zero", type=int, default=1_500)
    arguments = parser.parse_args()
    make(arguments.path, arguments.cells, arguments.genes, arguments.non_zero)


if __name__ == "__main__":
    main()
