"""An AnnData as the input of a call, whose results go into it or into a copy."""

from __future__ import annotations

from typing import Any

from anndata import AnnData

from scmamba.jobs.checkpoint import Checkpoint
from scmamba.jobs.job import Job
from scmamba.jobs.results import Results
from scmamba.pp.expression import rna_of


class MemoryJob(Job):
    """An AnnData whose results go into it, or into a copy.

    Attributes
    ----------
    result
        Object with the results: the one given, or its copy.
    """

    def __init__(self, adata: Any, *, copy: bool) -> None:
        super().__init__()
        self.name, self.result, self._copy = "adata", adata, copy

    @property
    def _cells(self) -> AnnData:
        return rna_of(self.result)

    def _checkpoint(self, key: str) -> Checkpoint:
        return Checkpoint(self.source.n_obs)

    def write(self, results: Results, key: str) -> None:
        """See :meth:`Job.write`."""
        if self._copy:
            backed = isinstance(self.result, AnnData) and self.result.isbacked
            self.result = self.result.to_memory() if backed else self.result.copy()
        results.write_to(rna_of(self.result))

    def finished(self, key: str) -> bool:
        """See :meth:`Job.finished`."""
        return False

    def forget(self) -> None:
        """See :meth:`Job.forget`; nothing is kept."""
