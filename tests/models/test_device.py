"""Where a model computes, in which precision; devices that are not available are stand-ins."""

from __future__ import annotations

import pytest
import torch

from scmamba import ScmambaError
from scmamba._settings import settings
from scmamba.models.device import autocast, precision, resolve_device


@pytest.fixture(autouse=True)
def _as_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "_precision", "auto")


def test_a_processor_computes_in_float32() -> None:
    assert precision(torch.device("cpu")) is None
    with autocast(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


@pytest.mark.parametrize(("capability", "dtype"), [((7, 5), None), ((8, 0), torch.bfloat16)])
def test_a_card_that_has_bfloat16_uses_it(monkeypatch, capability, dtype) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert precision(torch.device("cuda")) is dtype


def test_settings_override_the_choice(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    settings.precision = "float32"
    assert precision(torch.device("cuda")) is None
    settings.precision = "bfloat16"
    with autocast(torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with pytest.raises(ScmambaError, match="precision='half'.*'auto', 'float32', 'bfloat16'"):
        settings.precision = "half"


def test_device_by_name() -> None:
    assert resolve_device("cpu") == torch.device("cpu")
    with pytest.raises(ScmambaError, match="is not a device"):
        resolve_device("gpu")
    with pytest.raises(ScmambaError, match="is not available"):
        resolve_device("cuda:99")
