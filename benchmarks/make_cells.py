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


def make(
    path: Path, n_cells: int, n_genes: int, n_non_zero: int, seed: int = 0, *, n_classes: int = 0
) -> None:
    """Write ``n_cells`` cells with about ``n_non_zero`` counts each, the same for one seed.

    With ``n_classes``, each cell has a class in ``obs["cell_type"]``, whose counts are eight times
    as high in a tenth of the genes.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(n_non_zero * 2 // 3, n_non_zero * 4 // 3 + 1, n_cells)
    lengths = np.minimum(lengths, n_genes)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        names = pd.Index([f"C{i}" for i in range(n_cells)], dtype=object)
        obs = pd.DataFrame({"sample": rng.integers(0, 9, n_cells)}, index=names)
        classes, high = np.zeros(n_cells, np.int64), np.zeros((1, n_genes), bool)
        if n_classes:
            apart = np.random.default_rng([seed, n_classes])
            classes = apart.integers(0, n_classes, n_cells)
            high = apart.random((n_classes, n_genes)) < 0.1
            obs["cell_type"] = pd.Categorical.from_codes(
                classes, [f"type {i}" for i in range(n_classes)]
            )
        write_elem(file, "obs", obs)
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
            columns = _ascending(rng, rows, n_genes)
            indices[place] = columns
            counts = rng.geometric(0.35, rows.sum())
            counts[rng.random(len(counts)) < 0.01] *= 20  # abundant transcripts
            own = np.repeat(classes[start : start + ROWS], rows)
            data[place] = counts * np.where(high[own, columns], 8, 1)


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
