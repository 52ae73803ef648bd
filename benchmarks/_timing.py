"""The common way of timing: interleaved rounds after a warm-up, medians, and which machine."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"
_LOAD = os.getloadavg()[0]  # of the last minute, when the script began
_ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 32),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 33),
    "MALLOC_TOP_PAD_": str(1 << 26),
}


def keep_freed_memory() -> None:
    """Start this script again with glibc told to keep freed memory: alike for all candidates."""
    if sys.platform == "linux" and "MALLOC_TRIM_THRESHOLD_" not in os.environ:
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **_ALLOCATOR})


def interleaved(
    candidates: Mapping[str, Callable[[], object]], *, rounds: int = 7, warm_up: int = 2
) -> dict[str, list[float]]:
    """Seconds of each candidate in every round; a round runs each once, in rotating order."""
    names = list(candidates)
    times: dict[str, list[float]] = {name: [] for name in names}
    for round_ in range(-warm_up, rounds):
        shift = round_ % len(names)
        for name in names[shift:] + names[:shift]:
            start = time.perf_counter()
            candidates[name]()
            if round_ >= 0:
                times[name].append(time.perf_counter() - start)
    return times


def against(times: Mapping[str, list[float]], ours: str) -> dict[str, dict[str, float]]:
    """Per candidate: median seconds, and how many times faster ours is."""
    table = {}
    for name, seconds in times.items():
        ratios = [a / b for a, b in zip(seconds, times[ours], strict=True)]
        table[name] = {
            "seconds": statistics.median(seconds),
            "ours_faster": statistics.median(ratios),
            "lowest": min(ratios),
            "highest": max(ratios),
        }
    return table


def exponent(rows: Sequence[Mapping[str, float]], key: str) -> float:
    """Least-squares slope of log(key) over log(length): 1 is linear growth."""
    lengths, values = ([math.log(row[name]) for row in rows] for name in ("length", key))
    return statistics.linear_regression(lengths, values).slope


def peak_memory(function: Callable[[], object]) -> int:
    """Bytes that ``function`` needs above what this process holds (Linux only).

    Call it in a young process with the default allocator: memory kept from earlier hides the need.
    """
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts anew
    before = _status("VmRSS")
    function()
    return _status("VmHWM") - before


def peak_of_process() -> int:
    """Most bytes that this process ever held (Linux only)."""
    return _status("VmHWM")


def alone(*arguments: str) -> str:
    """Run this script with ``arguments`` in a process of its own, with the default allocator."""
    environment = {k: v for k, v in os.environ.items() if k not in _ALLOCATOR}
    command = [sys.executable, sys.argv[0], *arguments]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def machine() -> dict[str, Any]:
    """What every result must be read with."""
    model = [line for line in _read("/proc/cpuinfo").splitlines() if line.startswith("model name")]
    return {
        "cpu": model[0].partition(": ")[2] if model else platform.processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_before": _LOAD,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "allocator": {name: os.environ.get(name, "default") for name in _ALLOCATOR},
    }


def save(name: str, results: Any) -> Path:
    """Write ``results/<name>.json`` with the machine beside the figures."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"machine": machine(), "results": results}, indent=1) + "\n")
    return path


def load(name: str) -> dict[str, Any]:
    """Results that :func:`save` wrote under ``name``; none where there is no such file."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["results"] if path.exists() else {}


def _status(field: str) -> int:
    line = next(x for x in _read("/proc/self/status").splitlines() if x.startswith(field))
    return int(line.split()[1]) * 1024


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
