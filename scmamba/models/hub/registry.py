"""Models that are known by name: where they come from and under which terms."""

from __future__ import annotations

from dataclasses import dataclass

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.models.cell.config import CellConfig, preset
from scmamba.models.hub.sequences import SEQUENCE_MODELS, HubEntry


@dataclass(frozen=True)
class Entry:
    """A published model on Zenodo.

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
        record = record_licence or "unverified until it is fetched"
        return f"{self.code_licence}; the licence of the weights' record: {record}"


SC_MAMBA2 = Entry(
    name="sc-mamba2-whole-body",
    doi="10.5281/zenodo.14404063",
    code_licence="CC BY-NC for SC-MAMBA2's public code, so no commercial use",
    expected=preset("large"),
)

REGISTRY: dict[str, Entry | HubEntry] = {SC_MAMBA2.name: SC_MAMBA2}
REGISTRY.update((known.name, known) for known in SEQUENCE_MODELS)

_said: set[str] = set()


def find(name: str) -> Entry | HubEntry | None:
    """The entry of that name, or of that repository on Hugging Face, or None."""
    by_repo = (e for e in SEQUENCE_MODELS if e.repo.lower() == name.lower())
    return REGISTRY.get(name) or next(by_repo, None)


def entry(name: str) -> Entry | HubEntry:
    """The entry of that name, or of that repository on Hugging Face.

    Raises
    ------
    ScmambaError
        There is none.
    """
    if (found := find(name)) is None:
        raise ScmambaError(f"{name!r} is not a known model; known: {', '.join(REGISTRY)}")
    return found


def say_licence(name: str, terms: str) -> None:
    """Say once for ``name``, through the logger, under which ``terms`` its weights come."""
    if name not in _said:
        _said.add(name)
        logger.info("Licence of %s: %s. Check that your use is allowed.", name, terms)
