"""Genes of a corpus: one vocabulary for files that name and measure different genes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from scmamba._describe import listed
from scmamba._errors import ScmambaError
from scmamba.stream.corpus_files import FileContent, attempted
from scmamba.stream.corpus_scan import Scan, scan_file
from scmamba.stream.corpus_settings import CorpusSettings
from scmamba.tokens.cells.genes import GeneMatch, resolve
from scmamba.tokens.cells.vocab import SPECIAL, Vocab

Ints = npt.NDArray[np.int64]
_LEAST_SHARED = 0.2
"""Fraction of the genes of a data set that other data sets must measure too."""


def match_of(content: FileContent, vocab: Vocab, *, required: bool) -> GeneMatch:
    """Find the genes of a data set in a vocabulary; ``required``: half of them at least."""
    match = resolve(content.genes, vocab.tokens)
    try:
        return match.require() if required else match
    except ScmambaError as error:
        raise ScmambaError(f"{content.path}: {error}") from error


def vocabulary_of(found: Sequence[FileContent], settings: CorpusSettings, base: Vocab) -> Vocab:
    """Tokens of ``base``, then genes that are given, or those of the files by their first name."""
    tokens = [token for token in base.tokens if base.genes]
    lists = [settings.genes] if settings.genes else [one.genes for one in _widest_first(found)]
    for names in lists:
        new = tuple(dict.fromkeys(name for name in names if name))
        tokens += dict.fromkeys(resolve(new, tokens).missing if tokens else new)
    return Vocab(tokens)


def _widest_first(found: Sequence[FileContent]) -> list[FileContent]:
    return sorted(found, key=lambda content: -len(content.genes))


def scans_of(
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
        names = [name for name in columns if name != content.name]
        raise ScmambaError(
            f"{content.path} shares only {len(own & every):,} of its {len(own):,} genes, such as "
            f"{', '.join(content.genes[:3])}, with the other files "
            f"({listed(names)}); name the column of var with the gene names (gene_key=), or leave "
            "the file out"
        )


def frequent(
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
