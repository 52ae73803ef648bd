"""A short run of the damage to every format; ``python tests/fuzz/run.py`` is the long one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork and /proc")
def test_damaged_files_end_in_the_right_answer_or_in_one_error(tmp_path: Path) -> None:
    run = [sys.executable, str(ROOT / "tests/fuzz/run.py"), "--inputs", "3", "--seed", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*run, "--fast", "--keep", str(tmp_path / "failed")],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    assert "no fault" in done.stdout
