"""Display of objects: a few lines in a terminal, a small table in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


class Described(ABC):
    """Base class of objects that are displayed as a title with entries."""

    @abstractmethod
    def _summary(self) -> tuple[str, Mapping[str, str]]:
        """Return the title and the entries by name."""

    def __repr__(self) -> str:
        """Return title and entries as text."""
        title, entries = self._summary()
        width = max(map(len, entries), default=0)
        return "\n".join([title, *(f"  {name:<{width}}  {text}" for name, text in entries.items())])

    def _repr_html_(self) -> str:
        title, entries = self._summary()
        rows = "".join(
            f'<tr><th style="text-align:left">{escape(name)}</th>'
            f'<td style="text-align:left">{escape(text)}</td></tr>'
            for name, text in entries.items()
        )
        return f"<div><strong>{escape(title)}</strong><table>{rows}</table></div>"


class Tabulated(ABC):
    """Base class of objects that are displayed as a title with a table."""

    @abstractmethod
    def _shown(self) -> tuple[str, pd.DataFrame]:
        """Return the title and a table of numbers."""

    def __repr__(self) -> str:
        """Return title and table as text."""
        title, table = self._shown()
        return f"{title}\n{table.to_string(float_format='{:.3f}'.format)}"

    def _repr_html_(self) -> str:
        title, table = self._shown()
        numbers = table.to_html(float_format="{:.3f}".format, border=0)
        return f"<div><strong>{escape(title)}</strong>{numbers}</div>"


def numbers(**scores: float | None) -> dict[str, str]:
    """Return scores as text by name, those that are None left out.

    Examples
    --------
    >>> numbers(macro_f1=0.5, roc_auc=None)
    {'macro f1': '0.500'}
    """
    return {
        name.replace("_", " "): f"{value:.3f}"
        for name, value in scores.items()
        if value is not None
    }


def listed(names: Sequence[object], most: int = 6) -> str:
    """Return the number of names and the first of them.

    Examples
    --------
    >>> listed(["B cell", "T cell"])
    '2: B cell, T cell'
    >>> listed(range(100), most=2)
    '100: 0, 1, ...'
    """
    shown = ", ".join(map(str, names[:most]))
    return f"{len(names):,}: {shown}" + (", ..." if len(names) > most else "")


def scored(scores: Mapping[str, float], component: str) -> str:
    """Return the scores of one component as text, from entries such as ``both_accuracy``.

    Examples
    --------
    >>> scored({"n_cells": 9, "both_accuracy": 0.5, "linear_accuracy": 0.25}, "both")
    'accuracy 0.500'
    """
    prefix = f"{component}_"
    return ", ".join(
        f"{name.removeprefix(prefix).replace('_', ' ')} {value:.3f}"
        for name, value in scores.items()
        if name.startswith(prefix)
    )
