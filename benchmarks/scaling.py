"""What pretraining on 57 million cells takes on 1, 8 and 64 GPUs, computed; writes docs/scaling.md.

    python benchmarks/scaling.py                  # prints the tables
    python benchmarks/scaling.py --write          # puts them into docs/scaling.md

Nothing is trained. Measured are the number of tokens a cell, bytes a cell and cells a second of the
reader, all from benchmarks/results/streaming.json; the rest follows from the sizes of the model and
from the figures of a GPU that its maker states.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from pathlib import Path

from scmamba.models import CellConfig, n_parameters, preset

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "scaling.md"
CELLS = 57_000_000
GPUS = (1, 8, 64)
GPUS_A_NODE = 8
CARD = {"name": "H100 SXM", "flops": 989e12, "memory": 80e9}
"""Dense bfloat16 and memory as stated by the maker."""
SHARES = (0.15, 0.3, 0.45)
"""Of the stated speed that is reached: assumed, since no card was at hand."""
BATCHES = (16, 128)
"""Cells on one GPU in a step, which fit beside the states with activation checkpointing."""


@dataclass(frozen=True)
class Reading:
    """What was measured of reading a file of a million cells on one machine."""

    tokens: float
    bytes: float
    cells_per_second: float
    cores: int

    @classmethod
    def measured(cls) -> Reading:
        content = json.loads((ROOT / "benchmarks/results/streaming.json").read_text())
        found = content["results"]
        row = found["rows"]["tokens, 1,000,000 cells"]
        n = row["cells"]
        return cls(
            row["tokens"] / n,
            found["file_bytes"] / n,
            row["cells_per_second"],
            content["machine"]["cores"],
        )


@dataclass(frozen=True)
class Work:
    """Operations and bytes of one model; a multiplication and an addition are two operations."""

    config: CellConfig

    @property
    def projections(self) -> float:
        """Operations of the linear layers of one token, forward: both directions share them."""
        c = self.config.encoder
        inner = c.expand * c.d_model
        into = 2 * inner + 2 * c.ngroups * c.d_state + inner // c.headdim
        return 2.0 * c.n_layer * c.d_model * (into + inner)

    @property
    def scans(self) -> float:
        """Operations of convolution and scan of one token, forward, two directions, by chunks."""
        c = self.config.encoder
        inner, q = c.expand * c.d_model, c.chunk_size
        one = 2 * q * c.ngroups * c.d_state + 2 * q * inner + 4 * c.d_state * inner
        return 2.0 * c.n_layer * (one + 2 * c.d_conv * (inner + 2 * c.ngroups * c.d_state))

    def training(self, *, checkpointing: bool = True) -> float:
        """Operations of a token: forward, twice as many backward, and the forward made again."""
        return (4 if checkpointing else 3) * (self.projections + self.scans)

    @property
    def parameters(self) -> int:
        return n_parameters(self.config)

    def state_bytes(self, strategy: str, n: int) -> float:
        """Weights, gradients and two moments of AdamW in 32 bits; FSDP shares them out."""
        return 16.0 * self.parameters / (n if strategy == "fsdp" else 1)

    def activation_bytes(self, tokens: float, *, checkpointing: bool) -> float:
        """What the backward pass of a cell needs, 16 bits: the input of each layer, or all in it.

        24 floats of the inner width a token and layer are those that ``scmamba pretrain --dry_run``
        counts with.
        """
        c = self.config.encoder
        layer = 24 * c.expand * c.d_model * 2.0 * tokens
        if not checkpointing:
            return c.n_layer * layer
        return c.n_layer * c.d_model * 2.0 * tokens + layer

    def traffic(self, strategy: str, n: int) -> float:
        """Bytes that each GPU sends in a step: a ring sums gradients (32 bits), or FSDP gathers
        weights twice and scatters gradients once (16 bits)."""
        part = (n - 1) / n
        return part * self.parameters * (3 * 2.0 if strategy == "fsdp" else 2 * 4.0)


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def hours(seconds: float) -> str:
    h = seconds / 3600
    return f"{h / 24:,.1f} days" if h > 48 else f"{h:,.1f} h"


def operations(work: Work, reading: Reading) -> str:
    per_cell = work.training() * reading.tokens
    plain = work.training(checkpointing=False) * reading.tokens
    rows = [
        ["parameters", f"{work.parameters / 1e6:,.0f} M"],
        ["tokens a cell (measured, a file of a million cells)", f"{reading.tokens:,.0f}"],
        ["forward pass of a token: projections", f"{work.projections / 1e9:.2f} GFLOP"],
        ["forward pass of a token: convolutions and scans", f"{work.scans / 1e9:.2f} GFLOP"],
        ["training on a cell", f"{plain / 1e12:.2f} TFLOP"],
        ["the same with activation checkpointing", f"{per_cell / 1e12:.2f} TFLOP"],
        ["an epoch of 57 M cells, with it", f"{per_cell * CELLS:.2g} FLOP"],
    ]
    return table(["", "figure"], rows)


def times(work: Work, reading: Reading) -> str:
    per_cell, rows = work.training() * reading.tokens, []
    for n in GPUS:
        row = [str(n)]
        for share in SHARES:
            rate = n * share * CARD["flops"] / per_cell
            row.append(f"{hours(CELLS / rate)} ({rate:,.0f} cells/s)")
        rows.append(row)
    return table(["GPUs", *[f"{share:.0%} of the stated speed" for share in SHARES]], rows)


def memory(work: Work, reading: Reading) -> str:
    rows = []
    for strategy in ("ddp", "fsdp"):
        for n in GPUS if strategy == "ddp" else GPUS[1:]:
            state = work.state_bytes(strategy, n)
            row = [f"{strategy.upper()}, {n} GPU{'s' if n > 1 else ''}", f"{state / 1e9:.1f} GB"]
            for checkpointing in (False, True):
                cell = work.activation_bytes(reading.tokens, checkpointing=checkpointing)
                fit = int((0.9 * CARD["memory"] - state) // cell)
                row.append(f"{cell / 1e9:.2f} GB ({fit:,} cells)")
            rows.append(row)
    header = ["", "states", "activations of a cell (how many fit)", "with checkpointing"]
    return table(header, rows)


def rates(work: Work, reading: Reading) -> str:
    rate, rows = SHARES[1] * CARD["flops"] / (work.training() * reading.tokens), []
    for n in GPUS:
        cells = n * rate
        cores = cells / max(n // GPUS_A_NODE, 1) / reading.cells_per_second * reading.cores
        row = [str(n), f"{cells:,.0f}", f"{cells * reading.bytes / 1e6:,.1f} MB/s", f"{cores:.2f}"]
        for batch in BATCHES:
            for strategy in ("ddp", "fsdp"):
                sent = work.traffic(strategy, n) / (batch / rate)
                row.append(f"{sent / 1e9:.1f} GB/s" if n > 1 else "none")
        rows.append(row)
    head = ["GPUs", "cells/s", "disk", "cores that read, a node"]
    head += [f"{s}, {batch} cells a step" for batch in BATCHES for s in ("DDP", "FSDP")]
    return table(head, rows)


def tables() -> dict[str, str]:
    work, reading = Work(preset("large")), Reading.measured()
    made = (operations, times, memory, rates)
    return {one.__name__: one(work, reading) for one in made}


def write(page: Path = PAGE) -> None:
    text = page.read_text(encoding="utf-8")
    for name, content in tables().items():
        marks = rf"(<!-- scaling: {name} -->\n).*?(<!-- end -->)"
        text = re.sub(marks, lambda m, c=content: f"{m[1]}\n{c}\n\n{m[2]}", text, flags=re.DOTALL)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true", help="put the tables into docs/scaling.md")
    if parser.parse_args().write:
        write()
    else:
        for name, content in tables().items():
            print(f"{name}\n\n{content}\n")
