"""Base class of configurations: immutable, checked at construction, saved as JSON."""

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
"""Largest number of rows, such as of a vocabulary."""

WIDEST = 2**14
"""Largest width of a layer."""

DEEPEST = 512
"""Largest number of layers; the largest published model has 64."""


@dataclass(frozen=True)
class Config:
    """Base class of configurations.

    Fields are int, float, bool, str, tuples of int, ``Literal`` strings or other configurations.
    """

    kind: ClassVar[str] = "cell"
    """Kind of model; written to JSON unless it is a cell model."""

    version: ClassVar[int] = 1
    """Version of the saved format; newer versions are refused."""

    def __post_init__(self) -> None:
        """Check the types of all fields."""
        kind: Any = type(self)
        for name, hint in _hints(kind).items():
            if typing.get_origin(hint) is not ClassVar:
                object.__setattr__(self, name, _typed(name, hint, getattr(self, name)))

    def at_least(self, name: str, low: int) -> None:
        """Raise ScmambaError if the field ``name`` is less than ``low`` or unreasonably large."""
        self.between(name, low, MOST)

    def between(self, name: str, low: int, high: int) -> None:
        """Raise ScmambaError if the field ``name`` is not between ``low`` and ``high``."""
        value = getattr(self, name)
        if value < low:
            raise ScmambaError(f"{name}={value}; give {low} or more")
        if value > high:
            raise ScmambaError(f"{name}={value}; give at most {high}")

    def replace(self, **changes: Any) -> Self:
        """Return a copy with ``changes``, checked again."""
        self.check_names(changes)
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, ``format_version`` first."""
        kind = {} if self.kind == "cell" else {"kind": self.kind}
        return {"format_version": self.version, **kind, **dataclasses.asdict(self)}

    def to_json(self) -> str:
        """Return the configuration as JSON text."""
        return json.dumps(self.to_dict(), indent=1)

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> Self:
        """Create a configuration from the result of :meth:`to_dict`, of this or an older version.

        Raises
        ------
        ScmambaError
            If the format version is newer, a field is unknown, or a value is not allowed.
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
        """Convert entries of an older format version to this one."""
        return entries

    @classmethod
    def from_entries(cls, entries: object, where: str = "the configuration") -> Self:
        """Create a configuration from plain values by field; errors name the source ``where``."""
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
        """Create a configuration from the result of :meth:`to_json`."""
        try:
            entries = json.loads(text)
        except json.JSONDecodeError as error:
            raise ScmambaError(f"the configuration is not valid JSON: {error}") from error
        if not isinstance(entries, dict):
            raise ScmambaError("the configuration is not a JSON object")
        return cls.from_dict(entries)

    @classmethod
    def check_names(cls, fields: Mapping[str, Any]) -> None:
        """Raise ScmambaError if ``fields`` contains an unknown name."""
        names = [field.name for field in dataclasses.fields(cls)]
        if unknown := sorted(set(fields) - set(names)):
            raise ScmambaError(
                f"unknown configuration field(s) {', '.join(unknown)}; known: {', '.join(names)}"
            )


def one_of(name: str, value: object, allowed: Sequence[str]) -> None:
    """Raise ScmambaError if ``value`` is not among ``allowed``."""
    if value not in allowed:
        raise ScmambaError(f"{name}={value!r}; allowed: {', '.join(map(repr, allowed))}")


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    """Type of each field."""
    return typing.get_type_hints(kind)


def _typed(name: str, hint: Any, value: Any) -> Any:
    """Return ``value`` if it is of the type ``hint``; whole numbers are accepted as float."""
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
