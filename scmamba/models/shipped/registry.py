"""Registry of the models inside the package: a card ``NAME.json`` beside each folder ``NAME``."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from scmamba._arguments import near_names
from scmamba._errors import ScmambaError
from scmamba._files import sha256, write_json
from scmamba._read import Fields, read_json
from scmamba.models.shipped.study import Study

Kind = Literal["annotator", "backbone"]
KINDS: tuple[str, ...] = get_args(Kind)
"""What a shipped folder holds: an annotator, or a pretrained model of cells."""
FOLDER = Path(__file__).parent
_NOT_WRITTEN = {"name", "folder", "sha256"}


@dataclass(frozen=True)
class ShippedModel:
    """Card of a model inside the package.

    Attributes
    ----------
    name
        Name by which ``models.load`` or ``annotate(model=)`` finds it.
    kind
        ``"backbone"`` (a pretrained model of cells) or ``"annotator"``.
    organism
        Species of its genes, such as ``"human"``.
    tissues
        Tissues of the cells that it learned from.
    labels
        Cell types that it knows; empty for a backbone.
    studies
        Data sets that it learned from, with their licenses.
    license
        Terms of the weights.
    sha256
        Hash of the folder, as :func:`folder_sha256` computes it.
    recipe
        Command that makes it again.
    figures
        Measured quality by name, as ``benchmarks/`` reports it.
    limits
        What it does not do, in a sentence or two.
    folder
        Where its files are.

    Examples
    --------
    >>> card = ShippedModel("tiny", "annotator", "human", ("blood",), ("B cell", "T cell"))
    >>> card.n_classes, card.n_cells
    (2, 0)
    """

    name: str
    kind: Kind
    organism: str
    tissues: tuple[str, ...]
    labels: tuple[str, ...]
    studies: tuple[Study, ...] = ()
    license: str = ""
    sha256: str = ""
    recipe: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    limits: str = ""
    folder: Path = FOLDER

    @property
    def n_classes(self) -> int:
        """Number of cell types that it knows; 0 for a backbone."""
        return len(self.labels)

    @property
    def n_cells(self) -> int:
        """Number of cells that it learned from."""
        return sum(study.n_cells for study in self.studies)

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(path.stat().st_size for path in _files(self.folder))

    def check(self) -> Path:
        """Return the folder after a comparison of its files with the hash of the card.

        Raises
        ------
        ScmambaError
            The folder is missing, or a file was changed.
        """
        found = folder_sha256(self.folder)
        if found != self.sha256:
            raise ScmambaError(
                f"the files of {self.name!r} in {self.folder} are not those that were shipped "
                f"(sha256 {found[:12]}, expected {self.sha256[:12]}); install scmamba again"
            )
        return self.folder


def folder_sha256(folder: Path) -> str:
    """Return one hash for the names and contents of all files of a folder.

    Parameters
    ----------
    folder
        Folder with any number of files and subfolders; their order does not matter.
    """
    lines = [f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in _files(folder)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@cache
def shipped_models() -> tuple[ShippedModel, ...]:
    """Return the cards of all models inside the package, by name.

    Examples
    --------
    >>> {card.kind for card in shipped_models()} <= {"annotator", "backbone"}
    True
    """
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.json")))


def find_shipped(name: object, kind: Kind | None = None) -> ShippedModel | None:
    """Return the card of a name, or None; ``kind`` restricts what is looked for.

    Examples
    --------
    >>> find_shipped("no such model") is None
    True
    """
    cards = (card for card in shipped_models() if kind in (None, card.kind))
    return next((card for card in cards if card.name == str(name)), None)


def shipped(name: str, kind: Kind | None = None) -> ShippedModel:
    """Return the card of a name.

    Parameters
    ----------
    name
        Name of a model inside the package.
    kind
        What it has to be; None: either.

    Raises
    ------
    ScmambaError
        There is none of that name; the nearest names are given.

    Examples
    --------
    >>> shipped("blod", "annotator")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    scmamba._errors.ScmambaError: no annotator 'blod' comes with scmamba; ...
    """
    if (card := find_shipped(name, kind)) is not None:
        return card
    known = [card.name for card in shipped_models() if kind in (None, card.kind)]
    raise ScmambaError(
        f"no {kind or 'model'} {name!r} comes with scmamba; {near_names(name, known)}"
    )


def write_card(card: ShippedModel) -> Path:
    """Write the card of ``card.folder`` beside it, with the hash of the files as they are now.

    Parameters
    ----------
    card
        What the folder holds; its ``sha256`` is ignored.

    Returns
    -------
    The JSON file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     where = Path(folder, "tiny")
    ...     where.mkdir()
    ...     card = ShippedModel("tiny", "annotator", "human", ("blood",), ("B",), folder=where)
    ...     write_card(card).name
    'tiny.json'
    """
    content = {name: value for name, value in asdict(card).items() if name not in _NOT_WRITTEN}
    path = card.folder.with_name(f"{card.name}.json")
    write_json(path, {**content, "sha256": folder_sha256(card.folder)})
    shipped_models.cache_clear()
    return path


def _read(path: Path) -> ShippedModel:
    fields = Fields(read_json(path), path)
    kind: Any = fields.string("kind", choices=KINDS)
    studies = [Study.read(Fields.of(study, path)) for study in fields.values("studies")]
    return ShippedModel(
        name=path.stem,
        kind=kind,
        organism=fields.string("organism"),
        tissues=tuple(fields.strings("tissues")),
        labels=tuple(fields.strings("labels", ())),
        studies=tuple(studies),
        license=fields.string("license"),
        sha256=fields.string("sha256"),
        recipe=fields.string("recipe"),
        figures=dict(fields.nested("figures", {}).content),
        limits=fields.string("limits", ""),
        folder=path.with_suffix(""),
    )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
