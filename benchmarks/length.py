"""Long sequences on a CPU: how time and memory grow, and a million nucleotides piece by piece.

    python benchmarks/length.py            # an otherwise idle machine; about half an hour, 4 GB
    python benchmarks/length.py --quick    # short sequences: does it run

The bidirectional model has the size of a published Caduceus (16 layers of width 256, Mamba-1, tied
directions), random weights and whole sequences; the causal one, of the same size, reads a sequence
in pieces and hands its states on, so that memory does not grow with the length.
"""

from __future__ import annotations

import argparse
import json
import time

import _timing
import torch

from scmamba.models.sequence.config import SequenceConfig
from scmamba.models.sequence.model import SequenceModel
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer

LAYERS, WIDTH = 16, 256


def model(direction: str, layers: int) -> SequenceModel:
    """Random weights in the size of a published model."""
    torch.manual_seed(0)
    tokenizer = NucleotideTokenizer.caduceus()
    config = SequenceConfig(
        vocab_size=16,
        d_model=WIDTH,
        n_layer=layers,
        mixer="mamba1",
        d_state=16,
        direction=direction,
        pad_id=tokenizer.pad_id,
    )
    return SequenceModel(config, tokenizer).eval()


def nucleotides(length: int) -> torch.Tensor:
    """Random ids of A, C, G and T, (1, length)."""
    return torch.randint(7, 11, (1, length), generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def whole(length: int, layers: int) -> dict[str, float]:
    """Seconds and bytes of one pass over a whole sequence, of a warm model."""
    network, ids = model("bidirectional", layers), nucleotides(length)
    network.logits(ids[:, :64])
    start = time.perf_counter()
    needed = _timing.peak_memory(lambda: network.logits(ids))
    return {"length": length, "seconds": time.perf_counter() - start, "bytes": needed}


@torch.no_grad()
def pieces(length: int, layers: int, piece: int) -> dict[str, float]:
    """Seconds and bytes of a causal pass in pieces, and whether they say what a whole pass says."""
    network, ids = model("causal", layers), nucleotides(length)
    head = ids[:, : 2 * piece]
    expected, states, parts = network.logits(head), None, []
    for part in head.split(piece, 1):
        logits, states = network.step(part, states)
        parts.append(logits)
    difference = (torch.cat(parts, 1) - expected).abs().max().item()
    assert difference < 1e-4, f"pieces differ by {difference}"
    del expected, parts, states

    def read() -> None:
        states = None
        for part in ids.split(piece, 1):
            _, states = network.step(part, states)

    start = time.perf_counter()
    needed = _timing.peak_memory(read)
    seconds = time.perf_counter() - start
    row = {"length": length, "piece": piece, "seconds": seconds, "bytes": needed}
    return {**row, "difference": difference}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short sequences, two layers")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--one", type=int, metavar="L", help="only print the row of L tokens")
    parser.add_argument("--piece", type=int, metavar="L", help="with --one: causal, in pieces of L")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    layers = 2 if arguments.quick else LAYERS
    if arguments.one and arguments.piece:
        print(json.dumps(pieces(arguments.one, layers, arguments.piece)))
        return
    if arguments.one:
        print(json.dumps(whole(arguments.one, layers)))
        return
    quick = ["--quick"] if arguments.quick else []

    def alone(*more: object) -> dict[str, float]:
        command = [*quick, "--threads", str(arguments.threads), *map(str, more)]
        row = json.loads(_timing.alone(*command))
        print(row, flush=True)
        return row

    lengths = [1024, 4096] if arguments.quick else [8192, 32_768, 131_072]
    rows = [alone("--one", length) for length in lengths]
    far, piece = (8192, 1024) if arguments.quick else (1_000_000, 16_384)
    results = {
        "rows": rows,
        "exponents": {key: _timing.exponent(rows, key) for key in ("seconds", "bytes")},
        "pieces": [alone("--one", n, "--piece", piece) for n in (2 * piece, far)],
    }
    print("written:", _timing.save("length-quick" if arguments.quick else "length", results))


if __name__ == "__main__":
    main()
