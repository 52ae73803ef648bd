"""The bidirectional encoder against the published formulation, transformers' Mamba-2 and SDPA.

    python benchmarks/encoder.py            # an otherwise idle machine; some minutes
    python benchmarks/encoder.py 128        # a part alone: 128, 512 or growth; kept with the others
    python benchmarks/encoder.py --quick    # one length, few rounds: does it run

Four layers, float32, batch 1. The published formulation runs the whole mixer twice, the second time
on flipped tokens, with chunks of 256, in plain PyTorch; it has our weights and must give our result
within 1e-4 before anything is timed.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import _timing
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from scmamba.nn.stack import Stack

LAYERS, HEADDIM, D_STATE = 4, 64, 64
PARTS = ("128", "512", "growth")


class PlainMamba2(nn.Module):
    """A causal Mamba-2 mixer in plain PyTorch, with autograd and chunks of 256."""

    def __init__(self, weights: dict[str, Tensor], chunk: int = 256) -> None:
        super().__init__()
        self.chunk = chunk
        for name, value in weights.items():
            self.register_parameter(name.replace(".", "_"), nn.Parameter(value.clone()))

    def forward(self, u: Tensor) -> Tensor:
        b, length, _ = u.shape
        heads, conv_dim = len(self.D), len(self.conv1d_bias)
        inner = heads * HEADDIM
        z, xbc, dt = (u @ self.in_proj_weight.T).split([inner, conv_dim, heads], -1)
        xbc = F.pad(xbc.transpose(1, 2), (3, 0))
        xbc = F.silu(F.conv1d(xbc, self.conv1d_weight, self.conv1d_bias, groups=conv_dim))
        x, B, C = xbc.transpose(1, 2).split([inner, D_STATE, D_STATE], -1)
        y = self.scan(x.unflatten(-1, (heads, -1)), F.softplus(dt + self.dt_bias), B, C)
        y = (y + x.unflatten(-1, (heads, -1)) * self.D[:, None]).flatten(2) * F.silu(z)
        return F.rms_norm(y, (inner,), self.norm_weight, 1e-5) @ self.out_proj_weight.T

    def scan(self, x: Tensor, dt: Tensor, B: Tensor, C: Tensor) -> Tensor:
        length, q = x.shape[1], min(self.chunk, x.shape[1])
        behind = -length % q

        def chunked(t: Tensor) -> Tensor:
            return F.pad(t.flatten(2), (0, 0, 0, behind)).unflatten(1, (-1, q))

        xdt = chunked(x * dt[..., None]).unflatten(-1, x.shape[2:])  # b n q h p
        cum = chunked(dt * -self.A_log.exp()).cumsum(2)  # b n q h
        B, C = chunked(B), chunked(C)  # b n q k
        seg = cum.transpose(2, 3)[..., None] - cum.transpose(2, 3)[..., None, :]
        above = torch.ones(q, q, dtype=torch.bool).triu(1)
        decay = seg.masked_fill(above, -math.inf).exp()  # b n h t s
        y = ((C @ B.mT)[:, :, None] * decay) @ xdt.transpose(2, 3)  # b n h q p
        states = B.mT @ (xdt * (cum[:, :, -1:] - cum).exp()[..., None]).flatten(3)  # b n k hp
        factor = cum[:, :, -1].exp().repeat_interleave(HEADDIM, -1)[:, :, None]  # b n 1 hp
        state, entered = torch.zeros_like(states[:, 0]), []
        for i in range(states.shape[1]):
            entered.append(state)
            state = states[:, i] + factor[:, i] * state
        carried = (C @ torch.stack(entered, 1)).unflatten(-1, xdt.shape[3:])
        y = y.transpose(2, 3) + carried * cum.exp()[..., None]
        return y.flatten(1, 2)[:, :length]


class Twice(nn.Module):
    """x + (mixer(x) + reversed mixer(x)) / 2, layer after layer."""

    def __init__(self, mixers: list[nn.Module]) -> None:
        super().__init__()
        self.mixers = nn.ModuleList(mixers)

    def forward(self, x: Tensor) -> Tensor:
        for mixer in self.mixers:
            x = x + (mixer(x) + mixer(x.flip(1)).flip(1)) / 2
        return x


class Attention(nn.Module):
    """Transformer layer: 8 heads, feed-forward as wide as the model, SDPA."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.norms = nn.ModuleList([nn.LayerNorm(d), nn.LayerNorm(d)])
        self.feed = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, d))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (t.unflatten(-1, (8, -1)).transpose(1, 2) for t in self.qkv(x).chunk(3, -1))
        x = self.norms[0](
            x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        )
        return self.norms[1](x + self.feed(x))


def candidates(d: int) -> dict[str, nn.Module]:
    """Ours and its peers; those with a scan share one set of weights."""
    torch.manual_seed(0)
    ours = Stack(LAYERS, d, d_state=D_STATE, headdim=HEADDIM)
    weights = [layer.mamba.state_dict() for layer in ours.layers]
    models = {
        "ours": ours,
        "published": Twice([PlainMamba2(w) for w in weights]),
        "sdpa": nn.Sequential(*(Attention(d) for _ in range(LAYERS))),
    }
    try:
        from transformers import Mamba2Config
        from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer
    except ImportError:
        return models
    config = Mamba2Config(
        hidden_size=d,
        state_size=D_STATE,
        head_dim=HEADDIM,
        num_heads=2 * d // HEADDIM,
        n_groups=1,
        use_bias=False,
    )
    mixers = [Mamba2Mixer(config, i) for i in range(LAYERS)]
    for mixer, own in zip(mixers, weights, strict=True):
        mixer.load_state_dict(own)
    return {**models, "transformers": Twice(mixers)}


def forward(model: nn.Module, x: Tensor) -> Callable[[], object]:
    """One forward pass without gradients."""

    def run() -> Tensor:
        with torch.no_grad():
            return model(x)

    return run


def step(model: nn.Module, x: Tensor) -> Callable[[], object]:
    """One forward and backward pass."""

    def run() -> None:
        model.zero_grad()
        model(x).square().mean().backward()

    return run


def check(models: dict[str, nn.Module], x: Tensor) -> float:
    """Largest difference between ours and the same mathematics elsewhere."""
    ours = forward(models["ours"], x)()
    same = [name for name in ("published", "transformers") if name in models]
    return max((ours - forward(models[name], x)()).abs().max().item() for name in same)


def compare(d: int, lengths: list[int], rounds: int) -> dict[str, object]:
    """Forward passes and training steps of all candidates at width ``d``."""
    models, results = candidates(d), {}
    for length in lengths:
        x = torch.randn(1, length, d)
        difference = check(models, x)
        assert difference < 1e-4, f"ours differs by {difference}"
        for kind, make in (("forward", forward), ("training step", step)):
            if kind == "training step" and length > 3000:
                continue  # the peers keep too much for a small machine
            runs = {name: make(model, x) for name, model in models.items()}
            table = _timing.against(_timing.interleaved(runs, rounds=rounds, warm_up=1), "ours")
            results[f"{kind}, d_model {d}, L {length}"] = {**table, "difference": difference}
            ratios = ", ".join(f"{n} {row['ours_faster']:.2f}" for n, row in table.items())
            print(f"{kind:13} d {d:4} L {length:5}: times faster than {ratios}", flush=True)
    return results


def growth(lengths: list[int], threads: int) -> dict[str, object]:
    """Seconds and peak bytes of a forward pass of ours at d_model 128, and their exponents.

    The longest is run at d_model 512 too.
    """
    model, rows = candidates(128)["ours"], []
    for length in lengths:
        run = forward(model, torch.randn(1, length, 128))
        seconds = min(_timing.interleaved({"ours": run}, rounds=3, warm_up=1)["ours"])
        rows.append({"length": length, "seconds": seconds, "bytes": _bytes(128, length, threads)})
        print(f"L {length:6}: {seconds:.3f} s, {rows[-1]['bytes'] / 2**20:.0f} MiB", flush=True)
    exponents = {key: _timing.exponent(rows, key) for key in ("seconds", "bytes")}
    print("exponents:", exponents)
    wide = {"d_model": 512, "length": lengths[-1], "bytes": _bytes(512, lengths[-1], threads)}
    return {"rows": rows, "exponents": exponents, "wide": wide}


def _bytes(d: int, length: int, threads: int) -> int:
    """Peak bytes of a forward pass above the base, in a process of its own."""
    sizes = str(d), str(length)
    return int(_timing.alone("--memory", *sizes, "--threads", str(threads)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="128, 512, growth; all when none is named")
    parser.add_argument("--quick", action="store_true", help="one length, few rounds")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--default-allocator", action="store_true", help="glibc as it comes")
    parser.add_argument("--memory", type=int, nargs=2, metavar=("D", "L"), help="only print bytes")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if arguments.memory:
        torch.set_num_threads(arguments.threads)
        d, length = arguments.memory
        model = candidates(d)["ours"]
        forward(model, torch.randn(1, 64, d))()
        print(_timing.peak_memory(forward(model, torch.randn(1, length, d))))
        return
    if not arguments.default_allocator:
        _timing.keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    quick = arguments.quick
    lengths = [1200] if quick else [512, 1200, 2000, 3000, 8000]
    name = "encoder-quick" if quick else "encoder"
    results: dict[str, object] = _timing.load(name) if arguments.parts else {}
    for part in arguments.parts or (["128", "growth"] if quick else PARTS):
        if part == "growth":
            far = [1000, 4000] if quick else [1000, 4000, 15_000, 60_000]
            results["growth"] = growth(far, arguments.threads)
        else:
            results |= compare(int(part), lengths, 3 if quick else arguments.rounds)
        print("written:", _timing.save(name, results))


if __name__ == "__main__":
    main()
