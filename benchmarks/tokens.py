"""Speed of tokens against the published way, a NumPy loop over dense rows, in the same run.

    python benchmarks/tokens.py            # 20,000 x 30,000, about 1,500 non-zeros a cell
    python benchmarks/tokens.py --cells 2000

Two claims: binning, and tokenise + collate + mask end to end. The peer is written anew after the
published data collator; its rows are made dense before anything is timed (2.4 GB). Every bin is
compared. About three minutes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import _timing
import numpy as np
import torch
from scipy import sparse

from scmamba.tokens import bin_values, collate, mask_values, tokenize

BATCH, BINS, RATIO = 64, 51, 0.4
PAD_ID, CLS_ID, CLS_VALUE, PAD_VALUE, MASK_VALUE = 30_000, 30_001, 0.0, -2.0, -1.0


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


def ours_end_to_end(X: sparse.csr_matrix, ids: np.ndarray) -> None:
    """Tokenise all cells, then collate and mask batch by batch."""
    tokens = tokenize(X, ids, n_bins=BINS)
    for start in range(0, len(tokens), BATCH):
        rows = np.arange(start, min(start + BATCH, len(tokens)))
        batch = collate(
            tokens, rows, pad_id=PAD_ID, cls_id=CLS_ID, cls_value=CLS_VALUE, pad_value=PAD_VALUE
        )
        mask_values(batch, RATIO, mask_value=MASK_VALUE)


def published_end_to_end(dense: np.ndarray, ids: np.ndarray) -> None:
    """The same for dense rows."""
    for start in range(0, len(dense), BATCH):
        published_batch(dense[start : start + BATCH], ids)


def published_binning(dense: np.ndarray) -> None:
    """Bins of each row, one after the other."""
    for row in dense:
        published_bins(row)


def count_different_bins(X: sparse.csr_matrix, dense: np.ndarray) -> int:
    """How many bins of ``X`` differ between the two ways."""
    bins = bin_values(X.data, X.indptr, BINS)
    different = 0
    for i, row in enumerate(dense):
        here = slice(X.indptr[i], X.indptr[i + 1])
        ours = np.zeros(len(row), dtype=np.int64)
        ours[X.indices[here]] = bins[here]
        different += int((ours != published_bins(row)).sum())
    return different


def candidates(
    X: sparse.csr_matrix, dense: np.ndarray
) -> dict[str, dict[str, Callable[[], object]]]:
    """Both claims, each with what is timed in turn."""
    ids = np.random.default_rng(1).permutation(X.shape[1])  # the vocabulary has an order of its own
    return {
        "binning": {
            "ours": lambda: bin_values(X.data, X.indptr, BINS),
            "published": lambda: published_binning(dense),
        },
        "end to end": {
            "ours": lambda: ours_end_to_end(X, ids),
            "published": lambda: published_end_to_end(dense, ids),
        },
    }


def main() -> None:
    """Compare on counts and on log-normalized counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=20_000)
    parser.add_argument("--genes", type=int, default=30_000)
    parser.add_argument("--non-zero", type=int, default=1_500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=4)
    arguments = parser.parse_args()
    _timing.keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    counts = make_cells(arguments.cells, arguments.genes, arguments.non_zero)
    rows, different = {}, {}
    for values, X in (("counts", counts), ("log-normalized", log_normalized(counts))):
        dense = X.toarray()
        for claim, ways in candidates(X, dense).items():
            times = _timing.interleaved(ways, rounds=arguments.rounds, warm_up=1)
            rows[f"{claim}, {values}"] = _timing.against(times, "ours")
            ratio = rows[f"{claim}, {values}"]["published"]
            print(f"{claim}, {values}: {ratio['ours_faster']:.0f} times faster", flush=True)
        different[values] = count_different_bins(X, dense)
        print(f"{values}: {different[values]} bins differ")
    shape = {"cells": arguments.cells, "genes": arguments.genes, "non_zeros": counts.nnz}
    results = {**shape, "rounds": arguments.rounds, "rows": rows, "different_bins": different}
    full = arguments.cells == parser.get_default("cells")
    print("written:", _timing.save("tokens" if full else "tokens-quick", results))


if __name__ == "__main__":
    main()
