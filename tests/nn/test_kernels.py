"""Choice of kernels, and the CUDA ones against PyTorch where there is a GPU."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from scmamba._errors import ScmambaError
from scmamba.nn import kernels
from scmamba.nn.bidirectional import BidirectionalMamba2


@pytest.fixture
def no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_problem", lambda: "they are not installed")


@pytest.fixture
def all_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_problem", lambda: None)


@pytest.fixture(autouse=True)
def _no_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCMAMBA_KERNELS", raising=False)


@pytest.mark.usefixtures("all_kernels")
def test_auto_takes_what_the_device_has(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernels.backend("cpu") == "torch"
    assert kernels.backend("mps") == "torch"
    assert kernels.backend("cuda") == "cuda"
    monkeypatch.setenv("SCMAMBA_KERNELS", "torch")
    assert kernels.backend("cuda") == "torch"
    assert "SCMAMBA_KERNELS=torch" in kernels.explain()


@pytest.mark.usefixtures("no_kernels")
def test_auto_steps_back_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernels.backend("cuda") == "torch"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert "they are not installed" in kernels.explain()
    assert "pip install" in kernels.explain()


@pytest.mark.usefixtures("no_kernels")
@pytest.mark.parametrize(
    ("device", "reason"), [("cuda", "they are not installed"), ("cpu", "'cpu', not a CUDA one")]
)
def test_asking_for_what_is_missing_names_the_fix(
    monkeypatch: pytest.MonkeyPatch, device: str, reason: str
) -> None:
    monkeypatch.setenv("SCMAMBA_KERNELS", "cuda")
    with pytest.raises(ScmambaError, match=reason) as error:
        kernels.backend(device)
    assert "scmamba[cuda]" in str(error.value) and "auto" in str(error.value)


def test_unknown_wish_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCMAMBA_KERNELS", "triton")
    with pytest.raises(ScmambaError, match="'triton'; allowed: auto, torch, cuda"):
        kernels.backend("cpu")


def test_explain_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    expected = "compiled loops on the CPU, because PyTorch sees no CUDA device"
    assert kernels.explain() == expected
    monkeypatch.setenv("SCMAMBA_KERNELS", "cuda")
    assert "will fail" in kernels.explain()


def mamba2(u: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    return BidirectionalMamba2(64, d_state=16, headdim=32).to(u.dtype)(u)


def mamba1(u: torch.Tensor) -> torch.Tensor:
    """Mamba-1: convolution and selective scan."""
    from scmamba.nn.mamba1 import Mamba1

    torch.manual_seed(0)
    return Mamba1(64, d_state=16).to(u.dtype)(u)


COMPILED = ["mix_loops.forward", "conv_loops.forward", "scan_loops.forward"]


@pytest.mark.parametrize("mixer", [mamba2, mamba1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_torch_means_pytorch_alone(
    mixer: Callable[[torch.Tensor], torch.Tensor],
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every operation under every wish that a CPU can grant: one result, and no loop unasked."""
    u = torch.randn(2, 20, 64, dtype=dtype)
    called = []
    for name in COMPILED:
        module, function = name.split(".")
        module = f"scmamba.nn.{module}"
        loop = getattr(importlib.import_module(module), function)

        def watched(*arguments: Any, name: str = name, loop: Any = loop) -> Any:
            called.append(name)
            return loop(*arguments)

        monkeypatch.setattr(f"{module}.{function}", watched)
    results = {}
    for wish in ("torch", "auto"):
        monkeypatch.setenv("SCMAMBA_KERNELS", wish)
        called.clear()
        results[wish] = mixer(u)
        assert bool(called) == (wish == "auto" and dtype == torch.float32)
    torch.testing.assert_close(results["torch"], results["auto"], atol=1e-5, rtol=1e-4)
    monkeypatch.setenv("SCMAMBA_KERNELS", "cuda")
    with pytest.raises(ScmambaError, match="not a CUDA one"):
        mixer(u)


@pytest.mark.parametrize("operation", kernels.OPERATIONS)
def test_one_function_chooses(
    operation: kernels.Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = torch.zeros(2, 3, 64)

    def chosen(x: torch.Tensor, **options: Any) -> str:
        return kernels.implementation(operation, [x], **options)

    assert chosen(x) == "compiled"
    assert chosen(x.double()) == "torch"
    assert chosen(x, vectors=[64]) == "compiled"
    assert chosen(x, vectors=[64, 7]) == "torch"
    monkeypatch.setenv("SCMAMBA_KERNELS", "torch")
    assert chosen(x) == "torch"
    monkeypatch.delenv("SCMAMBA_KERNELS")
    monkeypatch.setattr(kernels, "backend", lambda device: "cuda")
    meta = x.to("meta")
    assert chosen(meta) == ("torch" if operation == "convolution" else "cuda")
    assert chosen(meta.double()) == chosen(meta, kernels_fit=False) == "torch"


@pytest.mark.parametrize("d_state", [6, 8])
def test_kernels_are_called_as_documented(monkeypatch: pytest.MonkeyPatch, d_state: int) -> None:
    """Stand-ins with the documented interfaces, computed by PyTorch, give the mixer's result."""
    from scmamba.nn.ssd import ssd

    def causal_conv1d_fn(x, weight, bias=None, activation=None):  # type: ignore[no-untyped-def]
        assert activation == "silu" and weight.dim() == 2
        last = x.stride(1) == 1 and x.stride(0) % 8 == x.stride(2) % 8 == x.shape[1] % 8 == 0
        assert x.stride(2) == 1 or last
        padded = F.pad(x, (weight.shape[1] - 1, 0))
        return F.silu(F.conv1d(padded, weight[:, None], bias, groups=x.shape[1]))

    def mamba_chunk_scan_combined(x, dt, A, B, C, chunk_size, D=None):  # type: ignore[no-untyped-def]
        return ssd(x, dt, A, B, C, D=D, chunk_size=chunk_size)

    mixer = BidirectionalMamba2(16, d_state=d_state, headdim=4, ngroups=2, chunk_size=8)
    u = torch.randn(3, 20, 16)
    mask = torch.arange(20) >= torch.tensor([[5], [17], [20]])
    expected = mixer(u, mask)
    monkeypatch.setattr(kernels, "backend", lambda device: "cuda")
    monkeypatch.setattr(kernels, "_load", lambda: (causal_conv1d_fn, mamba_chunk_scan_combined))
    torch.testing.assert_close(mixer(u, mask)[~mask], expected[~mask], atol=1e-5, rtol=1e-5)


def test_the_selective_kernel_is_called_as_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    from scmamba.nn.scan_chunks import Inputs, scan
    from scmamba.nn.selective_scan import selective_scan

    def selective_scan_fn(u, delta, A, B, C, D=None, return_last_state=False):  # type: ignore[no-untyped-def]
        assert all(t.is_contiguous() for t in (u, delta, A, B, C)) and return_last_state
        state = u.new_zeros(len(u), *A.shape)
        y, state = scan(Inputs(u.mT, delta.mT, A, B.mT, C.mT, state), D, 16, False)
        return y.mT, state

    x, dt = torch.randn(2, 20, 6), torch.rand(2, 20, 6)
    A, (B, C) = -torch.rand(6, 4), torch.randn(2, 2, 20, 4)
    for reverse in (False, True):
        given = {"D": torch.randn(6), "reverse": reverse, "return_state": True}
        expected = selective_scan(x, dt, A, B, C, **given)
        with monkeypatch.context() as patch:
            patch.setattr(kernels, "backend", lambda device: "cuda")
            patch.setattr(kernels, "_load_selective", lambda: selective_scan_fn)
            got = selective_scan(x, dt, A, B, C, **given)
            resumed = selective_scan(x, dt, A, B, C, state=torch.zeros(2, 6, 4), **given)
        for a, b, c in zip(got, expected, resumed, strict=True):
            torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
            assert torch.equal(b, c)  # the kernel takes no state


@pytest.fixture
def cuda() -> Iterator[torch.device]:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    if problem := kernels._problem():
        pytest.skip(problem)
    yield torch.device("cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("autocast", [False, True])
def test_cuda_kernels_equal_torch(
    cuda: torch.device, autocast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixer = BidirectionalMamba2(128, d_state=64, headdim=64).to(cuda)
    u = torch.randn(3, 300, 128, device=cuda)
    mask = torch.arange(300, device=cuda) >= torch.tensor([[31], [256], [300]], device=cuda)
    results = {}
    for wish in ("torch", "cuda"):
        monkeypatch.setenv("SCMAMBA_KERNELS", wish)
        mixer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16, enabled=autocast and wish == "cuda"):
            y = mixer(u, mask)
        y[~mask].float().square().sum().backward()
        gradients = [p.grad.clone() for p in mixer.parameters() if p.grad is not None]
        results[wish] = [y[~mask].detach(), *gradients]
    tolerance = 2e-2 if autocast else 1e-3
    for got, expected in zip(results["cuda"], results["torch"], strict=True):
        assert (got - expected).norm() < tolerance * expected.norm()


@pytest.mark.gpu
def test_cuda_selective_scan_equals_torch(
    cuda: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scmamba.nn.selective_scan import selective_scan

    x, dt = torch.randn(2, 300, 64, device=cuda), torch.rand(2, 300, 64, device=cuda)
    A, (B, C) = -torch.rand(64, 16, device=cuda), torch.randn(2, 2, 300, 16, device=cuda)
    tensors = [t.requires_grad_() for t in (x, dt, A, B, C, torch.randn(64, device=cuda))]
    results = {}
    for wish in ("torch", "cuda"):
        monkeypatch.setenv("SCMAMBA_KERNELS", wish)
        y = selective_scan(*tensors[:5], D=tensors[5], reverse=True)
        results[wish] = [y.detach(), *torch.autograd.grad(y.square().sum(), tensors)]
    for got, expected in zip(results["cuda"], results["torch"], strict=True):
        assert (got - expected).norm() < 1e-3 * expected.norm()
