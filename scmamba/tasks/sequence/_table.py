"""Tables of text: what a csv file holds, and not what it looks like."""

from __future__ import annotations

import io
import os

import pandas as pd

from scmamba._errors import ScmambaError
from scmamba.tasks.sequence._text_file import opened


def read_table(path: str | os.PathLike[str], separator: str) -> pd.DataFrame:
    """Read a plain or gzipped csv file; every value is text, an empty or lacking one ``""``.

    Raises
    ------
    ScmambaError
        The file is missing or damaged, its first line names a column twice, or a line has
        more values than there are columns.
    """
    with opened(path) as file:
        content = file.read()
        if b"\0" in content:
            raise ScmambaError(f"{path} is no text: it holds zero bytes; save it as UTF-8")
        try:
            lines = pd.read_csv(
                io.BytesIO(content),
                sep=separator,
                header=None,
                dtype=object,
                na_filter=False,
                encoding="utf-8",
                low_memory=False,
            )
        except pd.errors.EmptyDataError as error:
            raise ScmambaError(f"{path} is empty; give a table with a line of names") from error
        except (pd.errors.ParserError, ValueError, OverflowError) as error:
            if isinstance(error, UnicodeDecodeError):
                raise
            reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
            raise ScmambaError(f"{path} cannot be read as a table: {reason}") from error
    names = [str(name).strip() or f"Unnamed: {i}" for i, name in enumerate(lines.iloc[0])]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ScmambaError(f"{path} has two columns named {twice[0]!r}; rename one")
    return lines.iloc[1:].set_axis(names, axis=1).reset_index(drop=True)
