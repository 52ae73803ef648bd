"""What every configuration is: frozen, checked at construction, round-tripped as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from scmamba._errors import ScmambaError

MOST = 2**27
"""Most rows that a configuration may ask for, such as of a vocabulary."""

WIDEST = 2**14
"""Widest layer."""

DEEPEST = 512
"""Most layers; the largest published model has 64."""

FORMAT_VERSION = 1
"""Version of the saved format; a reader refuses a newer one."""


@dataclass(frozen=True)
class Config:
    """Base of the configurations; fields are int, float, bool, str or tuples of int."""

    kind: ClassVar[str] = "cell"
    """What the configuration is of; written into JSON unless it is a cell model."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, _typed(field, getattr(self, field.name)))

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
        return {"format_version": FORMAT_VERSION, **kind, **dataclasses.asdict(self)}

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
                f"a saved model carries a whole number from 1 to {FORMAT_VERSION}"
            )
        if version > FORMAT_VERSION:
            raise ScmambaError(
                f"this model was saved in format version {version}, and this scmamba reads up to "
                f"{FORMAT_VERSION}; update scmamba (pip install -U scmamba)"
            )
        fields = {k: v for k, v in entries.items() if k not in ("format_version", "kind")}
        cls.check_names(fields)
        needed = [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]
        if missing := [name for name in needed if name not in fields]:
            raise ScmambaError(f"{', '.join(missing)} is missing from the configuration")
        return cls(**fields)

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


def one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    """Raise an error where ``value`` is not among ``allowed``."""
    if value not in allowed:
        raise ScmambaError(f"{name}={value!r}; allowed: {', '.join(map(repr, allowed))}")


_TYPES: dict[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "str": (str,),
    "tuple[int, ...]": (tuple, list),
}


def _typed(field: dataclasses.Field[Any], value: Any) -> Any:
    """``value`` if it is of the field's type (a whole number does for a float)."""
    odd_bool = isinstance(value, bool) and field.type != "bool"
    if odd_bool or not isinstance(value, _TYPES[str(field.type)]):
        raise ScmambaError(f"{field.name}={value!r}; give a value of type {field.type}")
    if isinstance(value, tuple | list):
        if wrong := [x for x in value if type(x) is not int]:
            raise ScmambaError(f"{field.name} holds {wrong[0]!r}; give whole numbers")
        return tuple(value)
    if not isinstance(value, int | float) or field.type != "float":
        return value
    if not math.isfinite(value):
        raise ScmambaError(f"{field.name}={value!r}; give a finite number")
    return float(value)
