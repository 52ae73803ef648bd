"""The layout of vectors of the other width, as processors with and without AVX-512 have them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from numba.core.codegen import get_host_cpu_features

from scmamba.nn.scan.cpu.lanes import LANES

CHECK = """
import os, torch
from scmamba.nn.bidirectional import BidirectionalMamba2
from scmamba.nn.mamba1 import Mamba1
from scmamba.nn.scan.cpu import lanes

assert lanes.LANES == 8, lanes.LANES
torch.manual_seed(0)
for mixer in (BidirectionalMamba2(24, d_state=8, headdim=24), Mamba1(20, d_state=6)):
    u = torch.randn(2, 70, mixer.d_model, requires_grad=True)
    found = {}
    for wish in ("auto", "torch"):
        os.environ["SCMAMBA_KERNELS"] = wish
        y = mixer(u)
        found[wish] = [y, *torch.autograd.grad(y.sin().sum(), [u, *mixer.parameters()])]
    for a, b in zip(*found.values()):
        assert (a - b).norm() <= 5e-6 * b.norm()
print("fits")
"""


@pytest.mark.slow
@pytest.mark.skipif(LANES == 8, reason="this processor has no AVX-512: every other test covers it")
def test_eight_lanes_give_the_same_results() -> None:
    """numba compiles for the processor it is told of; sizes are multiples of 8, not of 16."""
    features = get_host_cpu_features().replace("+avx512", "-avx512")
    chosen = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": features}
    run = subprocess.run(
        [sys.executable, "-c", CHECK],
        env={**os.environ, **chosen},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert run.stdout.strip() == "fits", run.stderr
