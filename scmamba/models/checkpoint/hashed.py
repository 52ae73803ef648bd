"""Folders of settings and arrays with hashes that detect changes since they were saved."""

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
class HashedFolder:
    """Kind of folder with settings as JSON and arrays as safetensors, without pickle.

    Attributes
    ----------
    kind
        Kind of content for messages, such as ``"annotator"``.
    settings
        Name of the JSON file.
    version
        Version of the format; other versions are refused.
    others
        Names of further required files. All other files in the folder and its subfolders are
        hashed too.
    """

    kind: str
    settings: str
    version: int
    others: tuple[str, ...] = ()

    def write(
        self, folder: Path, content: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]
    ) -> None:
        """Write settings and arrays to a folder that already holds the other files."""
        tensors = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays.items()}
        save_tensors(tensors, folder / ARRAYS)
        whole = {"format_version": self.version, "scmamba": __version__, **content}
        whole["sha256"] = self._hashes(folder, whole)
        (folder / self.settings).write_text(json.dumps(whole, indent=1), encoding="utf-8")

    @contextmanager
    def reading(self, folder: Path) -> Iterator[tuple[dict[str, Any], Arrays]]:
        """Read settings and arrays; errors while they are used are reported as damage.

        Raises
        ------
        ScmambaError
            If the folder is of another kind or format version, was changed, or is damaged.
        """
        path = folder / self.settings
        content = read_json(path)
        version = content.get("format_version")
        if version != self.version:
            raise ScmambaError(
                f"{folder} was saved in format version {version!r}, this scmamba reads "
                f"{self.version}; update scmamba (pip install -U scmamba) or save it again"
            )
        hashes = Fields(content, path).nested("sha256", {}).content
        content.pop("sha256", None)
        needed = {ARRAYS, self.settings, *self.others}
        with reading(folder, damage=(Exception,), mend=f"copy it or save the {self.kind} again"):
            for name in sorted({*hashes, *needed}):
                if hashes.get(name) != self._hash(folder, name, content):
                    raise ScmambaError(
                        f"{folder / name} was damaged or changed since it was saved; "
                        f"copy the folder or save the {self.kind} again"
                    )
            yield content, {k: v.numpy() for k, v in load_file(folder / ARRAYS).items()}

    def _hashes(self, folder: Path, content: Mapping[str, Any]) -> dict[str, str]:
        """Hashes of all files of the folder, and of the settings."""
        files = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        names = sorted({*files, *self.others, self.settings})
        return {name: self._hash(folder, name, content) for name in names}

    def _hash(self, folder: Path, name: str, content: Mapping[str, Any]) -> str:
        """Hash of a file, or of the settings independent of the order of keys."""
        if name == self.settings:
            text = json.dumps(content, sort_keys=True)
            return hashlib.sha256(text.encode()).hexdigest()
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ScmambaError(
                f"{folder / self.settings} holds a hash of {name!r}, which is not in the folder"
            )
        return sha256(check_regular(folder / name))
