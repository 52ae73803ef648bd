"""Folders of settings and arrays that tell whether they were changed since they were saved."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file

from scmamba._errors import ScmambaError
from scmamba._files import sha256
from scmamba._read import read_json
from scmamba._version import __version__

ARRAYS = "arrays.safetensors"
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Sealed:
    """One kind of folder: settings as JSON, arrays beside them, no pickle.

    Attributes
    ----------
    kind
        What it holds, for messages: ``"annotator"``.
    settings
        Name of the JSON file.
    version
        Of the format; another one is refused.
    others
        Names of further files that are sealed.
    """

    kind: str
    settings: str
    version: int
    others: tuple[str, ...] = ()

    def write(
        self, folder: Path, content: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> None:
        """Write settings and arrays to a folder that holds the other files already."""
        tensors = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays.items()}
        save_file(tensors, folder / ARRAYS)
        whole = {"format_version": self.version, "scmamba": __version__, **content}
        whole["sha256"] = self._seals(folder, whole)
        (folder / self.settings).write_text(json.dumps(whole, indent=1), encoding="utf-8")

    @contextmanager
    def reading(self, folder: Path) -> Iterator[tuple[dict[str, Any], Arrays]]:
        """Settings and arrays of a folder; what fails while they are used is told as damage.

        Raises
        ------
        ScmambaError
            It is no such folder, of another format, changed or damaged.
        """
        content = read_json(folder / self.settings)
        version = content.get("format_version")
        if version != self.version:
            raise ScmambaError(
                f"{folder} was saved in format version {version!r}, this scmamba reads "
                f"{self.version}; update scmamba (pip install -U scmamba) or save it again"
            )
        seals = content.pop("sha256", {})
        try:
            found = self._seals(folder, content)
            if changed := [name for name in found if found[name] != seals.get(name)]:
                raise ScmambaError(
                    f"{folder / changed[0]} was damaged or changed since it was saved; "
                    f"copy the folder or save the {self.kind} again"
                )
            yield content, {k: v.numpy() for k, v in load_file(folder / ARRAYS).items()}
        except ScmambaError:
            raise
        except Exception as error:
            raise ScmambaError(
                f"{folder} is damaged ({type(error).__name__}: {error}); copy or save it again"
            ) from error

    def _seals(self, folder: Path, content: Mapping[str, Any]) -> dict[str, str]:
        """Hashes of the files, and of the settings whatever the order of their keys."""
        text = json.dumps(content, sort_keys=True)
        files = {name: sha256(folder / name) for name in (ARRAYS, *self.others)}
        return {**files, self.settings: hashlib.sha256(text.encode()).hexdigest()}
