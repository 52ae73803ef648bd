"""Speed of tokens against the published way, a NumPy loop over dense rows, in the same run.

    python benchmarks/tokens.py            # 20,000 x 30,000, about 1,500 non-zeros a cell
    python benchmarks/tokens.py --cells 2000

Two claims: binning, and tokenise + collate + mask end to end. The peer is written anew after the
published data collator; rows are made dense for it before the clock starts. Both are timed in
turn, medians are reported, and every bin is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import numpy as np
import torch
from scipy import sparse

from scmamba.tokens import bin_values, collate, mask_values, tokenize

BATCH, BINS, RATIO = 64, 51, 0.4
PAD_ID, CLS_ID, CLS_VALUE, PAD_VALUE, MASK_VALUE = 30_000, 30_001, 0.0, -2.0, -1.0
DENSE_BLOCK = 512


def make_cells(n_cells: int, n_genes: int, n_non_zero: int, seed: int = 0) -> sparse.csr_matrix:
    """Counts: mostly small, one in a hundred large, as of abundant transcripts."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(n_non_zero * 2 // 3, n_non_zero * 4 // 3 + 1, n_cells)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    indices = np.concatenate(
        [np.sort(rng.choice(n_genes, length, replace=False)) for length in lengths]
    )
    data = rng.geometric(0.35, indptr[-1])
    large = rng.random(len(data)) < 0.01
    data[large] *= rng.integers(1, 200, large.sum())
    shape = (n_cells, n_genes)
    return sparse.csr_matrix((data.astype(np.float32), indices.astype(np.int32), indptr), shape)


def log_normalized(X: sparse.csr_matrix) -> sparse.csr_matrix:
    """The usual transform, so that values are no integers."""
    totals = np.asarray(X.sum(axis=1)).ravel()
    data = np.log1p(X.data * np.repeat(1e4 / totals, np.diff(X.indptr))).astype(np.float32)
    return sparse.csr_matrix((data, X.indices, X.indptr), X.shape)


def published_bins(row: np.ndarray) -> np.ndarray:
    """Bins of one dense row, zeros left at 0."""
    bins = np.zeros(len(row), dtype=np.int64)
    places = row.nonzero()[0]
    values = row[places]
    bins[places] = np.digitize(values, np.quantile(values, np.linspace(0, 1, BINS - 1)))
    return bins


def published_batch(rows: np.ndarray, ids: np.ndarray) -> tuple[torch.Tensor, ...]:
    """Ids, values and masked values of dense rows: one cell at a time, padded by concatenation."""
    genes, values = [], []
    for row in rows:
        places = np.nonzero(row)[0]
        found = row[places]
        edges = np.quantile(found, np.linspace(0, 1, BINS - 1))
        cell = np.insert(np.digitize(found, edges), 0, CLS_VALUE)
        genes.append(torch.from_numpy(np.insert(ids[places], 0, CLS_ID)).long())
        values.append(torch.from_numpy(cell).float())
    longest = max(map(len, genes))
    padded_ids = torch.stack(
        [torch.cat([g, torch.full((longest - len(g),), PAD_ID)]) for g in genes]
    )
    padded = torch.stack(
        [torch.cat([v, torch.full((longest - len(v),), PAD_VALUE)]) for v in values]
    )
    masked = padded.clone().numpy()
    rng = np.random.default_rng()
    for row in masked:
        places = np.nonzero(row != PAD_VALUE)[0][1:]
        row[rng.choice(places, int(len(places) * RATIO), replace=False)] = MASK_VALUE
    return padded_ids, padded, torch.from_numpy(masked)


def dense_blocks(X: sparse.csr_matrix) -> Iterator[np.ndarray]:
    """Dense rows of ``X``, some at a time."""
    for start in range(0, X.shape[0], DENSE_BLOCK):
        yield X[start : start + DENSE_BLOCK].toarray()


def time_published(X: sparse.csr_matrix, work: Callable[[np.ndarray], object]) -> float:
    """Seconds of ``work`` over dense blocks, without the time to make them dense."""
    seconds = 0.0
    for block in dense_blocks(X):
        start = time.perf_counter()
        work(block)
        seconds += time.perf_counter() - start
    return seconds


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ours_end_to_end(X: sparse.csr_matrix, ids: np.ndarray) -> None:
    """Tokenise all cells, then collate and mask batch by batch."""
    tokens = tokenize(X, ids, n_bins=BINS)
    for start in range(0, len(tokens), BATCH):
        rows = np.arange(start, min(start + BATCH, len(tokens)))
        batch = collate(
            tokens, rows, pad_id=PAD_ID, cls_id=CLS_ID, cls_value=CLS_VALUE, pad_value=PAD_VALUE
        )
        mask_values(batch, RATIO, mask_value=MASK_VALUE)


def published_end_to_end(block: np.ndarray, ids: np.ndarray) -> None:
    """The same for a block of dense rows."""
    for start in range(0, len(block), BATCH):
        published_batch(block[start : start + BATCH], ids)


def count_different_bins(X: sparse.csr_matrix) -> int:
    """How many bins of ``X`` differ between the two ways."""
    bins = sparse.csr_matrix((bin_values(X.data, X.indptr, BINS), X.indices, X.indptr), X.shape)
    different = 0
    for i, block in enumerate(dense_blocks(X)):
        ours = bins[i * DENSE_BLOCK : (i + 1) * DENSE_BLOCK].toarray()
        different += int((ours != np.stack([published_bins(row) for row in block])).sum())
    return different


def compare(X: sparse.csr_matrix, repeats: int) -> dict[str, float]:
    """Time both ways in turn; seconds are medians."""
    ids = np.random.default_rng(1).permutation(X.shape[1])  # the vocabulary has an order of its own
    bin_values(X.data[:9], [0, 9])  # compile
    ours_end_to_end(X[:2], ids)
    times: dict[str, list[float]] = {key: [] for key in ("bin", "bin_pub", "all", "all_pub")}
    for _ in range(repeats):
        times["bin"].append(timed(lambda: bin_values(X.data, X.indptr, BINS)))
        times["bin_pub"].append(
            time_published(X, lambda block: [published_bins(row) for row in block])
        )
        times["all"].append(timed(lambda: ours_end_to_end(X, ids)))
        times["all_pub"].append(time_published(X, lambda block: published_end_to_end(block, ids)))
    seconds = {key: median(values) for key, values in times.items()}
    return {
        "binning_seconds": seconds["bin"],
        "binning_published_seconds": seconds["bin_pub"],
        "binning_ratio": seconds["bin_pub"] / seconds["bin"],
        "end_to_end_seconds": seconds["all"],
        "end_to_end_published_seconds": seconds["all_pub"],
        "end_to_end_ratio": seconds["all_pub"] / seconds["all"],
        "end_to_end_cells_per_second": X.shape[0] / seconds["all"],
        "different_bins": count_different_bins(X),
    }


def main() -> None:
    """Compare on counts and on log-normalised counts; write JSON, print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=30_000)
    parser.add_argument("--non-zero", type=int, default=1_500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results/tokens.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    counts = make_cells(arguments.cells, arguments.genes, arguments.non_zero)
    results: dict[str, object] = {
        "shape": [arguments.cells, arguments.genes],
        "non_zeros_per_cell": counts.nnz / arguments.cells,
        "threads": arguments.threads,
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "repeats": arguments.repeats,
    }
    for name, X in (("counts", counts), ("log_normalised", log_normalized(counts))):
        row = compare(X, arguments.repeats)
        results[name] = row
        print(
            f"{name}: binning {row['binning_ratio']:.0f}x, "
            f"end to end {row['end_to_end_ratio']:.0f}x "
            f"({row['end_to_end_cells_per_second']:,.0f} cells/s), "
            f"different bins {row['different_bins']}"
        )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
