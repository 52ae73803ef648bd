"""Prefixes and suffixes that tools add to gene names: genomes, chromosomes, panels."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

_ENDS = "_-.:|"
"""Separators at which a prefix or suffix shared by all names must end."""

_GENOME = re.compile(
    r"(GRCh\d+|hg\d+|T2T-?CHM13|chm13|human|homo_sapiens|hsapiens)[A-Za-z0-9.]*?[_\-:|]+",
    re.IGNORECASE,
)
"""Name of a human genome before a gene name; in mixed-species data not all genes have one."""

_CHROMOSOME = re.compile(r"__chr[\w.]+$")
_LEAST = 3


class Stripped(NamedTuple):
    """Gene names without prefixes and suffixes.

    ``affix`` describes what was removed, for a log line.
    """

    names: list[str]
    affix: str


def strip_affixes(names: Sequence[str]) -> Stripped | None:
    """Remove prefixes and suffixes shared by all names, genome names, and ``__chr1``.

    Parameters
    ----------
    names
        Gene names; some may be empty.

    Returns
    -------
    The same number of names in the same order, or None where there is nothing to remove. Nothing
    is removed that would leave a name empty, or leave mostly bare numbers.
    """
    given = [name for name in names if name]
    if len(set(given)) < _LEAST:
        return None
    prefix = _up_to_end(os.path.commonprefix(given))
    suffix = _up_to_end(os.path.commonprefix([name[::-1] for name in given]))[::-1]
    if len(prefix) + len(suffix) >= min(map(len, given)):
        prefix = suffix = ""
    parts = [f"prefix {prefix!r}"] * bool(prefix) + [f"suffix {suffix!r}"] * bool(suffix)
    found = [name[len(prefix) : len(name) - len(suffix)] if name else name for name in names]
    for pattern, what in ((_GENOME, "prefix"), (_CHROMOSOME, "suffix")):
        cut = [pattern.sub("", name) if _at(pattern, name) else name for name in found]
        n_cut = sum(a != b and bool(b) for a, b in zip(found, cut, strict=True))
        if 2 * n_cut > len(given) * (0.2 if what == "prefix" else 1):
            example = next(a for a, b in zip(found, cut, strict=True) if a != b and b)
            parts.append(f"{what} {_shown(pattern, example)!r} of {n_cut:,} names")
            found = [b or a for a, b in zip(found, cut, strict=True)]
    numbers = sum(name.isdecimal() for name in found)  # such as gene_1, where "gene_" must stay
    return Stripped(found, " and ".join(parts)) if parts and 2 * numbers < len(given) else None


def _at(pattern: re.Pattern[str], name: str) -> bool:
    return bool(pattern.match(name) if pattern is _GENOME else pattern.search(name))


def _shown(pattern: re.Pattern[str], name: str) -> str:
    found = pattern.search(name)
    return found[0] if found else ""


def _up_to_end(shared: str) -> str:
    """``shared`` up to its last separator, "" where it has none."""
    place = max(shared.rfind(end) for end in _ENDS)
    return shared[: place + 1]
