"""Making of a corpus: files looked through, copies left out, texts turned into codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.stream.corpus import Corpus, CorpusFile
from scmamba.stream.corpus_copies import CellHashes, find_copies
from scmamba.stream.corpus_files import FileContent, find_files, usable
from scmamba.stream.corpus_genes import frequent, match_of, scans_of, vocabulary_of
from scmamba.stream.corpus_scan import Scan
from scmamba.stream.corpus_settings import CorpusSettings
from scmamba.tokens.cells.vocab import Vocab

Ints = npt.NDArray[np.int64]


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
    genes = vocabulary_of(found, settings, base) if extend else base
    required = bool(settings.genes) or vocab is not None
    scans = scans_of(found, genes, base if required and vocab else genes, required, settings, cache)
    contents = [one.content for one in scans]
    _check_keys(contents, settings)
    held = [one.name in settings.not_learned for one in contents]
    if all(held):
        raise ScmambaError("every data set is held out; leave one at least to learn from")
    copies = _copies(scans, held, settings)
    poor = [scan.expressed < settings.min_genes for scan in scans]
    rows = [np.flatnonzero(~a & ~b) for a, b in zip(copies, poor, strict=True)]
    if extend:
        genes = frequent(genes, base, scans, held, settings)
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


def _check_keys(contents: Sequence[FileContent], settings: CorpusSettings) -> None:
    """Raise ScmambaError where no file has a column of ``obs`` that is named."""
    columns = {"labels": "labels", "batch": "batches", "tissue": "tissues", "assay": "assays"}
    for key, texts in columns.items():
        name = getattr(settings, f"{key}_key")
        if name is not None and not any((getattr(one, texts) != "").any() for one in contents):
            raise ScmambaError(
                f"data.{key}_key={name!r}: none of the {len(contents)} files has such a column of "
                "obs with values; give the name of one that some files have, or leave it out"
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
