"""Results of runs in a folder, one file each, so that a comparison that was stopped goes on."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scmamba._errors import ScmambaError
from scmamba._files import atomic
from scmamba._read import read_json

FORMAT_VERSION = 2


@dataclass(frozen=True)
class Runs:
    """Results of runs, each a JSON file that is named after a method, a seed and what else it has.

    Parameters
    ----------
    folder
        Where the files are; it is made when the first is written.
    identity
        What all runs have in common, such as a hash of the data; a run of another identity is
        refused.

    Examples
    --------
    >>> import tempfile
    >>> from scmamba.benchmark import Runs
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     runs = Runs(folder, {"cells": "pbmc"})
    ...     runs.read("scvi", 0) is None
    ...     _ = runs.write({"score": 0.7}, "scvi", 0)
    ...     runs.read("scvi", 0)["score"]
    True
    0.7
    """

    folder: Path
    identity: Mapping[str, Any] = field(default_factory=dict)

    def path(self, *key: object) -> Path:
        """File of the run that ``key`` names, such as a method and a seed."""
        return Path(self.folder) / f"{'__'.join(map(str, key))}.json"

    def read(self, *key: object) -> dict[str, Any] | None:
        """Return the result of a run, or None where there is none yet.

        Raises
        ------
        ScmambaError
            The file is damaged, or the run has another identity.
        """
        path = self.path(*key)
        if not path.exists():
            return None
        found = read_json(path)
        there, here = found.get("identity"), self._identity()
        if not isinstance(there, dict):
            raise ScmambaError(f"{path} is damaged; delete it to run it again")
        if differing := [name for name in here if there.get(name) != here[name]]:
            raise ScmambaError(
                f"{path} is of another run: {', '.join(differing)} differ; give another folder, or "
                "delete the file to run it again"
            )
        return found

    def write(self, content: Mapping[str, Any], *key: object) -> dict[str, Any]:
        """Write a result atomically; return it as :meth:`read` would."""
        path = self.path(*key)
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = plain({"identity": self._identity(), **content})
        with atomic(path) as temporary:
            temporary.write_text(json.dumps(kept, indent=1, allow_nan=False), encoding="utf-8")
        return dict(kept)

    def _identity(self) -> dict[str, Any]:
        return dict(plain({"format_version": FORMAT_VERSION, **self.identity}))


def plain(value: Any) -> Any:
    """Plain Python values for JSON: arrays as lists, None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
