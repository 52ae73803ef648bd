"""The bidirectional encoder on a GPU: cells a second, and share of what matrix products reach.

    python benchmarks/gpu.py             # 36 x 1,536, about ten minutes on one card
    python benchmarks/gpu.py --quick     # a tiny encoder, on a CPU too: does it run

Ours, with projections once and both directions, against the two-pass form: whole mixers with the
same kernels and weights, the second time on flipped tokens. bf16 autocast, weights in float32. The
projections take most of the arithmetic, so that 2 is the limit. Without a CUDA device nothing is
measured, and the results say so.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import _timing
import torch
from torch import Tensor, nn

from scmamba.nn.mamba2 import Mamba2
from scmamba.nn.scan import dispatch
from scmamba.nn.stack import Stack

FULL = {"n_layer": 36, "d_model": 1536, "lengths": [1200, 3000], "cells": [16, 6], "rounds": 5}
QUICK = {"n_layer": 2, "d_model": 64, "lengths": [128], "cells": [2], "rounds": 2}


class TwoPasses(nn.Module):
    """x + (mixer(x) + reversed mixer(x)) / 2, layer after layer, with the weights of ``stack``."""

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.mixers = nn.ModuleList()
        for layer in stack.layers:
            mixer = Mamba2(layer.mamba.d_model)
            mixer.load_state_dict(layer.mamba.state_dict())
            self.mixers.append(mixer)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``x`` (B, L, d_model)."""
        for mixer in self.mixers:
            x = x + (mixer(x) + mixer(x.flip(1)).flip(1)) / 2
        return x


def flops_of_token(d_model: int, n_layer: int, d_state: int = 64, chunk: int = 64) -> float:
    """Multiplications and additions of a token in a forward pass of ours.

    Projections once; in each direction the scores of a chunk, the product with them, what enters
    the state and what is read from it (Dao and Gu, 2024, section 6).
    """
    d_inner = 2 * d_model
    projections = 2 * d_model * (3 * d_inner + 2 * d_state + d_inner // 64)
    direction = 2 * (chunk * d_state + chunk * d_inner + 2 * d_state * d_inner)
    return float(n_layer * (projections + 2 * direction))


def matrix_rate(device: torch.device, dtype: torch.dtype, n: int) -> float:
    """Operations a second of a large matrix product, the best of a few."""
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    seconds = [_seconds(lambda: a @ b, device) for _ in range(10)]
    return 2 * n**3 / min(seconds[2:])


def _seconds(run: Callable[[], object], device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def compare(device: torch.device, sizes: dict[str, object]) -> dict[str, object]:
    """Both forms at every length, forward and training, in turn."""
    n_layer, d_model = int(sizes["n_layer"]), int(sizes["d_model"])  # type: ignore[call-overload]
    torch.manual_seed(0)
    ours = Stack(n_layer, d_model).to(device)
    models = {"ours": ours, "two passes": TwoPasses(ours).to(device)}
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    rate = matrix_rate(device, dtype, 8192 if device.type == "cuda" else 512)
    rows: dict[str, object] = {}
    for length, cells in zip(sizes["lengths"], sizes["cells"], strict=True):  # type: ignore
        x = torch.randn(cells, length, d_model, device=device)
        for kind, times in (("forward", 1), ("training step", 3)):
            runs = {name: _run(model, x, kind, dtype) for name, model in models.items()}
            taken: dict[str, list[float]] = {name: [] for name in runs}
            for round_ in range(-2, int(sizes["rounds"])):  # type: ignore[call-overload]
                for name, run in runs.items():
                    seconds = _seconds(run, device)
                    if round_ >= 0:
                        taken[name].append(seconds)
            table = _timing.against(taken, "ours")
            needed = times * cells * length * flops_of_token(d_model, n_layer)
            median = statistics.median(taken["ours"])
            rows[f"{kind}, L {length:,}"] = {
                **table,
                "cells_per_second": cells / median,
                "share_of_matrix_rate": needed / median / rate,
            }
            print(kind, length, rows[f"{kind}, L {length:,}"], flush=True)
    return {
        "device": _name(device),
        "matrix_rate": rate,
        "kernels": dispatch.explain(),
        "rows": rows,
    }


def _run(model: nn.Module, x: Tensor, kind: str, dtype: torch.dtype) -> Callable[[], object]:
    def forward() -> Tensor:
        with torch.autocast(x.device.type, dtype, enabled=dtype != torch.float32):
            return model(x)

    def without_gradients() -> Tensor:
        with torch.no_grad():
            return forward()

    def step() -> None:
        model.zero_grad()
        forward().float().square().mean().backward()

    return without_gradients if kind == "forward" else step


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tiny encoder, on a CPU too")
    arguments = parser.parse_args()
    here = torch.cuda.is_available()
    device = torch.device("cuda" if here else "cpu")
    if not here and not arguments.quick:
        results: dict[str, object] = {"not_measured": "no CUDA device was at hand"}
    else:
        results = compare(device, QUICK if arguments.quick else FULL)
    print("written:", _timing.save("gpu-quick" if arguments.quick else "gpu", results))


if __name__ == "__main__":
    main()
