"""How objects show themselves: a few lines in a terminal, a small table in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from html import escape


class Described(ABC):
    """An object that says in a few lines what it holds."""

    @abstractmethod
    def _summary(self) -> tuple[str, Mapping[str, str]]:
        """A title, and what is said below it: entries by name."""

    def __repr__(self) -> str:
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


def listed(names: Sequence[object], most: int = 6) -> str:
    """The first names, and how many there are.

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
    """The scores of one component, from entries such as ``both_accuracy``.

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
