"""The selective scan of Mamba-1 on a CPU: ours against the step loop and other plain PyTorch.

    python benchmarks/selective_scan.py            # an otherwise idle machine; three minutes, 6 GB
    python benchmarks/selective_scan.py --quick    # one short length, few rounds: does it run

512 channels, 16 states, batch 1, float32. The step loop is the recurrence written down, a few small
operations a token; transformers' slow path computes all decays first; the chunked form is what we
take on other devices. All must give our result within 1e-4 before anything is timed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import _timing
import torch
from torch import Tensor

from scmamba.nn.scan import selective_chunks
from scmamba.nn.scan.selective import selective_scan

CHANNELS, STATES = 512, 16
LONGEST = 4096  # that peers train: they keep too much, or take too long

Scan = Callable[..., Tensor]


def step_loop(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """The recurrence, one position at a time."""
    state, out = x.new_zeros(len(x), *A.shape), []
    for t in range(x.shape[1]):
        keep = torch.exp(dt[:, t, :, None] * A)
        state = keep * state + (dt[:, t] * x[:, t])[..., None] * B[:, t, None]
        out.append((state * C[:, t, None]).sum(-1))
    return torch.stack(out, 1) + D * x


def chunked(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """Our own form in plain PyTorch."""
    inputs = selective_chunks.Inputs(x, dt, A, B, C, x.new_zeros(len(x), *A.shape))
    return selective_chunks.scan(inputs, D, 16, False)[0]


def ours(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """The compiled loops."""
    return selective_scan(x, dt, A, B, C, D=D)[0]


def candidates() -> dict[str, Scan]:
    """Ours and its peers."""
    scans: dict[str, Scan] = {"ours": ours, "step loop": step_loop, "chunked": chunked}
    try:
        from transformers.models.mamba.modeling_mamba import mamba_selective_scan
    except ImportError:
        return scans

    def transformers(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
        return mamba_selective_scan(x.mT, dt.mT, A, B.mT, C.mT, D).mT

    return {**scans, "transformers": transformers}


def inputs(length: int) -> list[Tensor]:
    """x, dt, A, B, C, D as a fresh Mamba-1 layer has them."""
    x, (B, C) = torch.randn(1, length, CHANNELS), torch.randn(2, 1, length, STATES)
    dt = torch.empty(1, length, CHANNELS).uniform_(1e-3, 1e-1)
    A = -torch.arange(1.0, STATES + 1).repeat(CHANNELS, 1)
    return [x, dt, A, B, C, torch.ones(CHANNELS)]


def forward(scan: Scan, tensors: list[Tensor]) -> Callable[[], Tensor]:
    """One forward pass without gradients."""

    def run() -> Tensor:
        with torch.no_grad():
            return scan(*tensors)

    return run


def step(scan: Scan, tensors: list[Tensor]) -> Callable[[], object]:
    """One forward and backward pass, with gradients of all inputs."""
    given = [t.clone().requires_grad_() for t in tensors]
    upstream = torch.randn_like(tensors[0])
    return lambda: torch.autograd.grad(scan(*given), given, upstream)


def compare(lengths: list[int], rounds: int) -> dict[str, object]:
    """Times of all candidates that can, by length and kind."""
    results: dict[str, object] = {}
    for length in lengths:
        tensors, scans = inputs(length), candidates()
        expected = forward(ours, tensors)()
        difference = max(
            (forward(scan, tensors)() - expected).abs().max().item() for scan in scans.values()
        )
        assert difference < 1e-4, f"ours differs by {difference}"
        for kind, make in (("forward", forward), ("training step", step)):
            training = kind != "forward"
            runs = {
                name: make(scan, tensors)
                for name, scan in scans.items()
                if name == "ours" or not (training and length > LONGEST)
            }
            few = 2 if training and length == LONGEST else rounds
            times = _timing.interleaved(runs, rounds=few, warm_up=1)
            table = _timing.against(times, "ours")
            results[f"{kind}, L {length:,}"] = {**table, "difference": difference}
            ratios = ", ".join(f"{n} {row['ours_faster']:.1f}" for n, row in table.items())
            print(f"{kind:13} L {length:6}: times faster than {ratios}", flush=True)
    return results


def growth(lengths: list[int], rounds: int) -> dict[str, object]:
    """Seconds of ours alone, and their exponents in the length."""
    rows: list[dict[str, float]] = []
    for length in lengths:
        tensors = inputs(length)
        runs = {"forward": forward(ours, tensors), "training": step(ours, tensors)}
        times = _timing.interleaved(runs, rounds=rounds, warm_up=1)
        rows.append({"length": length, **{kind: min(seconds) for kind, seconds in times.items()}})
        print(rows[-1], flush=True)
    kinds = ("forward", "training")
    return {"rows": rows, "exponents": {kind: _timing.exponent(rows, kind) for kind in kinds}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short length, few rounds")
    parser.add_argument("--threads", type=int, default=4)
    arguments = parser.parse_args()
    _timing.keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    lengths = [256] if arguments.quick else [1024, 4096, 16_384]
    far = [256, 512] if arguments.quick else [1024, 4096, 16_384, 65_536]
    rounds = 2 if arguments.quick else 4
    results = {**compare(lengths, rounds), "growth": growth(far, rounds)}
    name = "selective_scan-quick" if arguments.quick else "selective_scan"
    print("written:", _timing.save(name, results))


if __name__ == "__main__":
    main()
