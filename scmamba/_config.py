"""What every configuration is: frozen, checked at construction, round-tripped as JSON."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from scmamba._errors import ScmambaError

MOST = 2**27
"""Most rows that a configuration may ask for, such as of a vocabulary."""

WIDEST = 2**14
"""Widest layer."""

DEEPEST = 512
"""Most layers; the largest published model has 64."""


@dataclass(frozen=True)
class Config:
    """Base of the configurations.

    Fields are int, float, bool, str, tuples of int, ``Literal`` texts or configurations again.
    """

    kind: ClassVar[str] = "cell"
    """What the configuration is of; written into JSON unless it is a cell model."""

    version: ClassVar[int] = 1
    """Version of the saved format; a reader refuses a newer one."""

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for name, hint in _hints(kind).items():
            if typing.get_origin(hint) is not ClassVar:
                object.__setattr__(self, name, _typed(name, hint, getattr(self, name)))

    def at_least(self, name: str, low: int) -> None:
        """Raise an error where the field ``name`` is less than ``low`` or beyond any size."""
        self.between(name, low, MOST)

    def between(self, name: str, low: int, high: int) -> None:
        """Raise an error where the field ``name`` is not within ``low`` and ``high``."""
        value = getattr(self, name)
        if value < low:
            raise ScmambaError(f"{name}={value}; give {low} or more")
        if value > high:
            raise ScmambaError(f"{name}={value}; give at most {high}")

    def replace(self, **changes: Any) -> Self:
        """A copy with ``changes``, checked again."""
        self.check_names(changes)
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, ``format_version`` first."""
        kind = {} if self.kind == "cell" else {"kind": self.kind}
        return {"format_version": self.version, **kind, **dataclasses.asdict(self)}

    def to_json(self) -> str:
        """The same as text."""
        return json.dumps(self.to_dict(), indent=1)

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` gave, of this format version or an older one.

        Raises
        ------
        ScmambaError
            A newer format version, an unknown field or a value that is not allowed.
        """
        version = entries.get("format_version")
        if not isinstance(version, int) or version < 1:
            raise ScmambaError(
                f"format_version={version!r} in the configuration; "
                f"a saved model carries a whole number from 1 to {cls.version}"
            )
        if version > cls.version:
            raise ScmambaError(
                f"this model was saved in format version {version}, and this scmamba reads up to "
                f"{cls.version}; update scmamba (pip install -U scmamba)"
            )
        fields = {k: v for k, v in entries.items() if k not in ("format_version", "kind")}
        return cls.from_entries(cls.migrated(fields, version))

    @classmethod
    def migrated(cls, entries: Mapping[str, Any], version: int) -> Mapping[str, Any]:
        """Entries of an older format version as this version writes them."""
        return entries

    @classmethod
    def from_entries(cls, entries: object, where: str = "the configuration") -> Self:
        """Make a configuration of plain values by field; ``where`` is what holds them."""
        if not isinstance(entries, Mapping):
            raise ScmambaError(f"{where}={entries!r}; give an object of fields")
        known = dataclasses.fields(cls)
        if unknown := sorted({str(key) for key in entries} - {field.name for field in known}):
            raise ScmambaError(
                f"unknown configuration field(s) {', '.join(unknown)} of {where}; known: "
                f"{', '.join(field.name for field in known)}"
            )
        needed = [
            field.name
            for field in known
            if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        ]
        if missing := [name for name in needed if name not in entries]:
            raise ScmambaError(f"{', '.join(missing)} is missing from {where}")
        return cls(**entries)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` gave."""
        try:
            entries = json.loads(text)
        except json.JSONDecodeError as error:
            raise ScmambaError(f"the configuration is not valid JSON: {error}") from error
        if not isinstance(entries, dict):
            raise ScmambaError("the configuration is not a JSON object")
        return cls.from_dict(entries)

    @classmethod
    def check_names(cls, fields: Mapping[str, Any]) -> None:
        """Raise an error where ``fields`` names something that the configuration does not have."""
        names = [field.name for field in dataclasses.fields(cls)]
        if unknown := sorted(set(fields) - set(names)):
            raise ScmambaError(
                f"unknown configuration field(s) {', '.join(unknown)}; known: {', '.join(names)}"
            )


def one_of(name: str, value: object, allowed: Sequence[str]) -> None:
    """Raise an error where ``value`` is not among ``allowed``."""
    if value not in allowed:
        raise ScmambaError(f"{name}={value!r}; allowed: {', '.join(map(repr, allowed))}")


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    """Type of each field."""
    return typing.get_type_hints(kind)


def _typed(name: str, hint: Any, value: Any) -> Any:
    """``value`` if it is of the type ``hint`` (a whole number does for a float)."""
    if typing.get_origin(hint) is typing.Literal:
        one_of(name, value, typing.get_args(hint))
        return value
    if isinstance(hint, type) and issubclass(hint, Config):
        return value if isinstance(value, hint) else hint.from_entries(value, name)
    if hint == tuple[int, ...]:
        if not isinstance(value, tuple | list):
            raise ScmambaError(f"{name}={value!r}; give a value of type tuple, of whole numbers")
        if wrong := [x for x in value if type(x) is not int]:
            raise ScmambaError(f"{name} holds {wrong[0]!r}; give whole numbers")
        return tuple(value)
    if hint is float and type(value) in (int, float):
        if not math.isfinite(value):
            raise ScmambaError(f"{name}={value!r}; give a finite number")
        return float(value)
    if hint in (int, bool, str) and type(value) is not hint:
        raise ScmambaError(f"{name}={value!r}; give a value of type {hint.__name__}")
    if hint is float:
        raise ScmambaError(f"{name}={value!r}; give a value of type float")
    return value
