"""One computation over an AnnData, a file or many files: kept block by block, written whole."""

from scmamba.jobs.digest import digest, identity
from scmamba.jobs.inputs import AnyPath
from scmamba.jobs.job import Job
from scmamba.jobs.results import Results, about, label_colors
from scmamba.jobs.row_blocks import RowBlocks
from scmamba.jobs.run import Jobs, open_jobs

__all__ = [
    "AnyPath",
    "Job",
    "Jobs",
    "Results",
    "RowBlocks",
    "about",
    "digest",
    "identity",
    "label_colors",
    "open_jobs",
]
