"""Sequences from whatever holds them: strings, lists, pandas, FASTA and csv files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._read import check_regular
from scmamba.tasks.sequence._fasta import records
from scmamba.tasks.sequence._table import read_table
from scmamba.tasks.sequence._text_file import file_path

_FASTA = re.compile(r"\.(fa|fasta|fna|ffn|fas)(\.b?gz)?$", re.IGNORECASE)
_TABLE = re.compile(r"\.(csv|tsv)(\.b?gz)?$", re.IGNORECASE)
_PATH = re.compile(r"[/\\]|\.\w+$")
"""What paths of files have, and no sequence: a separator of folders, or an ending."""
_FILES = (
    "give FASTA (.fa, .fasta, .fna, .ffn, .fas) or a table (.csv, .tsv) with the column "
    "'sequence', each also with .gz"
)
_COLUMN = "sequence"


@dataclass(frozen=True)
class Sequences:
    """Named sequences.

    Attributes
    ----------
    names
        Name of each sequence: of the record, of the row, or 0, 1, ...; may repeat.
    sequences
        As they were given, without blanks around them; none is empty.
    obs
        (n, columns) what else the table held, labels for example; its index is ``names``.
    source
        Path of the file they were read from; empty where there was none.

    Raises
    ------
    ScmambaError
        There is no sequence, one is missing, empty or no text, or the lengths differ.
    """

    names: tuple[str, ...]
    sequences: tuple[str, ...]
    obs: pd.DataFrame
    source: str = ""

    def __len__(self) -> int:
        return len(self.sequences)

    def describe(self, i: int) -> str:
        """Return what to call the i-th sequence in messages: its file and name."""
        return f"{self.source}: sequence {self.names[i]!r}".removeprefix(": ")

    def __post_init__(self) -> None:
        if not self.sequences:
            given = f"{self.source} holds no sequence" if self.source else "no sequence was given"
            raise ScmambaError(f"{given}; give at least one")
        if not len(self.names) == len(self.sequences) == len(self.obs):
            raise ScmambaError(
                f"{len(self.names)} names and {len(self.obs)} rows of obs for "
                f"{len(self.sequences)} sequences; give one of each a sequence"
            )
        for i, sequence in enumerate(self.sequences):
            _check_text(sequence, self.describe(i))


def read_sequences(source: Any, *, column: str | None = None) -> Sequences:
    """Read sequences.

    Tables are read as text: a name 0012 stays ``"0012"``, and ``NA`` is a sequence.

    Parameters
    ----------
    source
        One sequence, or many: a list, array or Series of text, a dict of names and sequences, a
        DataFrame, or the path of a FASTA (``.fa``, ``.fasta``, ``.fna``, ...) or table file
        (``.csv``, ``.tsv``), each plain or gzipped. A table file's column ``name`` or ``id``
        becomes the names.
    column
        Column of a DataFrame or table file that holds the sequences; None: ``"sequence"``.

    Returns
    -------
    Names, sequences, and what else the table held.

    Raises
    ------
    ScmambaError
        A file is missing, damaged or of another kind, a column is missing, a sequence is missing
        or empty, or a text is the path of a file that is not read.

    Examples
    --------
    >>> from scmamba.tasks.sequence import read_sequences
    >>> data = read_sequences({"promoter": "TATAAA", "tail": "AATAAA"})
    >>> data.names, data.sequences
    (('promoter', 'tail'), ('TATAAA', 'AATAAA'))
    """
    if isinstance(source, Sequences):
        return source
    if isinstance(source, os.PathLike) or (isinstance(source, str) and _is_file(source)):
        return _read_file(file_path(source), column)
    if isinstance(source, pd.DataFrame):
        return _from_table(source, column)
    if column is not None:
        raise ScmambaError(f"column={column!r} goes with a DataFrame or a table file alone")
    if isinstance(source, str):
        return _named(["0"], [source])
    if isinstance(source, pd.Series):
        return _named(source.index, source)
    if isinstance(source, Mapping):
        return _named(source.keys(), source.values())
    if not isinstance(source, Iterable) or isinstance(source, bytes | bytearray):
        raise ScmambaError(
            f"sequences={str(source)[:60]} is a {type(source).__name__}; give text, a list, a "
            "Series, a DataFrame, or the path of a FASTA or csv file"
        )
    found = list(source)
    return _named(range(len(found)), found)


def _check_text(sequence: Any, where: str) -> None:
    if not isinstance(sequence, str):
        missing = pd.api.types.is_scalar(sequence) and pd.isna(sequence)
        what = "missing" if missing else f"{str(sequence)[:60]!r} ({type(sequence).__name__})"
        raise ScmambaError(f"{where} is {what}; give text such as 'ACGT'")
    if not sequence:
        raise ScmambaError(f"{where} is empty; leave it out")
    if len(sequence) < 4096 and _PATH.search(sequence):
        raise ScmambaError(
            f"{where} is {sequence[:200]!r}, which looks like the path of a file; to read "
            f"sequences from a file give its path alone, and {_FILES}"
        )


def _is_file(text: str) -> bool:
    """Whether a text is the path of a file: by its ending, or because one is there."""
    if _FASTA.search(text) or _TABLE.search(text):
        return True
    if len(text) >= 4096 or not set(text) - set("ACGTUNacgtun"):
        return False
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False


def _read_file(path: Path, column: str | None) -> Sequences:
    check_regular(path)
    if _FASTA.search(path.name):
        if column is not None:
            raise ScmambaError(f"column={column!r}, but {path} is a FASTA file; leave it out")
        pairs = list(records(path))
        return _named([name for name, _ in pairs], [text for _, text in pairs], source=path)
    if not _TABLE.search(path.name):
        raise ScmambaError(f"{path} is a file of an unknown kind; {_FILES}")
    table = read_table(path, "\t" if ".tsv" in path.name.lower() else ",")
    for key in ("name", "id"):
        if key in table and table[key].is_unique and (table[key] != "").all():
            table = table.set_index(key)
            break
    return _from_table(table, column, path)


def _from_table(table: pd.DataFrame, column: Any, source: Path | str = "") -> Sequences:
    key = _COLUMN if column is None else column
    found = [name for name in table.columns if np.isscalar(name) and name == key]
    if len(found) != 1:
        raise ScmambaError(
            f"{source or 'the table'} has {len(found) or 'no'} column{'s' * (len(found) > 1)} "
            f"{key!r}, but {', '.join(map(repr, table.columns[:10]))}; name the one with the "
            "sequences: column="
        )
    return _named(table.index, table[key], table.drop(columns=key), source)


def _named(
    names: Iterable[Any],
    sequences: Iterable[Any],
    obs: pd.DataFrame | None = None,
    source: Path | str = "",
) -> Sequences:
    texts = tuple(s.strip() if isinstance(s, str) else s for s in sequences)
    known = tuple(map(str, names))
    index = pd.Index(known, dtype=object)
    obs = pd.DataFrame(index=index) if obs is None else obs.set_axis(index)
    return Sequences(known, texts, obs, str(source))
