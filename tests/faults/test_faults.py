"""A short run of what ``run.py`` tries at length: nothing is lost by kills or full disks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes that fork")
@pytest.mark.slow
def test_nothing_is_lost() -> None:
    command = [sys.executable, str(RUN), "--kills", "12", "--rounds", "4", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
