"""Registry of models by name, with source and license."""

from __future__ import annotations

from dataclasses import dataclass

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.models.cell.config import CellConfig
from scmamba.models.cell.presets import preset
from scmamba.models.hub.sequences import SEQUENCE_MODELS, HubEntry


@dataclass(frozen=True)
class Entry:
    """Published model on Zenodo.

    Attributes
    ----------
    name
        Name for :func:`scmamba.models.load`.
    doi
        DOI of the record, which lists file names and checksums.
    code_license
        License of the code it was trained with.
    expected
        Published configuration.
    """

    name: str
    doi: str
    code_license: str
    expected: CellConfig

    def terms(self, record_license: str | None) -> str:
        """Return the license in words; ``record_license`` is that of the record, if known."""
        record = record_license or "unverified until it is fetched"
        return f"{self.code_license}; the license of the weights' record: {record}"


SC_MAMBA2 = Entry(
    name="sc-mamba2-whole-body",
    doi="10.5281/zenodo.14404063",
    code_license="CC BY-NC for SC-MAMBA2's public code, so no commercial use",
    expected=preset("large"),
)

REGISTRY: dict[str, Entry | HubEntry] = {SC_MAMBA2.name: SC_MAMBA2}
REGISTRY.update((known.name, known) for known in SEQUENCE_MODELS)

_said: set[str] = set()


def find(name: str) -> Entry | HubEntry | None:
    """Return the entry of a name or of a repository on Hugging Face, or None."""
    by_repo = (e for e in SEQUENCE_MODELS if e.repo.lower() == name.lower())
    return REGISTRY.get(name) or next(by_repo, None)


def entry(name: str) -> Entry | HubEntry:
    """Return the entry of a name or of a repository on Hugging Face.

    Raises
    ------
    ScmambaError
        If there is none.
    """
    if (found := find(name)) is None:
        raise ScmambaError(f"{name!r} is not a known model; known: {', '.join(REGISTRY)}")
    return found


def say_license(name: str, terms: str) -> None:
    """Log the license of a model once."""
    if name not in _said:
        _said.add(name)
        logger.info("License of %s: %s. Check that your use is allowed.", name, terms)
