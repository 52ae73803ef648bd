"""All genes and peaks of a cell as one sequence: time and memory against length, beside attention.

    python benchmarks/multiomics_length.py                       # 1,000 to 53,946 tokens
    python benchmarks/multiomics_length.py --lengths 500 1000    # does it run; no results file

One forward pass of one layer, width 64, as ``MultiomicsTraining(n_layer=1)`` adds it, over the
tokens of both modalities of one cell; and of one layer of 8-head attention (PyTorch's scaled dot
product) of the same width. 53,946 tokens are the 1,185 genes and 52,761 peaks of sci-CAR.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import _timing
import torch
import torch.nn.functional as F
from _results import provenance, write
from torch import nn

from scmamba.tasks._multiomics.encoder import Values
from scmamba.tasks._multiomics.mixer import Mixer
from scmamba.tasks._multiomics.sizes import Sizes

LENGTHS = (1_000, 4_000, 16_000, 53_946)
GENES, WIDTH, HEADS = 0.022, 64, 8
RESULT = Path(__file__).parent / "results" / "multiomics_length.json"


def mamba(length: int) -> Callable[[], object]:
    """The layer over a cell with ``length`` tokens of two modalities."""
    n_genes = max(int(GENES * length), 1)
    sizes = (n_genes, length - n_genes)
    mixer = Mixer(Sizes(("rna", "atac"), sizes, (50, 50), n_layer=1, width=WIDTH)).eval()
    tables = [torch.randn(n, 50) for n in sizes]
    one = torch.ones(1, dtype=torch.bool)
    start = torch.zeros(1, dtype=torch.int64)
    values = [Values(torch.arange(n), torch.rand(n), start, one) for n in sizes]
    return lambda: mixer(values, tables)


def attention(length: int) -> Callable[[], object]:
    """Attention over as many tokens, which keeps no (length, length) matrix."""
    enter, leave = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
    tokens = torch.randn(1, length, WIDTH)

    def forward() -> object:
        heads = enter(tokens).view(1, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*heads.unbind(0))
        return leave(mixed.transpose(1, 2).reshape(1, length, WIDTH))

    return forward


WAYS = {"mamba": mamba, "attention": attention}


@torch.no_grad()
def measured(way: Callable[[int], Callable[[], object]], length: int) -> dict[str, float]:
    """Bytes of a first pass above the base, and processor seconds of a second one."""
    way(64)()  # libraries and threads that any length needs
    made = way(length)
    needed = _timing.peak_memory(made)
    start = time.process_time()
    made()
    return {"cpu_seconds": time.process_time() - start, "bytes": needed}


def main() -> None:
    """Measure each length in processes of their own; the results of all of them are kept."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS))
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.manual_seed(0)
    if chosen.way is not None:
        print(json.dumps(measured(WAYS[chosen.way], *chosen.lengths)))
        return
    rows = []
    for length in chosen.lengths:
        one = {way: _timing.alone("--way", way, "--lengths", str(length)) for way in WAYS}
        rows.append({"length": length, **{way: json.loads(text) for way, text in one.items()}})
        print(rows[-1], flush=True)
    if tuple(chosen.lengths) == LENGTHS:
        write(RESULT, {"rows": rows, **provenance(("torch",))})


if __name__ == "__main__":
    main()
