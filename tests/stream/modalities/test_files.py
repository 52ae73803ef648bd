"""Files of several modalities become MuData without advice for others."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest

from scmamba import ScmambaError
from scmamba.datasets import synthetic
from scmamba.stream.modalities.files import read_mudata


def test_a_file_is_read_without_advice_on_updates(tmp_path: Path) -> None:
    mudata = pytest.importorskip("mudata")
    path = tmp_path / "cells.h5mu"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mudata.MuData({"rna": synthetic(20, 10, 2), "prot": synthetic(20, 5, 2)}).write(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        assert list(read_mudata(path).mod) == ["rna", "prot"]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    pytest.importorskip("mudata")
    path = tmp_path / "cells.h5mu"
    path.write_bytes(b"nothing")
    with pytest.raises(ScmambaError, match="cells.h5mu cannot be read"):
        read_mudata(path)


def test_without_mudata_the_extra_is_named(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mudata", None)
    with pytest.raises(ScmambaError, match=r"pip install 'scmamba\[multiomics\]'"):
        read_mudata(tmp_path / "cells.h5mu")
