"""``scmamba embed-sequences``."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal


def embed_sequences(
    input: str,
    *,
    output: Path,
    model: str,
    umap: Path | None = None,
    color: str | None = None,
    column: str | None = None,
    pooling: Literal["mean", "max", "first", "last"] | None = "mean",
    key_added: str = "scmamba",
    **options: Any,
) -> None:
    """Write the embedding that a pretrained model gives each sequence.

    Parameters
    ----------
    input
        A FASTA or csv file, or one sequence.
    output
        File to write: .h5ad with ``obsm["X_scmamba"]``, or, with ``--pooling null``, .npz with an
        array (length, width) for each sequence.
    model
        A registered name or a folder with a model.
    umap
        Picture of a UMAP to write.
    color
        Column of the csv file to color it by.
    column
        Column of the csv file that holds the sequences; left out: ``sequence``.
    pooling
        Over the nucleotides of a sequence: mean, max, first, last; null keeps each nucleotide's.
    key_added
        Prefix of what is written.
    """
    import numpy as np

    from scmamba._errors import ScmambaError
    from scmamba._files import atomic, writable
    from scmamba._keys import Keys
    from scmamba.cli._cells import write_cells
    from scmamba.cli._sequences import write_figure
    from scmamba.tasks.sequence import embed as task
    from scmamba.tasks.sequence import read_sequences

    pooled = pooling is not None
    if output.suffix != (suffix := ".h5ad" if pooled else ".npz"):
        raise ScmambaError(f"cannot write {output}: end its name with {suffix}")
    writable(output)
    if umap is not None:
        writable(umap)
        if not pooled:
            raise ScmambaError(f"--umap {umap} needs pooled embeddings; leave --pooling out")
    data = read_sequences(input, column=column)
    if color is not None and color not in data.obs:
        raise ScmambaError(f"--color {color} is no column; there are {', '.join(data.obs)}")
    if not pooled and len(set(data.names)) < len(data):
        raise ScmambaError(f"names repeat in {input}, and arrays are written by name; rename some")
    found = task(data, model, pooling=pooling, key_added=key_added, **options)
    if pooled:
        write_cells(found, output)
    else:
        with atomic(output) as temporary, temporary.open("wb") as file:
            np.savez(file, **dict(zip(data.names, found, strict=True)))
    if umap is not None:
        from scmamba.pl import sequence_embedding

        write_figure(sequence_embedding(found, color, embedding=Keys(key_added).embedding), umap)
    print(f"{output}: embeddings of {len(data):,} sequences")
