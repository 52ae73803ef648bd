"""One pass over a file of a corpus: expressed genes, cells of each gene, hashes of counts."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from scmamba._files import atomic
from scmamba.stream.corpus_copies import Hashes, gene_keys, hash_cells
from scmamba.stream.corpus_files import CorpusReader, FileContent
from scmamba.stream.corpus_settings import CorpusSettings
from scmamba.tokens.cells.vocab import Vocab


@dataclass(frozen=True)
class Scan:
    """What one pass over a file tells.

    Attributes
    ----------
    content
        The file.
    panel
        Number of the panel of genes that it measures.
    expressed
        (n_cells,) expressed genes that are in the vocabulary.
    cells_of_gene
        (n_tokens,) cells that express each gene.
    hashes, on_panels
        (n_cells, n_panels) hash of the counts, and number of expressed genes, on each panel.
    """

    content: FileContent
    panel: int
    expressed: npt.NDArray[np.int32]
    cells_of_gene: npt.NDArray[np.int64]
    hashes: Hashes
    on_panels: npt.NDArray[np.int32]


def scan_file(
    content: FileContent,
    columns: npt.NDArray[np.int64],
    panel: int,
    panels: npt.NDArray[np.bool_],
    vocab: Vocab,
    settings: CorpusSettings,
    cache: Any = None,
) -> Scan:
    """Read a file once, block by block.

    Parameters
    ----------
    content
        The file.
    columns
        (n_genes,) vocabulary id of each column, -1 for none.
    panel
        Number of its panel.
    panels
        (n_tokens, n_panels) True where a token is in a panel.
    vocab
        Names of the tokens.
    settings
        Where expression is.
    cache
        Folder with earlier results, or None.

    Raises
    ------
    ScmambaError
        The file is damaged, or not all its cells hold counts.
    """
    path = None if cache is None else _cached(Path(cache), content, columns, panels, settings)
    if path is not None and path.exists():
        with np.load(path) as stored:
            return Scan(content, panel, **{name: stored[name] for name in stored.files})
    places, keys = np.flatnonzero(columns >= 0), gene_keys(vocab.tokens)
    ids = columns[places]
    cells_of_gene = np.zeros(len(vocab), dtype=np.int64)
    expressed, hashes, on_panels = [], [], []
    reader = CorpusReader([content.path], settings)
    try:
        for _, block in reader.blocks(0):
            counts = sparse.csr_matrix(block.X[:, places])
            found, n_on = hash_cells(counts, keys[ids], panels[ids])
            expressed.append(np.diff(counts.indptr).astype(np.int32))
            cells_of_gene += np.bincount(ids[counts.indices], minlength=len(vocab))
            hashes.append(found)
            on_panels.append(n_on)
    finally:
        reader.close()
    arrays = {
        "expressed": np.concatenate(expressed),
        "cells_of_gene": cells_of_gene,
        "hashes": np.concatenate(hashes),
        "on_panels": np.concatenate(on_panels),
    }
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
    return Scan(content, panel, **arrays)


def _cached(
    folder: Path,
    content: FileContent,
    columns: npt.NDArray[np.int64],
    panels: npt.NDArray[np.bool_],
    settings: CorpusSettings,
) -> Path:
    """Where the result of a scan is kept; another file, vocabulary or layer has another place."""
    text = f"{content.path} {content.stamp} {settings.layer} {settings.gene_key}"
    made = hashlib.sha256(text.encode())
    made.update(columns.tobytes())
    made.update(np.packbits(panels).tobytes())
    return folder / f"{content.name}-{made.hexdigest()[:16]}.npz"
