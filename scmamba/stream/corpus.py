"""A corpus: the cells of many files, checked, without copies, under one vocabulary."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scmamba._describe import Described
from scmamba.stream.corpus_files import FileContent
from scmamba.stream.corpus_settings import CorpusSettings
from scmamba.tokens.cells.vocab import Vocab

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CorpusFile:
    """Cells of one data set of a corpus.

    Attributes
    ----------
    content
        Path, name and annotations.
    columns
        (n_genes,) vocabulary id of each column, -1 for none.
    panel
        Vocabulary ids that the data set measures, ascending.
    rows
        Positions of the cells that are used, ascending.
    labels, batches
        (n_cells,) codes; labels are below 0 where unknown.
    prompts
        (n_cells, 2) vocabulary ids of the tissue and the assay, -1 where unknown.
    """

    content: FileContent
    columns: Ints
    panel: Ints
    rows: Ints
    labels: Ints
    batches: Ints
    prompts: Ints

    def __len__(self) -> int:
        """Return the number of cells that are used."""
        return len(self.rows)


@dataclass(frozen=True, repr=False)
class Corpus(Described):
    """The cells of many files.

    Attributes
    ----------
    files
        Data sets to learn from.
    held_out
        Data sets to validate on.
    vocab
        Genes, special tokens, and prompts such as ``<tissue:blood>``.
    labels, batches
        Names of the codes.
    settings
        How it was made.
    n_copies, n_poor
        Cells left out as copies, and for expressing too few genes.
    skipped
        Names of the files left out.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import scmamba
    >>> from scmamba.stream.corpus_open import open_corpus
    >>> from scmamba.stream.corpus_settings import CorpusSettings
    >>> scmamba.settings.verbosity = "error"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i in range(2):
    ...         adata = scmamba.datasets.synthetic(40, 60, 2, seed=i)
    ...         adata.write_h5ad(Path(folder) / f"study{i}.h5ad")
    ...     settings = CorpusSettings(held_out=("study1",), min_cells=1, min_genes=1)
    ...     corpus = open_corpus(folder, settings)
    >>> len(corpus), [one.content.name for one in corpus.held_out]
    (40, ['study1'])
    """

    files: tuple[CorpusFile, ...]
    held_out: tuple[CorpusFile, ...]
    vocab: Vocab
    labels: tuple[str, ...]
    batches: tuple[str, ...]
    settings: CorpusSettings
    n_copies: int
    n_poor: int
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of cells to learn from."""
        return sum(map(len, self.files))

    def fingerprint(self) -> str:
        """Hash that changes with the cells, their codes and the vocabulary."""
        made = hashlib.sha256(" ".join(self.vocab.tokens).encode())
        for place, one in enumerate((*self.files, *self.held_out)):
            made.update(f"{one.content.stamp} {place < len(self.files)}".encode())
            for part in (one.columns, one.rows, one.labels, one.batches, one.prompts):
                made.update(np.ascontiguousarray(part).tobytes())
        return made.hexdigest()[:32]

    def _summary(self) -> tuple[str, dict[str, str]]:
        labeled = sum(int((one.labels[one.rows] >= 0).sum()) for one in self.files)
        held = sum(map(len, self.held_out))
        return f"corpus of {len(self):,} cells of {len(self.files)} data sets", {
            "genes": f"{len(self.vocab.genes):,} genes and prompts",
            "labels": f"{len(self.labels)} labels of {labeled:,} cells",
            "batches": f"{len(self.batches)}",
            "held out": f"{held:,} cells of {len(self.held_out)} data sets",
            "left out": f"{self.n_copies:,} copies, {self.n_poor:,} cells with few genes, "
            f"{len(self.skipped)} files",
        }
