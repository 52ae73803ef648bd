"""The manifest of a corpus: what each data set is, where it comes from, and what was left out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scmamba._describe import Described, listed
from scmamba._errors import ScmambaError
from scmamba._files import sha256, write_json
from scmamba._read import read_json

MANIFEST = "manifest.json"
NOT_STATED = "not stated"


@dataclass(frozen=True)
class DataSet:
    """One data set of a corpus.

    Attributes
    ----------
    name
        Name of its file, without the ending.
    source
        Where it comes from: a citation, an address, or the file that it was made of.
    license
        Terms of use.
    cells, genes
        Numbers that the file holds.
    left_out
        Cells of the source that it does not hold, by reason.
    role
        ``"train"``, or ``"validation"``: held out as a whole.
    sha256
        Hash of the file; None where nobody here has seen it.
    """

    name: str
    source: str
    license: str = NOT_STATED
    cells: int = 0
    genes: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    role: str = "train"
    sha256: str | None = None


@dataclass(frozen=True, repr=False)
class CorpusManifest(Described):
    """The data sets of a corpus, as ``manifest.json`` lists them.

    Attributes
    ----------
    folder
        Folder of the files.
    data_sets
        One for each file.
    made_by
        Settings with which it was made.

    Examples
    --------
    >>> from scmamba.tasks import CorpusManifest, DataSet
    >>> CorpusManifest(Path("corpus"), (DataSet("pbmc", "10x Genomics", cells=10),)).n_cells
    10
    """

    folder: Path
    data_sets: tuple[DataSet, ...]
    made_by: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_cells(self) -> int:
        """Cells of all data sets."""
        return sum(one.cells for one in self.data_sets)

    @property
    def held_out(self) -> tuple[str, ...]:
        """Names of the data sets to validate on."""
        return tuple(one.name for one in self.data_sets if one.role == "validation")

    def save(self) -> Path:
        """Write ``manifest.json`` into the folder, atomically."""
        entries = {one.name: asdict(one) for one in self.data_sets}
        for one in entries.values():
            del one["name"]
        path = self.folder / MANIFEST
        write_json(path, {"made_by": dict(self.made_by), "data_sets": entries})
        return path

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> CorpusManifest:
        """Read the manifest of a folder.

        Raises
        ------
        ScmambaError
            There is none, or it is not a manifest.
        """
        content = read_json(Path(folder) / MANIFEST)
        try:
            sets = tuple(DataSet(name, **one) for name, one in content["data_sets"].items())
            return cls(Path(folder), sets, content.get("made_by", {}))
        except (AttributeError, KeyError, TypeError) as error:
            raise ScmambaError(
                f"{Path(folder) / MANIFEST} is no manifest of a corpus ({error}); make it again "
                "with scmamba build-corpus"
            ) from error

    def check(self) -> None:
        """Hold the files against their hashes.

        Raises
        ------
        ScmambaError
            A file is missing or has changed.
        """
        for one in self.data_sets:
            path = self.folder / f"{one.name}.h5ad"
            if not path.is_file():
                raise ScmambaError(f"{path} is missing; make the corpus again")
            if one.sha256 is not None and sha256(path) != one.sha256:
                raise ScmambaError(f"{path} is not the file of the manifest; make it again")

    def _summary(self) -> tuple[str, dict[str, str]]:
        left: dict[str, int] = {}
        for one in self.data_sets:
            for reason, n in one.left_out.items():
                left[reason] = left.get(reason, 0) + n
        told = [f"{n:,} {reason.replace('_', ' ')}" for reason, n in sorted(left.items()) if n]
        return f"corpus of {self.n_cells:,} cells of {len(self.data_sets)} data sets", {
            "folder": str(self.folder),
            "held out": listed(self.held_out) if self.held_out else "none",
            "left out": ", ".join(told) or "no cell",
        }


def stated(about: Any, names: list[str]) -> dict[str, dict[str, str]]:
    """Source and license of data sets by name, from a mapping or a JSON file with one.

    Raises
    ------
    ScmambaError
        It is something else, or names a data set that does not exist.
    """
    if about is None:
        return {}
    if not isinstance(about, Mapping):
        about = read_json(Path(about))
    if unknown := sorted(set(about) - set(names)):
        raise ScmambaError(
            f"about names {', '.join(unknown)}; the data sets are {', '.join(names)}"
        )
    for name, one in about.items():
        if not isinstance(one, Mapping) or set(one) - {"source", "license"}:
            raise ScmambaError(
                f"about[{name!r}]={one!r}; give a mapping with source, license, or both"
            )
    return {name: {k: str(v) for k, v in one.items()} for name, one in about.items()}
