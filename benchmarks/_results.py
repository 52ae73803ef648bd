"""Results on disk: written whole, plain values alone, every reading of test labels noted."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import _timing

from scmamba._files import atomic
from scmamba.benchmark.runs import plain


def note_read(path: Path, **what: Any) -> dict[str, Any]:
    """Write down that a test split is about to be read, whatever becomes of the run."""
    content = json.loads(path.read_text()) if path.exists() else {"reads": []}
    content["reads"].append({"date": now(), "commit": commit(), **what})
    write(path, content)
    return content


def write(path: Path, content: dict[str, Any]) -> None:
    """Write JSON atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(plain(content), indent=1, allow_nan=False) + "\n")


def provenance(packages: Sequence[str]) -> dict[str, Any]:
    """When, where and with what a result was made."""
    return {
        "date": now(),
        "machine": _timing.machine(),
        "versions": {package: _version(package) for package in packages},
        "commit": commit(),
    }


def now() -> str:
    """The time, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def commit() -> str:
    """Short hash of the sources, with a plus where they were changed since."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
