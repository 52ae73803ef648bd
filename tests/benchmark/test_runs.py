"""Results in a folder: written whole, read where they are of the same run, else refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scmamba import ScmambaError
from scmamba.benchmark import Runs


def test_results_come_back_as_plain_values(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "new", {"cells": "a"})
    content = {"score": np.float32(0.5), "nan": float("nan"), "guess": np.arange(3)}
    kept = runs.write(content, "scvi", 1)
    assert runs.read("scvi", 1) == kept
    assert (kept["score"], kept["nan"], kept["guess"]) == (0.5, None, [0, 1, 2])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["scvi__1.json"]
    assert runs.read("scvi", 2) is None


def test_a_run_of_another_identity_is_refused(tmp_path: Path) -> None:
    Runs(tmp_path, {"cells": "a", "settings": {"epochs": 3}}).write({}, "one")
    assert Runs(tmp_path, {"cells": "a", "settings": {"epochs": 3}}).read("one") is not None
    with pytest.raises(ScmambaError, match="one.json is of another run: settings differ"):
        Runs(tmp_path, {"cells": "a", "settings": {"epochs": 4}}).read("one")


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "one.json").write_text(text)
    with pytest.raises(ScmambaError, match="one.json"):
        Runs(tmp_path).read("one")
