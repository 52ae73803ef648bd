"""Choice of implementations: every operation under every wish gives one result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scmamba._errors import ScmambaError
from scmamba.nn.bidirectional import BidirectionalMamba2
from scmamba.nn.linear import Linear
from scmamba.nn.mamba1 import Mamba1
from scmamba.nn.scan import cuda, dispatch
from scmamba.nn.scan.convolution import conv_silu
from scmamba.nn.scan.dispatch import OPERATIONS, Operation, implementation
from scmamba.nn.scan.selective import selective_scan
from scmamba.nn.scan.selective_chunks import Inputs, scan
from scmamba.nn.scan.ssd import ssd

WISHES = ("auto", "torch", "cuda")


@pytest.fixture(autouse=True)
def _no_wish(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCMAMBA_KERNELS", raising=False)


@pytest.fixture
def no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "import_problem", lambda: "they are not installed")


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Implementations other than plain PyTorch that have run."""
    names: set[str] = set()

    def watch(where: str, name: str) -> None:
        module, _, attribute = where.rpartition(".")
        function = getattr(__import__(module, fromlist=[attribute]), attribute)

        def watched(*arguments: Any, **options: Any) -> Any:
            names.add(name)
            return function(*arguments, **options)

        monkeypatch.setattr(where, watched)

    watch("scmamba.nn.scan.cpu.mixer.conv_scan_gate", "compiled")
    watch("scmamba.nn.scan.cpu.convolution.conv_silu", "compiled")
    watch("scmamba.nn.scan.cpu.selective.scan", "compiled")
    watch("scmamba.nn.scan.cuda.conv_silu", "cuda")
    watch("scmamba.nn.scan.cuda.ssd", "cuda")
    watch("scmamba.nn.scan.cuda.selective_scan", "cuda")
    watch("torch.nn.functional.conv2d", "onednn")
    return names


def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions with the documented interfaces of the CUDA packages, computed by PyTorch."""

    def causal_conv1d_fn(x, weight, bias=None, activation=None):  # type: ignore[no-untyped-def]
        assert activation == "silu" and weight.dim() == 2
        last = x.stride(1) == 1 and x.stride(0) % 8 == x.stride(2) % 8 == x.shape[1] % 8 == 0
        assert x.stride(2) == 1 or last
        padded = F.pad(x, (weight.shape[1] - 1, 0))
        return F.silu(F.conv1d(padded, weight[:, None], bias, groups=x.shape[1]))

    def mamba_chunk_scan_combined(x, dt, A, B, C, chunk_size, D=None):  # type: ignore[no-untyped-def]
        return ssd(x, dt, A, B, C, D=D, chunk_size=chunk_size)[0]

    def selective_scan_fn(u, delta, A, B, C, D=None, return_last_state=False):  # type: ignore[no-untyped-def]
        assert all(t.is_contiguous() for t in (u, delta, A, B, C)) and return_last_state
        state = u.new_zeros(len(u), *A.shape)
        y, state = scan(Inputs(u.mT, delta.mT, A, B.mT, C.mT, state), D, 16, False)
        return y.mT, state

    kernels = causal_conv1d_fn, mamba_chunk_scan_combined
    monkeypatch.setattr(cuda, "mamba2_kernels", lambda: kernels)
    monkeypatch.setattr(cuda, "mamba1_kernel", lambda: selective_scan_fn)
    monkeypatch.setattr(dispatch, "_cuda_problem", lambda device: None)


def mamba2(dtype: torch.dtype) -> list[Tensor]:
    """The mixer's result and gradients, with padding."""
    mixer = BidirectionalMamba2(32, d_state=16, headdim=16, ngroups=2, chunk_size=8).to(dtype)
    u = torch.randn(3, 20, 32, dtype=torch.float32).to(dtype).requires_grad_()
    mask = torch.arange(20) >= torch.tensor([[5], [17], [20]])
    y = mixer(u, mask)[~mask]
    return [y, *torch.autograd.grad(y.sin().sum(), [u, *mixer.parameters()])]


def convolution(dtype: torch.dtype) -> list[Tensor]:
    """Convolution and SiLU: result and gradients."""
    given = [torch.randn(2, 9, 64), torch.randn(64, 1, 4), torch.randn(64)]
    given = [t.to(dtype).requires_grad_() for t in given]
    y = conv_silu(*given)
    return [y, *torch.autograd.grad(y.sin().sum(), given)]


def selective(dtype: torch.dtype) -> list[Tensor]:
    """Selective scan in both directions: results, last states and gradients."""
    x, dt, (B, C) = torch.randn(2, 20, 6), torch.rand(2, 20, 6), torch.randn(2, 2, 20, 4)
    given = [t.to(dtype).requires_grad_() for t in (x, dt, -torch.rand(6, 4), B, C)]
    D, found = torch.randn(6).to(dtype), []
    for reverse in (False, True):
        y, state = selective_scan(*given, D=D, reverse=reverse)
        found += [y, state, *torch.autograd.grad(y.sin().sum(), given)]
    return found


def linear(dtype: torch.dtype) -> list[Tensor]:
    """A linear layer: result and gradients."""
    layer, x = Linear(24, 40, bias=True).to(dtype), torch.randn(130, 24).to(dtype)
    y = layer(x)
    return [y, *torch.autograd.grad(y.sin().sum(), list(layer.parameters()))]


RUN: dict[Operation, Callable[[torch.dtype], list[Tensor]]] = {
    "mamba2": mamba2,
    "convolution": convolution,
    "selective_scan": selective,
    "linear": linear,
}


@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_under_every_wish(
    operation: Operation, wish: str, used: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One result, computed as asked for, in float32 within rounding of PyTorch's in float64."""
    results = []
    monkeypatch.setattr(dispatch, "_onednn_is_faster", lambda input: operation == "linear")
    for kind, dtype in (("torch", torch.float64), (wish, torch.float32)):
        if kind == "cuda":
            stand_ins(monkeypatch)
        monkeypatch.setenv("SCMAMBA_KERNELS", kind)
        torch.manual_seed(0)
        used.clear()
        results.append(RUN[operation](dtype))
    choices = OPERATIONS[operation]
    expected = {"auto": choices.on_cpu, "torch": "torch", "cuda": choices.on_cuda}[wish]
    assert used == {expected} - {"torch"}
    for exact, got in zip(*results, strict=True):
        assert got.dtype == torch.float32
        assert (got - exact).norm() <= 3e-6 * exact.norm()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_float64_and_odd_sizes_are_left_to_torch(
    operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "_onednn_is_faster", lambda input: True)
    x = torch.zeros(2, 3, 64)
    choices = OPERATIONS[operation]
    assert implementation(operation, [x], vectors=[64]) == choices.on_cpu
    assert implementation(operation, [x.double()]) == "torch"
    if choices.on_cpu == "compiled":
        assert implementation(operation, [x], vectors=[64, 7]) == "torch"
    monkeypatch.setattr(dispatch, "_cuda_problem", lambda device: None)
    meta = x.to("meta")
    assert implementation(operation, [meta]) == choices.on_cuda
    assert implementation(operation, [meta.double()]) == "torch"
    assert implementation(operation, [meta], cuda_fits=False) == "torch"


@pytest.mark.parametrize("d_state", [6, 8])
def test_cuda_kernels_get_sizes_of_any_kind(
    monkeypatch: pytest.MonkeyPatch, d_state: int, used: set[str]
) -> None:
    """Channels that are no multiple of eight are laid out as causal-conv1d wants them."""
    mixer = BidirectionalMamba2(16, d_state=d_state, headdim=4, ngroups=2, chunk_size=8)
    u = torch.randn(3, 20, 16)
    expected = mixer(u)
    stand_ins(monkeypatch)
    torch.testing.assert_close(mixer(u), expected, atol=1e-5, rtol=1e-5)
    assert "cuda" in used


def test_the_selective_kernel_takes_no_state(
    monkeypatch: pytest.MonkeyPatch, used: set[str]
) -> None:
    stand_ins(monkeypatch)
    x, dt, (B, C) = torch.randn(2, 20, 6), torch.rand(2, 20, 6), torch.randn(2, 2, 20, 4)
    selective_scan(x, dt, -torch.rand(6, 4), B, C, state=torch.zeros(2, 6, 4))
    assert used == {"compiled"}


@pytest.mark.usefixtures("no_kernels")
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("device", "reason"), [("cuda", "they are not installed"), ("cpu", "'cpu', not a CUDA one")]
)
def test_asking_for_what_is_missing_names_the_fix(
    monkeypatch: pytest.MonkeyPatch, operation: Operation, device: str, reason: str
) -> None:
    tensor = torch.zeros(2, device="cpu" if device == "cpu" else "meta")
    monkeypatch.setattr(dispatch, "_cuda_problem", lambda _: reason)
    monkeypatch.setenv("SCMAMBA_KERNELS", "cuda")
    with pytest.raises(ScmambaError, match=reason) as error:
        implementation(operation, [tensor])
    assert "scmamba[cuda]" in str(error.value) and "auto" in str(error.value)
    monkeypatch.setenv("SCMAMBA_KERNELS", "auto")
    assert implementation(operation, [tensor]) != "cuda"


@pytest.mark.parametrize("make", [BidirectionalMamba2, Mamba1])
def test_a_mixer_on_a_cpu_refuses_cuda_kernels(
    make: Callable[..., torch.nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    mixer = make(64, d_state=16)
    monkeypatch.setenv("SCMAMBA_KERNELS", "cuda")
    with pytest.raises(ScmambaError, match="'cpu', not a CUDA one"):
        mixer(torch.randn(1, 5, 64))


@pytest.mark.usefixtures("no_kernels")
def test_reasons_of_a_device() -> None:
    assert dispatch._cuda_problem(torch.device("cuda")) == "they are not installed"
    assert "'mps', not a CUDA one" in str(dispatch._cuda_problem(torch.device("mps")))


def test_unknown_wish_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCMAMBA_KERNELS", "triton")
    with pytest.raises(ScmambaError, match="'triton'; allowed: auto, torch, cuda"):
        implementation("linear", [torch.zeros(2)])


@pytest.mark.usefixtures("no_kernels")
@pytest.mark.parametrize("cuda_device", [False, True])
def test_explain(cuda_device: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda_device)
    told = dispatch.explain()
    if cuda_device:
        assert "they are not installed" in told and "pip install" in told
    else:
        assert told == "compiled loops on the CPU, because PyTorch sees no CUDA device"
    monkeypatch.setenv("SCMAMBA_KERNELS", "cuda")
    assert dispatch.explain().startswith("none, because")
    monkeypatch.setenv("SCMAMBA_KERNELS", "torch")
    assert dispatch.explain() == "PyTorch, because SCMAMBA_KERNELS=torch"


@pytest.mark.parametrize("wish", WISHES)
def test_description_says_what_implementation_says(
    wish: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = {"torch": "PyTorch", "compiled": "compiled loops", "onednn": "oneDNN", "cuda": "fails"}
    monkeypatch.setattr(dispatch, "_onednn_is_faster", lambda input: True)
    monkeypatch.setenv("SCMAMBA_KERNELS", wish)
    told = dispatch.describe_operations(torch.device("cpu"))
    for choices in OPERATIONS.values():
        chosen = {"auto": choices.on_cpu, "torch": "torch", "cuda": "cuda"}[wish]
        assert told[choices.description].startswith(words[chosen])


@pytest.fixture
def cuda_device() -> Iterator[torch.device]:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    if problem := cuda.import_problem():
        pytest.skip(problem)
    yield torch.device("cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("autocast", [False, True])
def test_cuda_kernels_equal_torch(
    cuda_device: torch.device, autocast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixer = BidirectionalMamba2(128, d_state=64, headdim=64).to(cuda_device)
    u = torch.randn(3, 300, 128, device=cuda_device)
    lengths = torch.tensor([[31], [256], [300]], device=cuda_device)
    mask = torch.arange(300, device=cuda_device) >= lengths
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
    cuda_device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, dt, (B, C) = torch.randn(2, 300, 64), torch.rand(2, 300, 64), torch.randn(2, 2, 300, 16)
    given = (x, dt, -torch.rand(64, 16), B, C, torch.randn(64))
    tensors = [t.to(cuda_device).requires_grad_() for t in given]
    results = {}
    for wish in ("torch", "cuda"):
        monkeypatch.setenv("SCMAMBA_KERNELS", wish)
        y, _ = selective_scan(*tensors[:5], D=tensors[5], reverse=True)
        results[wish] = [y.detach(), *torch.autograd.grad(y.square().sum(), tensors)]
    for got, expected in zip(results["cuda"], results["torch"], strict=True):
        assert (got - expected).norm() < 1e-3 * expected.norm()
