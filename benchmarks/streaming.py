"""Cells that do not fit into memory: how fast, in how much memory, and what a kill costs.

    python benchmarks/make_cells.py some.h5ad --cells 100000
    python benchmarks/make_cells.py cells.h5ad             # 1,000,000 x 20,000, 12 GB
    python benchmarks/streaming.py some.h5ad cells.h5ad    # about ten minutes

Each figure is of a process of its own. "tokens" reads, checks, tokenises and collates all cells of
a file, without a model; the peer does so in the plain way, rows of a backed AnnData made dense and
binned one at a time, on the first cells of the last file. "embed" is one call of
``scmamba.tasks.embed`` with a small model on the first cells of it, once whole, and once killed
after half and made again.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import _timing
import anndata as ad
import numpy as np
import tokens as published

PEER_CELLS, PEER_ROWS = 2_000, 512


def tokens(path: Path) -> None:
    """Walk through all cells as batches of tokens."""
    from scmamba._allocator import keep_freed_memory
    from scmamba.stream import CellBatches
    from scmamba.stream.buckets import TOKEN_BUDGET
    from scmamba.stream.data import CellData
    from scmamba.stream.expressions import Expressions
    from scmamba.stream.source import open_cells
    from scmamba.tokens import Vocab, tokenize
    from scmamba.tokens.cells.genes import resolve

    keep_freed_memory()
    with open_cells(path) as cells:
        opened = _timing.peak_of_process()
        found = Expressions.of(cells)
        vocab = Vocab(found.first.var_names.tolist())
        match = resolve(found.first.var_names.tolist(), vocab.tokens)
        tokenize(found.first.X, match.index)  # compile
        n_tokens = 0
        start = time.perf_counter()
        for _, block in found.blocks():
            data = CellData(tokenize(block.X, match.index), vocab, -2.0, -2.0)
            batches = CellBatches(data, np.arange(len(data)), token_budget=TOKEN_BUDGET)
            n_tokens += sum(batch.gene_ids.numel() for batch in batches)
        seconds = time.perf_counter() - start
        report(cells.n_obs, seconds, tokens=n_tokens, bytes_when_opened=opened)


def plain(path: Path, n_cells: int) -> None:
    """The same in the plain way."""
    cells = ad.read_h5ad(path, backed="r")
    ids = np.arange(cells.n_vars)
    start = time.perf_counter()
    for first in range(0, n_cells, PEER_ROWS):
        dense = cells[first : min(first + PEER_ROWS, n_cells)].to_memory().X.toarray()
        published.published_end_to_end(dense, ids)
    report(n_cells, time.perf_counter() - start)


def embed(path: Path, output: Path) -> None:
    """Embed all cells of ``path`` with a small model."""
    import torch

    from scmamba import models, settings, tasks
    from scmamba.tokens import Vocab

    settings.device, settings.verbosity = "cpu", "warning"
    torch.manual_seed(0)
    vocab = Vocab(ad.read_h5ad(path, backed="r").var_names.tolist())
    model = models.CellModel(models.preset("mini", n_genes=len(vocab)))
    model.vocab = vocab
    start = time.perf_counter()
    tasks.embed(path, model, output=output)
    n_cells = len(ad.read_h5ad(output, backed="r"))
    report(n_cells, time.perf_counter() - start)


def report(n_cells: int, seconds: float, **more: float) -> None:
    """Print what this process did, and what it needed, as JSON."""
    row = {"cells": n_cells, "seconds": seconds, "cells_per_second": n_cells / seconds, **more}
    print(json.dumps({**row, "peak_bytes": _timing.peak_of_process()}))


def killed(path: Path, output: Path) -> dict[str, float]:
    """Kill ``embed`` when half is done, and make the call again."""
    part = output.with_name(f".{output.name}.part") / "state.json"
    command = [sys.executable, sys.argv[0], str(path), "--embed", str(output)]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    n_cells = len(ad.read_h5ad(path, backed="r"))
    while process.poll() is None and _done(part) < n_cells // 2:
        time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept, first = _done(part), time.perf_counter() - start
    if output.exists() or not 0 < kept < n_cells:
        raise SystemExit("all cells were one block: give more --embed-cells to be killed among")
    again = json.loads(_timing.alone(str(path), "--embed", str(output)))
    return {"kept_cells": kept, "seconds_until_killed": first, "seconds_again": again["seconds"]}


def _done(part: Path) -> int:
    return int(json.loads(part.read_text()).get("done", 0)) if part.exists() else 0


def main() -> None:
    """Run every part in a process of its own, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", type=Path, nargs="+", help="made files, the largest last")
    parser.add_argument("--embed-cells", type=int, default=20_000)
    parser.add_argument("--tokens", action="store_true", help="only walk through the cells")
    parser.add_argument("--plain", type=int, help="only the peer, on so many cells")
    parser.add_argument("--embed", type=Path, help="only embed, into this file")
    arguments = parser.parse_args()
    *_, path = arguments.paths
    if arguments.tokens:
        return tokens(path)
    if arguments.plain:
        return plain(path, arguments.plain)
    if arguments.embed:
        return embed(path, arguments.embed)
    rows: dict[str, dict[str, float]] = {}

    def measure(name: str, *command: str) -> None:
        row = json.loads(_timing.alone(*command))
        rows[f"{name}, {row['cells']:,} cells"] = row
        print(f"{name}: {row}", flush=True)

    for one in arguments.paths:
        measure("tokens", str(one), "--tokens")
    measure("plain", str(path), "--plain", str(PEER_CELLS))
    some, output = path.with_name("first.h5ad"), path.with_name("embedded.h5ad")
    try:
        ad.read_h5ad(path, backed="r")[: arguments.embed_cells].to_memory().write_h5ad(some)
        measure("embed", str(some), "--embed", str(output))
        output.unlink()
        cut = killed(some, output)
        print(f"killed: {cut}", flush=True)
    finally:
        some.unlink(missing_ok=True)
        output.unlink(missing_ok=True)
    results = {"file_bytes": path.stat().st_size, "rows": rows, "killed": cut}
    print("written:", _timing.save("streaming", results))


if __name__ == "__main__":
    main()
