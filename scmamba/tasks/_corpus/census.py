"""Cells of the CELLxGENE Census, by tissue: one file for each of its data sets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from scmamba._arguments import check_count, check_value
from scmamba._errors import ScmambaError
from scmamba._files import atomic, sha256, writable_folder, writing
from scmamba._log import logger
from scmamba._progress import progress_bar
from scmamba._settings import settings
from scmamba.stream.sampling import sample
from scmamba.tasks._corpus.manifest import CorpusManifest, DataSet

LICENSE = "CC BY 4.0"
"""Of all data in the Census (https://chanzuckerberg.github.io/cellxgene-census)."""
_TISSUE, _STUDY, _COUNTS = "tissue_general", "dataset_id", "raw"
_COLUMNS = ("cell_type", "cell_type_ontology_term_id", "assay", "tissue", "donor_id", "disease")
"""Columns of ``obs`` that are kept, as far as there are such."""


def download_census(
    output: str | os.PathLike[str],
    *,
    tissue: str,
    organism: str = "homo_sapiens",
    where: str | None = None,
    version: str = "stable",
    experiment: str | os.PathLike[str] | None = None,
    min_cells: int = 100,
    max_cells: int | None = 20_000,
    seed: int | None = None,
) -> CorpusManifest:
    """Write the cells of a tissue in the CELLxGENE Census, one .h5ad file for each data set.

    Only primary cells are taken, so that a cell that several data sets of the Census hold comes
    once. Files that are there are kept: a download that was stopped goes on.
    :func:`build_corpus` filters the files. Needs ``pip install "scmamba[census]"``.

    Parameters
    ----------
    output
        Folder to write to; ``manifest.json`` in it names the studies and their license.
    tissue
        Value of the Census' column ``tissue_general``, such as ``"blood"``.
    organism
        ``"homo_sapiens"`` or ``"mus_musculus"``, as the Census spells it.
    where
        Another condition in the language of SOMA, such as ``"disease == 'normal'"``.
    version
        Release of the Census: ``"stable"``, ``"latest"``, or a date.
    experiment
        A SOMA experiment with the columns of the Census, to read in its place.
    min_cells
        Data sets with fewer cells of the tissue are left out.
    max_cells
        Cells of a data set, at most, drawn at random; None: all.
    seed
        Of that draw; None: ``settings.seed``.

    Returns
    -------
    What the folder holds.

    Raises
    ------
    ScmambaError
        tiledbsoma is not installed, the Census cannot be reached, it has no such cells, or a file
        cannot be written.

    Examples
    --------
    >>> from scmamba.tasks import download_census
    >>> found = download_census("blood", tissue="blood", max_cells=5_000)  # doctest: +SKIP
    >>> found.n_cells  # doctest: +SKIP
    """
    check_count("min_cells", min_cells, optional=False)
    check_count("max_cells", max_cells)
    folder = writable_folder(output)
    chance = settings.seed if seed is None else seed
    with _opened(version, organism, experiment) as (soma, titles):
        cells = _cells_of(soma, tissue, where)
        groups = [(str(name), rows) for name, rows in cells.groupby(_STUDY, observed=True)]
        groups = [(name, rows) for name, rows in groups if len(rows) >= min_cells]
        if not groups:
            raise ScmambaError(
                f"no data set has min_cells={min_cells} cells of {tissue!r}; give a smaller number"
            )
        folder.mkdir(parents=True, exist_ok=True)
        sets = []
        with progress_bar("Reading the Census", len(groups), unit="data sets") as bar:
            for name, rows in groups:
                ids = rows["soma_joinid"].to_numpy()
                ids = ids[sample(len(ids), max_cells or len(ids), chance)]
                sets.append(_written(soma, name, ids, folder, titles.get(name, name)))
                bar.update(1)
    made_by = {"tissue": tissue, "organism": organism, "where": where, "census": str(version)}
    manifest = CorpusManifest(folder, tuple(sets), made_by)
    manifest.save()
    logger.info("%s", manifest)
    return manifest


@contextmanager
def _opened(
    version: str, organism: str, experiment: str | os.PathLike[str] | None
) -> Iterator[tuple[Any, dict[str, str]]]:
    """Open the experiment of an organism; give it with the citation of each data set."""
    try:
        import tiledbsoma

        if experiment is None:
            import cellxgene_census
    except ImportError as error:
        raise ScmambaError(
            'the Census is read by tiledbsoma and cellxgene-census: pip install "scmamba[census]"'
        ) from error
    with ExitStack() as stack:
        titles: dict[str, str] = {}
        try:
            if experiment is not None:
                soma = stack.enter_context(tiledbsoma.Experiment.open(os.fspath(experiment)))
            else:
                census = stack.enter_context(cellxgene_census.open_soma(census_version=version))
                check_value("organism", organism, list(census["census_data"]), "the Census")
                table = census["census_info"]["datasets"].read().concat().to_pandas()
                cited = table.get("citation", table["dataset_title"])
                titles = dict(zip(table[_STUDY], cited.astype(str), strict=True))
                soma = census["census_data"][organism]
        except ScmambaError:
            raise
        except (tiledbsoma.SOMAError, OSError, ValueError) as error:
            raise ScmambaError(
                f"the Census cannot be read ({type(error).__name__}: {error}); check the network, "
                "or give experiment=, a folder with a SOMA experiment"
            ) from error
        yield soma, titles


def _cells_of(soma: Any, tissue: str, where: str | None) -> pd.DataFrame:
    """Find number and data set of the primary cells of a tissue."""
    there = set(soma.obs.keys())
    if missing := {_TISSUE, _STUDY} - there:
        raise ScmambaError(f"the experiment's obs lacks {', '.join(sorted(missing))}")
    condition = f"{_TISSUE} == {tissue!r}"
    if "is_primary_data" in there:
        condition += " and is_primary_data == True"
    if where:
        condition += f" and ({where})"
    columns = ["soma_joinid", _STUDY]
    found = soma.obs.read(value_filter=condition, column_names=columns).concat().to_pandas()
    if not len(found):
        every = soma.obs.read(column_names=[_TISSUE]).concat().to_pandas()[_TISSUE]
        check_value("tissue", tissue, sorted(every.astype(str).unique()), f"column {_TISSUE}")
        raise ScmambaError(f"no cell of {tissue!r} meets where={where!r}")
    return found


def _written(soma: Any, name: str, ids: np.ndarray, folder: Path, source: str) -> DataSet:
    """Read the cells of a data set and write them, unless the file is there."""
    import anndata as ad

    path = folder / f"{name}.h5ad"
    if not path.exists():
        cells = _read(soma, ids)
        with writing(path), atomic(path) as temporary:
            cells.write_h5ad(temporary, compression="gzip")
    shape = ad.read_h5ad(path, backed="r").shape
    return DataSet(name, source, LICENSE, shape[0], shape[1], sha256=sha256(path))


def _read(soma: Any, ids: np.ndarray) -> AnnData:
    """Read counts of cells by number, with the genes that any of them expresses."""
    import tiledbsoma

    with soma.axis_query("RNA", obs_query=tiledbsoma.AxisQuery(coords=(ids,))) as query:
        found = query.to_anndata(X_name=_COUNTS)
    for names in ("feature_id", "var_id"):
        if names in found.var:
            found.var_names = found.var[names].astype(str)
            break
    found.obs_names = found.obs.get("obs_id", found.obs["soma_joinid"]).astype(str)
    found.obs = found.obs[[name for name in _COLUMNS if name in found.obs]].copy()
    found.obs_names.name = found.var_names.name = None
    found.var = found.var[[name for name in ("feature_name",) if name in found.var]].copy()
    return found[:, np.asarray((found.X > 0).sum(0)).ravel() > 0].copy()
