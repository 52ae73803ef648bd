"""A file as the input of a call, whose results go into a copy of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from scmamba._errors import ScmambaError
from scmamba._files import locked, recover, remove, writing
from scmamba.jobs.checkpoint import Checkpoint, note, read_state
from scmamba.jobs.digest import file_stamp
from scmamba.jobs.job import Job
from scmamba.jobs.results import Results
from scmamba.jobs.writer import write_results

LOCK_SECONDS = 10.0
"""How long to wait for another process that writes the same output."""


class FileJob(Job):
    """A file whose results go into a copy of it.

    The lock of ``output`` is held until :meth:`close`. Next to it, the hidden folder
    ``.NAME.part`` outlives a kill: it holds the results of the blocks that are done, then a note
    that the output is there.

    Attributes
    ----------
    output
        The file to write, with links followed.
    stamp
        Stands for the file with the cells as it was when it was opened.
    original
        The same before an earlier run of the call wrote its results into the file.
    """

    def __init__(self, cells: Path, output: Path, obs: pd.DataFrame | None = None) -> None:
        super().__init__()
        self.cells, self.output, self.name, self._obs = cells, output, str(cells), obs
        self.stamp = self.original = ""
        self._part = output.with_name(f".{output.name}.part")

    @property
    def in_place(self) -> bool:
        """Whether the output is the file with the cells."""
        return self.output.exists() and self.output.samefile(self.cells)

    @property
    def _cells(self) -> Path:
        return self.cells

    @property
    def _path(self) -> Path:
        return self.cells

    def lock(self) -> None:
        """Wait for other processes that write the output, and bring back what a kill set aside."""
        with writing(self.output):
            self.output.parent.mkdir(parents=True, exist_ok=True)
            self._stack.enter_context(locked(self.output, wait=LOCK_SECONDS))
            recover(self.output)

    def open(self) -> None:
        """See :meth:`Job.open`."""
        self.stamp = self.original = file_stamp(self.cells)
        if self.in_place and (written := read_state(self._part)).get("output") == self.stamp:
            self.original = str(written.get("original"))
        super().open()
        if self._obs is not None and not self.source.obs.equals(self._obs):
            raise ScmambaError(
                f"obs of the backed AnnData is not what {self.cells} holds, of which output= would "
                "be a copy; write it to a file first, or omit output=: results then go into the "
                "AnnData"
            )

    def _checkpoint(self, key: str) -> Checkpoint:
        return Checkpoint(self.source.n_obs, self._part, f"{key} {self.stamp}")

    def write(self, results: Results, key: str) -> None:
        """See :meth:`Job.write`."""
        if file_stamp(self.cells) != self.stamp:
            raise ScmambaError(
                f"{self.cells} was changed by another process while it was read; nothing was "
                "written. Call again when it is done"
            )
        with writing(self._part):
            self._part.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_results(self.cells, self.output, results, self._part)
        with writing(self._part):
            remove(self._part)
            self._part.mkdir(mode=0o700)
            note(self._part, **self._end(key), original=self.original)

    def finished(self, key: str) -> bool:
        """See :meth:`Job.finished`."""
        if not self.output.exists():
            return False
        noted = read_state(self._part)
        return all(noted.get(name) == value for name, value in self._end(key).items())

    def _end(self, key: str) -> dict[str, str]:
        """Return what is noted once the output exists; valid while neither file changes."""
        return {
            "key": key,
            "source": file_stamp(self.cells),
            "output": file_stamp(self.output),
        }

    def forget(self) -> None:
        """See :meth:`Job.forget`."""
        remove(self._part)
