"""A corpus: the cells of many files, checked, without copies, under one vocabulary."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._describe import Described
from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.stream.corpus_copies import CellHashes, find_copies
from scmamba.stream.corpus_files import FileContent, attempted, find_files, usable
from scmamba.stream.corpus_scan import Scan, scan_file
from scmamba.stream.corpus_settings import CorpusSettings
from scmamba.tokens.cells.genes import GeneMatch, resolve
from scmamba.tokens.cells.vocab import SPECIAL, Vocab

Ints = npt.NDArray[np.int64]
_LEAST_SHARED = 0.2
"""Fraction of the genes of a data set that other data sets must measure too."""


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
    >>> from scmamba.stream.corpus import open_corpus
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


def open_corpus(
    files: Any,
    settings: CorpusSettings,
    *,
    vocab: Vocab | None = None,
    extend: bool = True,
    cache: Any = None,
) -> Corpus:
    """Look through files and decide which cells are used.

    Every file is read once, whole and in blocks: a damaged one is found before any training.

    Parameters
    ----------
    files
        A path, a folder, or a list of both.
    settings
        Which cells are used.
    vocab
        Vocabulary of a model that is trained further, whose tokens keep their ids; None: a new one.
    extend
        Whether genes and prompts that ``vocab`` lacks are appended to it.
    cache
        Folder where what was found in each file is kept, so that it is not read again; or None.

    Raises
    ------
    ScmambaError
        A file cannot be used, a held-out data set does not exist, or no cell is left.
    """
    paths = find_files(files)
    names = [path.stem for path in paths]
    for option, given in (
        ("held_out", settings.held_out),
        ("excluded", settings.excluded),
        ("dataset_weights", tuple(settings.dataset_weights)),
        ("prompts", tuple(settings.prompts)),
    ):
        if unknown := sorted(set(given) - set(names)):
            raise ScmambaError(
                f"{option} names {', '.join(unknown)}; the data sets are {', '.join(names)}"
            )
    found = usable(paths, settings)
    base = Vocab(()) if vocab is None else vocab
    genes = _vocabulary(found, settings, base) if extend else base
    required = bool(settings.genes) or vocab is not None
    scans = _scans(found, genes, base if required and vocab else genes, required, settings, cache)
    contents = [one.content for one in scans]
    held = [one.name in settings.not_learned for one in contents]
    if all(held):
        raise ScmambaError("every data set is held out; leave one at least to learn from")
    copies = _copies(scans, held, settings)
    poor = [scan.expressed < settings.min_genes for scan in scans]
    rows = [np.flatnonzero(~a & ~b) for a, b in zip(copies, poor, strict=True)]
    if extend:
        genes = _frequent(genes, base, scans, held, settings)
    made = _coded(scans, rows, genes, extend=extend, settings=settings)
    corpus = Corpus(
        files=tuple(one for one, h in zip(made.files, held, strict=True) if not h and len(one)),
        held_out=tuple(
            one for one in made.files if one.content.name in settings.held_out and len(one)
        ),
        vocab=made.vocab,
        labels=made.labels,
        batches=made.batches,
        settings=settings,
        n_copies=int(sum(map(np.sum, copies))),
        n_poor=int(sum((b & ~a).sum() for a, b in zip(copies, poor, strict=True))),
        skipped=tuple(sorted(set(names) - {one.name for one in contents})),
    )
    if not len(corpus):
        raise ScmambaError(
            f"no cell is left to learn from: {corpus.n_copies:,} are copies and {corpus.n_poor:,} "
            f"express fewer than min_genes={settings.min_genes} genes"
        )
    logger.info("%s", corpus)
    return corpus


def match_of(content: FileContent, vocab: Vocab, *, required: bool) -> GeneMatch:
    """Find the genes of a data set in a vocabulary; ``required``: half of them at least."""
    match = resolve(content.genes, vocab.tokens)
    try:
        return match.require() if required else match
    except ScmambaError as error:
        raise ScmambaError(f"{content.path}: {error}") from error


def _vocabulary(found: Sequence[FileContent], settings: CorpusSettings, base: Vocab) -> Vocab:
    """Tokens of ``base``, then genes that are given, or those of the files by their first name."""
    tokens = [token for token in base.tokens if base.genes]
    lists = [settings.genes] if settings.genes else [one.genes for one in _widest_first(found)]
    for names in lists:
        new = tuple(dict.fromkeys(name for name in names if name))
        tokens += dict.fromkeys(resolve(new, tokens).missing if tokens else new)
    return Vocab(tokens)


def _widest_first(found: Sequence[FileContent]) -> list[FileContent]:
    return sorted(found, key=lambda content: -len(content.genes))


def _scans(
    found: Sequence[FileContent],
    vocab: Vocab,
    known: Vocab,
    required: bool,
    settings: CorpusSettings,
    cache: Any,
) -> list[Scan]:
    """Read all files once; half of the genes of each must be ``known`` if that is required."""

    def fits(content: FileContent) -> FileContent:
        match_of(content, known, required=required)
        return content

    def shares(content: FileContent) -> FileContent:
        _check_shared(content, columns)
        return content

    found = attempted(found, fits, settings, _path)
    columns = {one.name: match_of(one, vocab, required=False).index for one in found}
    found = attempted(found, shares, settings, _path)
    sets = [np.unique(columns[one.name][columns[one.name] >= 0]) for one in found]
    distinct: dict[bytes, int] = {}
    which = [distinct.setdefault(one.tobytes(), len(distinct)) for one in sets]
    panels = np.zeros((len(vocab), len(distinct)), dtype=bool)
    for ids, panel in zip(sets, which, strict=True):
        panels[ids, panel] = True
    work = list(zip(found, which, strict=True))
    return attempted(
        work,
        lambda pair: scan_file(
            pair[0], columns[pair[0].name], pair[1], panels, vocab, settings, cache
        ),
        settings,
        lambda pair: str(pair[0].path),
    )


def _path(content: FileContent) -> str:
    return str(content.path)


def _check_shared(content: FileContent, columns: Mapping[str, Ints]) -> None:
    """Raise ScmambaError for a data set whose genes hardly any other data set measures."""
    own = set(columns[content.name].tolist()) - {-1}
    others = [set(ids.tolist()) - {-1} for name, ids in columns.items() if name != content.name]
    if not others:
        return
    every = set().union(*others)
    if len(own & every) < _LEAST_SHARED * min(len(own), len(every)):
        raise ScmambaError(
            f"{content.path} shares only {len(own & every):,} of its {len(own):,} genes, such as "
            f"{', '.join(content.genes[:3])}, with the other files; name the column of var with "
            "the gene names (gene_key=), or leave the file out"
        )


def _copies(
    scans: Sequence[Scan], held: Sequence[bool], settings: CorpusSettings
) -> list[npt.NDArray[np.bool_]]:
    """Cells that are copies: held-out data sets keep theirs, then those with the most genes."""
    if not settings.drop_copies:
        return [np.zeros(scan.content.n_cells, dtype=bool) for scan in scans]
    order = sorted(range(len(scans)), key=lambda i: (not held[i], -len(scans[i].content.genes), i))
    hashes = [CellHashes(s.panel, s.hashes, s.on_panels) for s in scans]
    return find_copies(hashes, order)


def _frequent(
    vocab: Vocab,
    base: Vocab,
    scans: Sequence[Scan],
    held: Sequence[bool],
    settings: CorpusSettings,
) -> Vocab:
    """Tokens of ``base``, and the genes that enough of the cells to learn from express."""
    if settings.genes:
        return vocab
    learned = [s.cells_of_gene for s, h in zip(scans, held, strict=True) if not h]
    total = np.sum(learned, axis=0)
    old = set(base.tokens) if base.genes else set()
    names = [t for t in vocab.tokens if t in old or t not in SPECIAL]
    index = vocab.index(names)
    kept = [
        name
        for name, i in zip(names, index, strict=True)
        if name in old or total[i] >= settings.min_cells
    ]
    if not kept:
        raise ScmambaError(
            f"no gene is expressed by min_cells={settings.min_cells} cells; give a smaller number"
        )
    return Vocab(kept)


@dataclass(frozen=True)
class _Coded:
    files: list[CorpusFile]
    vocab: Vocab
    labels: tuple[str, ...]
    batches: tuple[str, ...]


def _coded(
    scans: Sequence[Scan], rows: Sequence[Ints], vocab: Vocab, *, extend: bool,
    settings: CorpusSettings,
) -> _Coded:  # fmt: skip
    """Texts as codes, the same in all files."""
    contents = [scan.content for scan in scans]
    learned = [c for c in contents if c.name not in settings.not_learned]
    if extend and settings.has_prompts:
        seen = {f"<tissue:{t}>" for c in learned for t in c.tissues.tolist() if t}
        seen |= {f"<assay:{t}>" for c in learned for t in c.assays.tolist() if t}
        vocab = Vocab([*vocab.tokens, *sorted(seen)])
    labels = sorted({t for c in learned for t in c.labels.tolist()} - {""})
    batches = sorted({f"{c.name}:{t}" for c in learned for t in set(c.batches.tolist())})
    files = []
    for content, kept in zip(contents, rows, strict=True):
        columns = match_of(content, vocab, required=False).index
        prompts = np.stack(
            [
                vocab.index([f"<tissue:{t}>" for t in content.tissues.tolist()]),
                vocab.index([f"<assay:{t}>" for t in content.assays.tolist()]),
            ],
            axis=1,
        )
        files.append(
            CorpusFile(
                content,
                columns,
                np.unique(columns[columns >= 0]),
                kept,
                _codes(content.labels.tolist(), labels),
                _codes([f"{content.name}:{t}" for t in content.batches.tolist()], batches),
                prompts,
            )
        )
    return _Coded(files, vocab, tuple(labels), tuple(batches))


def _codes(texts: Sequence[str], names: Sequence[str]) -> Ints:
    place = {name: i for i, name in enumerate(names)}
    return np.fromiter((place.get(text, -1) for text in texts), np.int64, len(texts))
