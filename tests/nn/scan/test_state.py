"""Mamba-2 read piece by piece; Mamba-1's pieces are tested beside it."""

from __future__ import annotations

import pytest
import torch

from scmamba._errors import ScmambaError
from scmamba.nn import mamba2
from scmamba.nn.mamba2 import Mamba2
from scmamba.nn.scan.state import next_conv_state


@pytest.mark.parametrize("ngroups", [1, 2])
@pytest.mark.parametrize("sizes", [[1] * 45, [2, 33, 1, 9], [45]])
def test_pieces_follow_one_another(sizes: list[int], ngroups: int) -> None:
    mixer = Mamba2(16, d_state=8, headdim=8, ngroups=ngroups, chunk_size=8)
    u = torch.randn(2, 45, 16)
    parts, state = [], None
    for piece in u.split(sizes, 1):
        y, state = mixer.step(piece, state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), mixer(u), atol=1e-5, rtol=1e-4)


def test_a_long_piece_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    mixer = Mamba2(16, d_state=8, headdim=8, chunk_size=8)
    u = torch.randn(2, 45, 16)
    monkeypatch.setattr(mamba2, "_SEGMENT", 1)
    torch.testing.assert_close(mixer.step(u)[0], mixer(u), atol=1e-5, rtol=1e-4)


def test_a_state_of_another_batch_is_named() -> None:
    mixer, u = Mamba2(16, d_state=8, headdim=8), torch.randn(2, 5, 16)
    with pytest.raises(ScmambaError, match="state that step returned"):
        mixer.step(u[:1], mixer.step(u)[1])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [1, 2, 3, 9])
def test_tail_is_the_end_of_all_that_was_read(length: int, reverse: bool) -> None:
    tail, x = torch.randn(2, 3, 4), torch.randn(2, length, 4)
    got = next_conv_state(tail, x, reverse)
    whole = torch.cat([x, tail], 1)[:, :3] if reverse else torch.cat([tail, x], 1)[:, -3:]
    assert torch.equal(got, whole)
