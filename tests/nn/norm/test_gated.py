"""The gated norm against its formula."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scmamba._errors import ScmambaError
from scmamba.nn.norm import RMSNormGated


@pytest.mark.parametrize("ngroups", [1, 3])
def test_gated_rms_norm(ngroups: int) -> None:
    norm = RMSNormGated(12, ngroups)
    nn.init.normal_(norm.weight)
    x, z = torch.randn(2, 7, 12)
    gated = (x * z / (1 + (-z).exp())).view(7, ngroups, -1)
    rms = (gated.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(norm(x, z), (gated / rms).view(7, 12) * norm.weight)


def test_gated_rms_norm_names_groups_that_do_not_fit() -> None:
    with pytest.raises(ScmambaError, match="12 features.*5 equal groups"):
        RMSNormGated(12, 5)
