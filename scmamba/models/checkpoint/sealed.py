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
from safetensors.torch import load_file

from scmamba._errors import ScmambaError
from scmamba._files import sha256
from scmamba._read import Fields, check_regular, read_json, reading
from scmamba._version import __version__
from scmamba.models.checkpoint.tensors import save_tensors

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
        Names of further files that must be there. Every other file in the folder and below it is
        sealed too.
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
        save_tensors(tensors, folder / ARRAYS)
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
        path = folder / self.settings
        content = read_json(path)
        version = content.get("format_version")
        if version != self.version:
            raise ScmambaError(
                f"{folder} was saved in format version {version!r}, this scmamba reads "
                f"{self.version}; update scmamba (pip install -U scmamba) or save it again"
            )
        seals = Fields(content, path).nested("sha256", {}).content
        content.pop("sha256", None)
        needed = {ARRAYS, self.settings, *self.others}
        with reading(folder, damage=(Exception,), mend=f"copy it or save the {self.kind} again"):
            for name in sorted({*seals, *needed}):
                if seals.get(name) != self._seal(folder, name, content):
                    raise ScmambaError(
                        f"{folder / name} was damaged or changed since it was saved; "
                        f"copy the folder or save the {self.kind} again"
                    )
            yield content, {k: v.numpy() for k, v in load_file(folder / ARRAYS).items()}

    def _seals(self, folder: Path, content: Mapping[str, Any]) -> dict[str, str]:
        """Hash of every file of the folder, and of the settings."""
        files = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        names = sorted({*files, *self.others, self.settings})
        return {name: self._seal(folder, name, content) for name in names}

    def _seal(self, folder: Path, name: str, content: Mapping[str, Any]) -> str:
        """Hash of a file, or of the settings whatever the order of their keys."""
        if name == self.settings:
            text = json.dumps(content, sort_keys=True)
            return hashlib.sha256(text.encode()).hexdigest()
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ScmambaError(
                f"{folder / self.settings} seals {name!r}, which is not in the folder"
            )
        return sha256(check_regular(folder / name))
