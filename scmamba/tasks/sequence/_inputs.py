"""Sequences from whatever holds them: strings, lists, pandas, FASTA and csv files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from scmamba._errors import ScmambaError
from scmamba.tasks.sequence._fasta import is_gzipped, records

_FASTA = re.compile(r"\.(fa|fasta|fna|ffn|fas)(\.b?gz)?$", re.IGNORECASE)
_TABLE = re.compile(r"\.(csv|tsv)(\.gz)?$", re.IGNORECASE)
_COLUMN = "sequence"


@dataclass(frozen=True)
class Sequences:
    """Named sequences.

    Attributes
    ----------
    names
        One for each sequence: of the record, of the row, or 0, 1, ...; may repeat.
    sequences
        As they were given, without blanks around them; none is empty.
    obs
        (n, columns) what else the table held, labels for example; its index is ``names``.
    """

    names: tuple[str, ...]
    sequences: tuple[str, ...]
    obs: pd.DataFrame

    def __len__(self) -> int:
        return len(self.sequences)

    def __post_init__(self) -> None:
        if not self.sequences:
            raise ScmambaError("no sequence was given; give at least one")
        for name, sequence in zip(self.names, self.sequences, strict=True):
            if not isinstance(sequence, str):
                what = "missing" if sequence is None or sequence != sequence else repr(sequence)
                raise ScmambaError(f"sequence {name!r} is {what}; give text such as 'ACGT'")
            if not sequence:
                raise ScmambaError(f"sequence {name!r} is empty; leave it out")


def read_sequences(source: Any, *, column: str | None = None) -> Sequences:
    """Read sequences.

    Parameters
    ----------
    source
        One sequence, or many: a list, array or Series of text, a dict of names and sequences, a
        DataFrame, or the path of a FASTA (``.fa``, ``.fasta``, ``.fna``, ...) or table file
        (``.csv``, ``.tsv``), each plain or gzipped. A table file's column ``name`` or ``id``
        becomes the names.
    column
        Of a DataFrame or table file: where the sequences are; None: ``"sequence"``.

    Raises
    ------
    ScmambaError
        Nothing is there, the column is missing, or a sequence is missing or empty.
    """
    if isinstance(source, Sequences):
        return source
    if isinstance(source, os.PathLike) or (isinstance(source, str) and _suffix(source)):
        source = _read_file(Path(source))
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
    if not isinstance(source, Iterable):
        raise ScmambaError(
            f"sequences={source!r}; give text, a list, a Series, a DataFrame, or the path of a "
            "FASTA or csv file"
        )
    found = list(source)
    return _named(range(len(found)), found)


def _suffix(text: str) -> bool:
    return bool(_FASTA.search(text) or _TABLE.search(text))


def _read_file(path: Path) -> pd.Series | pd.DataFrame:
    if _FASTA.search(path.name):
        pairs = list(records(path))
        if not pairs:
            raise ScmambaError(f"{path} holds no sequence")
        names, sequences = zip(*pairs, strict=True)
        return pd.Series(sequences, index=list(names), dtype=object)
    if not _TABLE.search(path.name):
        raise ScmambaError(
            f"{path} is not known by its name; give .fa, .fasta or .fna, or .csv or .tsv, "
            "each also with .gz"
        )
    separator = "\t" if ".tsv" in path.name.lower() else ","
    try:
        compression = "gzip" if is_gzipped(path) else None
        table = pd.read_csv(path, sep=separator, compression=compression)
    except (ValueError, UnicodeDecodeError) as error:
        if isinstance(error, ScmambaError):
            raise
        raise ScmambaError(f"{path} cannot be read as a table: {error}") from error
    for key in ("name", "id"):
        if key in table and table[key].is_unique and table[key].notna().all():
            return table.set_index(key)
    return table


def _from_table(table: pd.DataFrame, column: str | None) -> Sequences:
    key = _COLUMN if column is None else column
    if key not in table:
        raise ScmambaError(
            f"the table has no column {key!r}, but {', '.join(map(repr, table.columns))}; "
            "name the one with the sequences: column="
        )
    return _named(table.index, table[key], table.drop(columns=key))


def _named(
    names: Iterable[Any], sequences: Iterable[Any], obs: pd.DataFrame | None = None
) -> Sequences:
    texts = tuple(s.strip() if isinstance(s, str) else s for s in sequences)
    known = tuple(map(str, names))
    index = pd.Index(known, dtype=object)
    obs = pd.DataFrame(index=index) if obs is None else obs.set_axis(index)
    return Sequences(known, texts, obs)
