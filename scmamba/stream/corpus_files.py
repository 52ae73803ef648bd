"""Files of a corpus: found, looked at one by one, and read a few rows at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba._text import label_texts
from scmamba.pp.expression import Expression
from scmamba.stream.corpus_settings import CorpusSettings
from scmamba.stream.expressions import Expressions
from scmamba.stream.formats import as_path, check_file, format_of
from scmamba.stream.source import open_cells
from scmamba.tokens.cells.species import species_hint, upper_case_clone

Texts = npt.NDArray[np.object_]
T = TypeVar("T")
ENDINGS = (".h5ad", ".zarr", ".h5mu")
_MOST_OPEN = 32
"""Files that are open at once."""


@dataclass(frozen=True)
class FileContent:
    """What a file holds, as far as a first look tells.

    Attributes
    ----------
    path, name
        Where it is, and the name of the data set.
    genes
        (n_genes,) names of the columns.
    n_cells
        Number of cells.
    unit
        Kind of values.
    labels, batches, tissues, assays
        (n_cells,) texts, ``""`` where unknown.
    """

    path: Path
    name: str
    genes: tuple[str, ...]
    n_cells: int
    unit: str
    labels: Texts
    batches: Texts
    tissues: Texts
    assays: Texts

    @property
    def stamp(self) -> str:
        """Text that changes with the file."""
        inside = [p for p in self.path.rglob("*") if p.is_file()] if self.path.is_dir() else []
        found = [p.stat() for p in (inside or [self.path])]
        newest = max(one.st_mtime_ns for one in found)
        return f"{self.name} {sum(one.st_size for one in found)} {newest}"


def find_files(files: Any) -> list[Path]:
    """Paths of the files of cells that are named, or that lie in a folder, in a fixed order.

    Parameters
    ----------
    files
        A path, a folder with .h5ad, .zarr and .h5mu files, or a list of both.

    Raises
    ------
    ScmambaError
        There are none, one does not exist or is of another kind, or two have the same name.
    """
    listed = files if isinstance(files, list | tuple) else [files]
    found: list[Path] = []
    for one in map(as_path, listed):
        if not isinstance(one, Path):
            raise ScmambaError(
                f"files={files!r}; give a path, a folder with {', '.join(ENDINGS)} files, or a "
                "list of both"
            )
        if one.is_dir() and one.suffix.lower() != ".zarr":
            found += sorted(p for p in one.iterdir() if p.suffix.lower() in ENDINGS)
        else:
            found.append(one)
    if not found:
        raise ScmambaError(f"there are no {', '.join(ENDINGS)} files in {files}")
    names = [path.stem for path in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ScmambaError(
            f"several files are called {', '.join(twice)}; rename them: a file's name is the name "
            "of its data set"
        )
    return found


def usable(paths: Iterable[Path], settings: CorpusSettings) -> list[FileContent]:
    """Look at files, and refuse (or skip) those that cannot be used.

    Raises
    ------
    ScmambaError
        A file is missing, damaged or empty, holds no counts, or is of another species.
    """
    found = attempted(paths, lambda path: look_at(path, settings), settings, str)
    if not found:
        raise ScmambaError("no file can be used; see the warnings for the reasons")
    species = [_species(list(one.genes)) for one in found]
    usual = max(set(species), key=species.count)
    others = [(a, b) for a, b in zip(found, species, strict=True) if b != usual]
    for one, hint in others:
        said = (
            f"{one.path} has genes of {hint or 'human or an unknown species'}, the other files of "
            f"{usual or 'human or an unknown species'}; pretrain one species at a time, or map "
            "its genes to orthologs and name their column with gene_key"
        )
        if settings.on_error == "raise":
            raise ScmambaError(said)
        logger.warning("skipped: %s", said)
    return [one for one, hint in zip(found, species, strict=True) if hint == usual]


def _species(genes: list[str]) -> str | None:
    """Species that gene names suggest; mouse symbols in upper case would pass for human ones."""
    return species_hint(genes) or ("mouse" if upper_case_clone(genes) else None)


def attempted(
    items: Iterable[T],
    work: Callable[[T], Any],
    settings: CorpusSettings,
    name: Callable[[T], str],
) -> list[Any]:
    """Results of ``work`` on each item; items that it refuses are skipped if that is asked for."""
    found = []
    for item in items:
        try:
            found.append(work(item))
        except ScmambaError as error:
            if settings.on_error == "raise":
                raise
            logger.warning("skipped %s: %s", name(item), error)
    return found


def look_at(path: Path, settings: CorpusSettings) -> FileContent:
    """Read annotations and the first cells of a file.

    Raises
    ------
    ScmambaError
        It is missing, damaged or empty, or holds no counts.
    """
    check_file(path)
    format_of(path)
    try:
        return _content(path, settings)
    except ScmambaError as error:
        if path.name in str(error):
            raise
        raise ScmambaError(f"{path}: {error}") from error


def _content(path: Path, settings: CorpusSettings) -> FileContent:
    with open_cells(path) as source:
        first = Expressions.of(source, layer=settings.layer, gene_key=settings.gene_key).first
        if not first.X.nnz:
            raise ScmambaError(f"{path} holds no value above 0; leave it out")
        if not first.unit.is_counts:
            raise ScmambaError(
                f"{first.source} of {path} holds {first.unit}; a corpus holds counts, since copies "
                "and depth are told by them: name the layer with counts (layer=), or leave the "
                "file out"
            )
        obs, n = source.obs, source.n_obs

        def texts(key: str | None, unlabeled: str | None = None) -> Texts:
            if key is None or key not in obs:
                return np.full(n, "", dtype=object)
            return label_texts(obs[key], unlabeled=unlabeled, name=f"{key!r} of {path}")[0]

        labels = texts(settings.labels_key, settings.unlabeled_category)
        tissue, assay = settings.prompts.get(path.stem, ("", ""))
        return FileContent(
            path=path,
            name=path.stem,
            genes=tuple(first.var_names.tolist()),
            n_cells=n,
            unit=str(first.unit),
            labels=_renamed(labels, path.stem, settings),
            batches=texts(settings.batch_key),
            tissues=_filled(texts(settings.tissue_key), tissue),
            assays=_filled(texts(settings.assay_key), assay),
        )


def _renamed(labels: Texts, name: str, settings: CorpusSettings) -> Texts:
    """Labels by the names that they share with those of other data sets."""
    to = settings.label_names
    names = {one: to.get(f"{name}:{one}", to.get(one, one)) for one in set(labels.tolist())}
    return np.array([names[one] for one in labels.tolist()], dtype=object)


def _filled(texts: Texts, other: str) -> Texts:
    texts[texts == ""] = other
    return texts


class CorpusReader:
    """Reads rows of the files of a corpus; a few files stay open.

    Parameters
    ----------
    paths
        Files by number.
    settings
        Where they keep expression.
    """

    def __init__(self, paths: Sequence[Path], settings: CorpusSettings) -> None:
        self.paths, self.settings = list(paths), settings
        self._open: OrderedDict[int, tuple[ExitStack, Expressions]] = OrderedDict()

    def rows(self, number: int, rows: npt.NDArray[np.int64]) -> Expression:
        """Expression of cells of a file.

        Parameters
        ----------
        number
            Which file.
        rows
            (n,) ascending positions of cells near each other, perhaps repeated.

        Raises
        ------
        ScmambaError
            They cannot be read, or do not hold counts.
        """
        first, last = int(rows[0]), int(rows[-1]) + 1
        found = self._expressions(number).at(slice(first, last))
        if len(rows) == last - first and bool((np.diff(rows) == 1).all()):
            return found
        return Expression(
            found.X[rows - first],
            found.var_names,
            found.source,
            found.unit,
            found.obs_names[rows - first],
        )

    def blocks(self, number: int) -> Iterable[tuple[slice, Expression]]:
        """All cells of a file, block by block."""
        return self._expressions(number).blocks()

    def close(self) -> None:
        """Close all files."""
        while self._open:
            self._open.popitem()[1][0].close()

    def _expressions(self, number: int) -> Expressions:
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number][1]
        while len(self._open) >= _MOST_OPEN:
            self._open.popitem(last=False)[1][0].close()
        stack = ExitStack()
        source = stack.enter_context(open_cells(self.paths[number]))
        layer, gene_key = self.settings.layer, self.settings.gene_key
        self._open[number] = stack, Expressions.of(source, layer=layer, gene_key=gene_key)
        return self._open[number][1]
