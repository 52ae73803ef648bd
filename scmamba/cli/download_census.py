"""``scmamba download-census``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def download_census(*, output: Path, **options: Any) -> None:
    """Write the cells of a tissue in the CELLxGENE Census, one .h5ad file for each data set.

    Parameters
    ----------
    output
        Folder to write to.
    **options
        Passed to :func:`scmamba.tasks.download_census`.
    """
    from scmamba.tasks import download_census as task

    print(task(output, **options))
