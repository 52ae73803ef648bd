"""Making of a corpus: files of many studies, filtered, without copies, with a manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from scmamba._arguments import check_number
from scmamba._errors import ScmambaError
from scmamba._files import atomic, sha256, writable_folder
from scmamba._log import logger
from scmamba._settings import settings as package_settings
from scmamba.stream.corpus import Corpus
from scmamba.stream.corpus_files import find_files
from scmamba.stream.corpus_open import open_corpus
from scmamba.stream.corpus_settings import CorpusSettings
from scmamba.tasks._corpus.census import download_census
from scmamba.tasks._corpus.filters import CellFilters
from scmamba.tasks._corpus.manifest import CorpusManifest, DataSet, stated
from scmamba.tasks._corpus.writing import write_cells

__all__ = ["CellFilters", "CorpusManifest", "DataSet", "build_corpus", "download_census"]

RECIPE = "pretrain.yaml"


def build_corpus(
    files: Any,
    output: str | os.PathLike[str],
    *,
    filters: CellFilters | None = None,
    data: CorpusSettings | None = None,
    validation: float | Sequence[str] = (),
    about: Mapping[str, Mapping[str, str]] | str | os.PathLike[str] | None = None,
    seed: int | None = None,
) -> CorpusManifest:
    """Make a folder of cells for :func:`scmamba.tasks.pretrain` from the files of many studies.

    Cells of poor quality, and cells whose counts another file holds, are left out; whole data sets
    are held out to validate on. The folder then has a file for each data set, ``manifest.json``
    (source, license, cells, hash of each) and ``pretrain.yaml``, a recipe to begin with.

    Parameters
    ----------
    files
        An .h5ad or .zarr file, a folder with such files, or a list of both. Each is a data set.
    output
        Folder to write to, which must not hold other files.
    filters
        Which cells are good enough; None: the defaults of :class:`CellFilters`.
    data
        Where files keep counts, labels, batches; ``on_error="skip"`` leaves unusable files out.
        None: the defaults of ``CorpusSettings``.
    validation
        Names of data sets to hold out; or a fraction of all cells, in [0, 1): data sets are drawn
        until they hold as many, and copies of their cells are left out of the others.
    about
        ``{"<data set>": {"source": ..., "license": ...}}``, or a JSON file with that.
    seed
        Of the draw of data sets; None: ``settings.seed``.

    Returns
    -------
    What the folder holds.

    Raises
    ------
    ScmambaError
        A file cannot be used, no cell of one is left, or ``output`` holds other files.

    Examples
    --------
    >>> import tempfile
    >>> import scmamba
    >>> from scmamba.tasks import CellFilters, build_corpus
    >>> scmamba.settings.verbosity = "error"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for i in range(2):
    ...         adata = scmamba.datasets.synthetic(40, 60, 2, seed=i)
    ...         adata.write_h5ad(Path(folder) / f"study{i}.h5ad")
    ...     found = build_corpus(
    ...         folder, Path(folder) / "corpus", filters=CellFilters(min_genes=5), validation=0.4
    ...     )
    >>> found.n_cells, len(found.held_out)
    (80, 1)
    """
    filters, data = filters or CellFilters(), data or CorpusSettings()
    target = _empty_folder(output)
    paths = find_files(files)
    names = [path.stem for path in paths]
    known = stated(about, names)
    held = _named(validation, names)
    used = replace(data, held_out=held, min_genes=1, min_cells=1)
    corpus = open_corpus(paths, used)
    if isinstance(validation, float) and validation:
        chance = package_settings.seed if seed is None else seed
        used = replace(used, held_out=drawn(corpus, validation, chance))
        corpus = open_corpus(paths, used)
    target.mkdir(parents=True, exist_ok=True)
    sets = [
        _written(corpus, number, target, used, filters, known)
        for number in range(len(corpus.files) + len(corpus.held_out))
    ]
    made_by = {"filters": asdict(filters), "skipped": list(corpus.skipped)}
    manifest = CorpusManifest(target, tuple(sorted(sets, key=lambda one: one.name)), made_by)
    manifest.save()
    _write_recipe(manifest, data)
    logger.info("%s", manifest)
    return manifest


def drawn(corpus: Corpus, fraction: float, seed: int) -> tuple[str, ...]:
    """Names of data sets that together hold about a fraction of the cells; one is left at least."""
    order = np.random.default_rng(seed).permutation(len(corpus.files))
    found: list[str] = []
    wanted, n = fraction * len(corpus), 0
    for number in order[:-1]:
        one = corpus.files[number]
        if not found or abs(n + len(one) - wanted) < abs(n - wanted):
            found.append(one.content.name)
            n += len(one)
    return tuple(sorted(found))


def _named(validation: float | Sequence[str], names: list[str]) -> tuple[str, ...]:
    if isinstance(validation, int | float):
        check_number("validation", validation, low=0, high=1, open_high=True, optional=False)
        if validation and len(names) < 2:
            raise ScmambaError("validation holds out whole data sets, and there is only one")
        return ()
    return tuple([validation] if isinstance(validation, str) else validation)


def _empty_folder(output: str | os.PathLike[str]) -> Path:
    """Return the folder to write to; refuse one with other files."""
    target = writable_folder(output)
    if target.exists() and any(target.iterdir()):
        raise ScmambaError(f"{target} holds files; give a new folder, or empty this one")
    return target


def _written(
    corpus: Corpus,
    number: int,
    target: Path,
    data: CorpusSettings,
    filters: CellFilters,
    known: Mapping[str, Mapping[str, str]],
) -> DataSet:
    """Write one data set of a corpus."""
    one = (*corpus.files, *corpus.held_out)[number]
    name = one.content.name
    path = target / f"{name}.h5ad"
    n, left = write_cells(one, path, data, filters)
    left["copies"] = one.content.n_cells - len(one)
    said = known.get(name, {})
    return DataSet(
        name=name,
        source=said.get("source", str(one.content.path)),
        cells=n,
        genes=len(one.content.genes),
        left_out={reason: count for reason, count in left.items() if count},
        role="train" if number < len(corpus.files) else "validation",
        sha256=sha256(path),
        **({"license": said["license"]} if "license" in said else {}),
    )


def _write_recipe(manifest: CorpusManifest, data: CorpusSettings) -> None:
    """Write a recipe for ``scmamba pretrain`` with the folder and what is held out."""
    import yaml

    folder = manifest.folder.resolve()
    names = ("labels_key", "batch_key", "tissue_key", "assay_key")
    keys = {name: getattr(data, name) for name in names if getattr(data, name) is not None}
    content = {
        "files": [str(folder)],
        "output": str(folder.with_name(f"{folder.name}-model")),
        "folder": str(folder.with_name(f"{folder.name}-run")),
        "config": {"data": {**keys, "held_out": list(manifest.held_out)}},
    }
    with atomic(manifest.folder / RECIPE) as temporary:
        temporary.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
