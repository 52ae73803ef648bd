"""``scmamba embed``."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def embed(input: Path, *, output: Path, model: str, **options: Any) -> None:
    """Write the embedding that a pretrained model gives each cell.

    Parameters
    ----------
    input
        Cells to embed, an .h5ad file.
    output
        File to write: the same cells with ``obsm["X_scmamba"]``.
    model
        A registered name or a folder with a model.
    """
    from scmamba._files import writable
    from scmamba.cli._cells import existing, read_cells, write_cells
    from scmamba.tasks import embed as task

    writable(output), existing(input)
    adata = read_cells(input)
    task(adata, model, copy=False, **options)
    write_cells(adata, output)
    print(f"{output}: embeddings of {adata.n_obs:,} cells")
