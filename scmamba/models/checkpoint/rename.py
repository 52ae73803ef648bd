"""Conversion of tensor names of published checkpoints to those of scmamba."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from scmamba._errors import ScmambaError

T = TypeVar("T")


def to_ours(
    tensors: Mapping[str, T], keys: Iterable[tuple[str, str]], plain: Callable[[str], str]
) -> tuple[dict[str, T], dict[str, str]]:
    """Rename the tensors (or shapes) of a published checkpoint.

    Parameters
    ----------
    tensors
        Tensors by published name.
    keys
        Pairs of prefixes, in scmamba and as published; the first pair that matches is used.
    plain
        Function that removes wrapper prefixes from a published name.

    Returns
    -------
    ours
        Tensors by their names in scmamba; those without a counterpart keep their names.
    names
        Published name of each name in scmamba.

    Raises
    ------
    ScmambaError
        If two tensors get the same name.
    """
    ours: dict[str, T] = {}
    names: dict[str, str] = {}
    pairs = tuple(keys)
    for name, tensor in tensors.items():
        bare = plain(name)
        mine = next((o + bare.removeprefix(p) for o, p in pairs if bare.startswith(p)), bare)
        if mine in ours:
            raise ScmambaError(f"the tensors {names[mine]!r} and {name!r} have the same meaning")
        ours[mine], names[mine] = tensor, name
    return ours, names
