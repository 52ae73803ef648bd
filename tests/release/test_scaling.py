"""The page on scaling holds the tables that its script computes."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from scmamba.models import CellModel, preset
from tests.release.contents import ROOT


@pytest.fixture(scope="module")
def scaling():
    spec = importlib.util.spec_from_file_location("scaling", ROOT / "benchmarks" / "scaling.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["scaling"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["scaling"]


def test_the_page_holds_the_tables(scaling) -> None:
    page = scaling.PAGE.read_text(encoding="utf-8")
    for name, content in scaling.tables().items():
        assert content in page, name


def test_projections_are_two_operations_a_weight(scaling) -> None:
    config = preset("mini", n_genes=20)
    layers = CellModel(config).stack.state_dict()
    ends = ("in_proj.weight", "out_proj.weight")
    weights = sum(one.numel() for name, one in layers.items() if name.endswith(ends))
    assert weights > 0
    assert scaling.Work(config).projections == 2 * weights


def test_fsdp_shares_states_out(scaling) -> None:
    work = scaling.Work(preset("mini"))
    assert work.state_bytes("fsdp", 8) * 8 == work.state_bytes("ddp", 8)
    assert work.state_bytes("ddp", 1) == 16 * work.parameters
