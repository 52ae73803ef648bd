"""Fixtures that every test may use."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

from scmamba import settings

# examples are the same in every run, and a slow or busy machine is no failure
hypothesis.settings.register_profile(
    "scmamba",
    deadline=None,
    derandomize=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("scmamba")

_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    """Give every test the settings as they were; a command sets verbosity and device for good."""
    before = {name.removeprefix("_"): value for name, value in vars(settings).items()}
    yield
    for name, value in before.items():
        setattr(settings, name, value)


def _shared(name: str) -> Path:
    folder = Path(os.environ.get("SCMAMBA_SHARED", _ROOT.parent / "shared")) / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing; set SCMAMBA_SHARED to the folder that holds {name}/")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of public data sets beside the project."""
    return _shared("data")


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of tiny models in published layouts with their expected outputs."""
    return _shared("golden")
