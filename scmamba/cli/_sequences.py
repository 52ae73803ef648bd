"""Tables and sequences to files, for the commands on DNA and RNA."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scmamba._errors import ScmambaError
from scmamba._files import atomic, writable

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_PICTURES = (".png", ".pdf", ".svg")


def table_file(path: Path, *others: str) -> Path:
    """``path`` if a table can be written there, by its suffix.

    Parameters
    ----------
    others
        Suffixes that are allowed beside ``.csv`` and ``.tsv``.

    Raises
    ------
    ScmambaError
        If it cannot.
    """
    return _file(path, (*_SEPARATORS, *others))


def figure_file(path: Path) -> Path:
    """``path`` if a picture can be written there; raises as :func:`table_file` does."""
    return _file(path, _PICTURES)


def _file(path: Path, allowed: tuple[str, ...]) -> Path:
    if path.suffix not in allowed:
        raise ScmambaError(f"cannot write {path}: end its name with {', '.join(allowed)}")
    return writable(path)


def write_table(table: pd.DataFrame, path: Path, *, index: bool = False) -> None:
    """Write a table as its suffix says atomically."""
    with atomic(path) as temporary:
        table.to_csv(temporary, sep=_SEPARATORS[path.suffix], index=index)


def write_fasta(names: pd.Index, sequences: pd.Series, path: Path) -> None:
    """Write sequences in lines of 80 atomically."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for name, sequence in zip(names, sequences, strict=True):
            lines = (sequence[i : i + 80] for i in range(0, len(sequence), 80))
            file.write("\n".join([f">{name}", *lines, ""]))


def write_figure(figure: Figure, path: Path, dpi: int = 160) -> None:
    """Write a picture as its suffix says atomically."""
    with atomic(path) as temporary:
        figure.savefig(temporary, dpi=dpi)
