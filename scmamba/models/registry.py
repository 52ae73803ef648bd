"""Models that are known by name: where they come from and under which terms."""

from __future__ import annotations

from dataclasses import dataclass

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.models.config import CellConfig, preset


@dataclass(frozen=True)
class Entry:
    """A published model.

    Attributes
    ----------
    name
        What :func:`scmamba.models.load` takes.
    doi
        Of the record that holds it. File names and checksums are the record's to tell.
    code_licence
        Of the code it was trained with.
    expected
        The published sizes.
    """

    name: str
    doi: str
    code_licence: str
    expected: CellConfig


SC_MAMBA2 = Entry(
    name="sc-mamba2-whole-body",
    doi="10.5281/zenodo.14404063",
    code_licence="CC BY-NC (SC-MAMBA2's public code)",
    expected=preset("large"),
)

REGISTRY: dict[str, Entry] = {SC_MAMBA2.name: SC_MAMBA2}

_said: set[str] = set()


def find(name: str) -> Entry:
    """The entry of that name.

    Raises
    ------
    ScmambaError
        There is none.
    """
    if name not in REGISTRY:
        raise ScmambaError(f"{name!r} is not a known model; known: {', '.join(REGISTRY)}")
    return REGISTRY[name]


def say_licence(of: Entry, weights: str | None = None) -> None:
    """Say once, through the logger, under which terms ``of`` comes; ``weights`` of the record."""
    if of.name in _said:
        return
    _said.add(of.name)
    logger.info(
        "%s (https://doi.org/%s): licence of the record: %s; of the code: %s. "
        "Check that your use is allowed.",
        of.name,
        of.doi,
        weights or "not said there",
        of.code_licence,
    )
