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

    def terms(self, record_licence: str | None) -> str:
        """The licence in words; ``record_licence`` is what the record says, if it was asked."""
        record = record_licence or "unknown (unverified)"
        return f"{record} for the record; {self.code_licence}"


SC_MAMBA2 = Entry(
    name="sc-mamba2-whole-body",
    doi="10.5281/zenodo.14404063",
    code_licence="CC BY-NC for SC-MAMBA2's public code",
    expected=preset("large"),
)

REGISTRY: dict[str, Entry] = {SC_MAMBA2.name: SC_MAMBA2}

_said: set[str] = set()


def entry(name: str) -> Entry:
    """The entry of that name.

    Raises
    ------
    ScmambaError
        There is none.
    """
    if name not in REGISTRY:
        raise ScmambaError(f"{name!r} is not a known model; known: {', '.join(REGISTRY)}")
    return REGISTRY[name]


def say_licence(name: str, terms: str) -> None:
    """Say once for ``name``, through the logger, under which ``terms`` its weights come."""
    if name not in _said:
        _said.add(name)
        logger.info("Licence of %s: %s. Check that your use is allowed.", name, terms)
