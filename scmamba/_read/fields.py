"""Typed entries of a JSON object."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from scmamba._errors import ScmambaError
from scmamba._read.guard import AGAIN


class Fields:
    """Access to the entries of a JSON object by name and type.

    Each method returns the entry if it has the right type and is within the bounds. If it is
    missing or null, ``default`` is returned if given. Otherwise an error names the file, the field,
    the value and what is allowed.

    Parameters
    ----------
    content
        JSON object.
    source
        Path of the file or description of the source, for messages.
    prefix
        Name of the field that holds this object, for messages about nested ones.

    Examples
    --------
    >>> from scmamba._read import Fields
    >>> fields = Fields({"n_layer": "four"}, "config.json")
    >>> fields.integer("n_layer", low=1)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    scmamba._errors.ScmambaError: config.json: n_layer="four"; a whole number of at least 1 is ...
    """

    def __init__(
        self, content: Mapping[str, Any], source: str | os.PathLike[str], *, prefix: str = ""
    ) -> None:
        self.content, self.source, self.prefix = content, os.fspath(source), prefix

    @classmethod
    def of(cls, content: object, source: str | os.PathLike[str]) -> Fields:
        """Return the fields of ``content``, or raise an error if it is not an object."""
        if not isinstance(content, Mapping):
            raise ScmambaError(
                f"{os.fspath(source)} holds {kind_of(content)}; an object {{...}} is needed"
            )
        return cls(content, source)

    def has(self, name: str) -> bool:
        """Whether there is an entry ``name`` that is not null."""
        return self.content.get(name) is not None

    def integer(
        self, name: str, default: int | None = None, *, low: int = -(2**63), high: int = 2**63 - 1
    ) -> int:
        """Return a whole number from ``low`` to ``high``."""
        value = self._value(name, default)
        if type(value) is not int or not low <= value <= high:
            self.refuse(name, f"a whole number {_bounds(low, high)}")
        return value

    def number(
        self,
        name: str,
        default: float | None = None,
        *,
        low: float = -math.inf,
        high: float = math.inf,
    ) -> float:
        """Return a finite number from ``low`` to ``high``."""
        value = self._value(name, default)
        if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:
            self.refuse(name, f"a finite number {_bounds(low, high)}")
        return float(value)

    def boolean(self, name: str, default: bool | None = None) -> bool:
        """Return True or False."""
        value = self._value(name, default)
        if type(value) is not bool:
            self.refuse(name, "true or false")
        return value

    def string(
        self, name: str, default: str | None = None, *, choices: Sequence[str] | None = None
    ) -> str:
        """Return text, one of ``choices`` if given."""
        value = self._value(name, default)
        if type(value) is not str or (choices is not None and value not in choices):
            self.refuse(name, "text" if choices is None else f"one of {', '.join(choices)}")
        return value

    def integers(
        self,
        name: str,
        default: Sequence[int] | None = None,
        *,
        low: int = -(2**63),
        high: int = 2**63 - 1,
    ) -> list[int]:
        """Return a list of whole numbers from ``low`` to ``high``."""
        value = self._value(name, default)
        right = isinstance(value, list | tuple)
        if not right or any(type(x) is not int or not low <= x <= high for x in value):
            self.refuse(name, f"a list of whole numbers {_bounds(low, high)}")
        return list(value)

    def strings(self, name: str, default: Sequence[str] | None = None) -> list[str]:
        """Return a list of strings."""
        value = self._value(name, default)
        if not isinstance(value, list | tuple) or any(type(x) is not str for x in value):
            self.refuse(name, "a list of texts")
        return list(value)

    def values(self, name: str, default: Sequence[Any] | None = None) -> list[Any]:
        """Return a list of any values."""
        value = self._value(name, default)
        if not isinstance(value, list | tuple):
            self.refuse(name, "a list")
        return [*value]

    def nested(self, name: str, default: Mapping[str, Any] | None = None) -> Fields:
        """Return the fields of a nested object."""
        value = self._value(name, default)
        if not isinstance(value, Mapping):
            self.refuse(name, "an object {...}")
        return Fields(value, self.source, prefix=f"{self.prefix}{name}.")

    def refuse(self, name: str, allowed: str) -> NoReturn:
        """Raise ScmambaError for the entry ``name``, with what is ``allowed``."""
        field = f"{self.prefix}{name}"
        if name not in self.content:
            raise ScmambaError(f"{self.source}: {field} is missing; {allowed} is needed: {AGAIN}")
        raise ScmambaError(
            f"{self.source}: {field}={_short(self.content[name])}; {allowed} is needed: {AGAIN}"
        )

    def _value(self, name: str, default: Any) -> Any:
        value = self.content.get(name)
        return default if value is None else value


def kind_of(value: object) -> str:
    """Return what a JSON value is, for messages."""
    kinds: dict[type, str] = {dict: "an object", list: "a list", str: "a text", bool: "a boolean"}
    if value is None:
        return "null"
    return kinds.get(type(value), "a number")


def _bounds(low: float, high: float) -> str:
    if low > -(2**63) and high < 2**63 - 1:
        return f"from {low} to {high}"
    if low > -(2**63):
        return f"of at least {low}"
    return f"of at most {high}" if high < 2**63 - 1 else "of 64 bits"


def _short(value: object) -> str:
    """Return ``value`` as JSON, shortened if long."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."
