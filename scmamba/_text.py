"""Conversion of labels to text, and definition of missing labels, for the whole package."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from scmamba._errors import ScmambaError

MISSING = frozenset(
    ("", "nan", "NaN", "NAN", "NA", "N/A", "n/a", "#N/A", "<NA>", "None", "NaT", "null", "NULL")
)
"""Strings that mean "no value" in tables written by pandas, R and spreadsheets."""


def label_texts(
    values: Any, *, unlabeled: str | None = None, name: str = "labels"
) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.bool_]]:
    """Convert values to the text of labels.

    Values that denote the same label get the same text: 1 and 1.0 become ``"1"``, and surrounding
    blanks are removed.

    Parameters
    ----------
    values : (n,)
        Strings, numbers, booleans or categories, as a list, array, Series or Categorical.
    unlabeled
        Further string, in upper or lower case, that means "no label".
    name
        Name of ``values`` in errors.

    Returns
    -------
    texts : (n,)
        The text of each value, ``""`` where it is missing.
    missing : (n,)
        True where a value is NaN, None, NaT or ``pd.NA``, one of the texts in ``MISSING``, or
        ``unlabeled``.

    Raises
    ------
    ScmambaError
        If ``values`` is not a single column of values.

    Examples
    --------
    >>> label_texts([1.0, " 1", 2, "NA", None])[0].tolist()
    ['1', '1', '2', '', '']
    >>> label_texts(["T", "Unknown"], unlabeled="unknown")[1].tolist()
    [False, True]
    """
    codes, distinct = _distinct(_column(values, name))
    texts = np.array([label_text(value) for value in distinct] + [""], dtype=object)
    gone = np.array([text in MISSING for text in texts], dtype=bool)
    if unlabeled is not None:
        wanted = unlabeled.strip().casefold()
        gone |= np.array([text.casefold() == wanted for text in texts], dtype=bool)
    texts[gone] = ""
    return texts[codes], gone[codes]


def label_text(value: Any) -> str:
    """Return the text of a value that is not missing; whole numbers have no decimal point.

    Examples
    --------
    >>> label_text(2.0), label_text("B cell "), label_text(True)
    ('2', 'B cell', 'True')
    """
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").strip()
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, list | dict | set | np.ndarray):
        raise ScmambaError(
            f"a label is a {type(value).__name__}: {str(value)[:40]}; allowed: text, numbers, "
            "booleans"
        )
    if _is_fraction(value) or not isinstance(value, Real | Decimal):
        return str(value).strip()
    return str(int(value))  # type: ignore[arg-type]


def holds_measurements(values: Any) -> bool:
    """Whether a column holds fractional numbers, and therefore measurements instead of labels.

    Examples
    --------
    >>> holds_measurements([0.25, 1.5]), holds_measurements([1.0, 2.0, None])
    (True, False)
    """
    _, distinct = _distinct(_column(values, "values"))
    return any(map(_is_fraction, distinct))


def _is_fraction(value: Any) -> bool:
    """Whether a number is not whole; infinity counts as fractional."""
    if not isinstance(value, float | np.floating | Decimal):
        return False
    return not math.isfinite(value) or value != int(value)


def are_names(n_classes: int, n_values: int) -> bool:
    """Whether a column has too many distinct values to be labels, such as names.

    Up to ten classes are always labels; more need at least two values per class on average.

    Examples
    --------
    >>> are_names(40, 60), are_names(10, 12), are_names(40, 400)
    (True, False, False)
    """
    return n_classes > max(10, n_values / 2)


def _column(values: Any, name: str) -> pd.Series:
    if isinstance(values, str | bytes | dict | set | frozenset) or not isinstance(values, Iterable):
        raise ScmambaError(
            f"{name} is {type(values).__name__} {str(values)[:40]!r}; give one value for each "
            "observation: a list, an array or a column"
        )
    if isinstance(values, pd.Series):
        return values
    if not isinstance(values, pd.Categorical | pd.Index | np.ndarray):
        values = np.asarray(values) if hasattr(values, "__array__") else _objects(values)
    if values.ndim != 1:
        raise ScmambaError(f"{name} has shape {values.shape}; give one column of values")
    return pd.Series(values)


def _objects(values: Iterable[Any]) -> npt.NDArray[np.object_]:
    """Convert to an object array, so that NumPy does not turn numbers into text."""
    items = list(values)
    column = np.empty(len(items), dtype=object)
    column[:] = items
    return column


def _distinct(column: pd.Series) -> tuple[npt.NDArray[np.int64], list[Any]]:
    """Return the index of each value among the distinct ones (-1 if missing), and these."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(np.int64), list(column.cat.categories)
    if column.dtype != object:
        codes, distinct = pd.factorize(column)
        return codes, list(distinct)
    # True, 1 and 1.0 are equal and have the same hash, but have different texts.
    places: dict[Any, int] = {}
    codes = np.full(len(column), -1, dtype=np.int64)
    for i, (value, missing) in enumerate(zip(column.to_numpy(), column.isna(), strict=True)):
        if not missing:
            key = (type(value), value if isinstance(value, str | Real) else repr(value))
            codes[i] = places.setdefault(key, len(places))
    return codes, [column.iat[i] for i in _first(codes, len(places))]


def _first(codes: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """Position of the first occurrence of each code."""
    first = np.empty(n, dtype=np.int64)
    known = np.flatnonzero(codes >= 0)[::-1]
    first[codes[known]] = known
    return first


def obs_column(obs: pd.DataFrame, key: Any, option: str, where: str) -> pd.Series:
    """Return a column of ``obs``.

    Parameters
    ----------
    obs
        Annotations of cells.
    key
        Name of the column.
    option, where
        Names of the argument and of ``obs`` in errors.

    Raises
    ------
    ScmambaError
        If there is no column of that name, or several.
    """
    names = list(obs.columns)
    if names.count(key) == 1:
        return obs[key]
    found = "occurs more than once in" if key in names else "is not a column of"
    raise ScmambaError(
        f"{option}={key!r} {found} {where}, whose columns are "
        f"{', '.join(map(repr, names[:40])) or '(none)'}"
    )
