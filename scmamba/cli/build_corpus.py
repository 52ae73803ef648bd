"""``scmamba build-corpus``."""

from __future__ import annotations

from pathlib import Path


def build_corpus(
    files: list[Path] | Path,
    *,
    output: Path,
    validation: float = 0.0,
    held_out: str = "",
    min_genes: int = 200,
    min_counts: int | None = None,
    max_counts: int | None = None,
    max_mito: float | None = 0.2,
    layer: str | None = None,
    gene_key: str | None = None,
    labels_key: str | None = None,
    batch_key: str | None = None,
    about: Path | None = None,
    skip_unusable: bool = False,
    seed: int | None = None,
) -> None:
    """Make a folder of cells for ``scmamba pretrain`` from the files of many studies.

    Parameters
    ----------
    files
        .h5ad and .zarr files, and folders with such files. Each file is a data set.
    output
        Folder to write to: a file for each data set, manifest.json and pretrain.yaml.
    validation
        Fraction of all cells to hold out, as whole data sets.
    held_out
        Names of data sets to hold out, with commas between them, in place of a fraction.
    min_genes
        Expressed genes of a cell, at least.
    min_counts
        Counts of a cell, at least.
    max_counts
        Counts of a cell, at most, since doublets have many.
    max_mito
        Fraction of a cell's counts that are of mitochondrial genes, at most.
    layer
        Layer with counts; if left out: X.
    gene_key
        Column of var with the names of genes; if left out: the index.
    labels_key
        Column of obs with cell types, for the recipe.
    batch_key
        Column of obs with batches, for the recipe.
    about
        JSON file with the source and the license of data sets by name.
    skip_unusable
        Leave files out that cannot be used, and say so, in place of stopping.
    seed
        Of the draw of data sets to hold out.
    """
    from scmamba.stream.corpus_settings import CorpusSettings
    from scmamba.tasks import CellFilters
    from scmamba.tasks import build_corpus as task

    found = task(
        files,
        output,
        filters=CellFilters(min_genes, min_counts, max_counts, max_mito),
        data=CorpusSettings(
            layer=layer,
            gene_key=gene_key,
            labels_key=labels_key,
            batch_key=batch_key,
            on_error="skip" if skip_unusable else "raise",
        ),
        validation=[one.strip() for one in held_out.split(",")] if held_out else validation,
        about=about,
        seed=seed,
    )
    print(found)
