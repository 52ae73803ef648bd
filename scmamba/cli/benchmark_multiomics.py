"""``scmamba benchmark multiomics``."""

from __future__ import annotations

from pathlib import Path


def benchmark_multiomics(
    input: Path,
    *,
    labels_key: str | None = None,
    settings: str = "embedding,imputation,mosaic",
    methods: str = "",
    target: str | None = None,
    output: Path = Path("scmamba-multiomics"),
    seeds: int = 3,
    scib: bool = True,
) -> None:
    """Embed and impute several modalities by scmamba and by others, on the same cells.

    Parameters
    ----------
    input
        Cells with RNA and proteins or chromatin: .h5mu, .zarr, .h5ad, 10x .h5 file or mtx folder.
    labels_key
        ``obs`` column with cell types, which score embeddings.
    settings
        Which, with commas: embedding, imputation, mosaic, hidden peaks.
    methods
        Which, with commas; left out, all that are installed: scmamba, mean, ridge, knn, mlp,
        pca_rna, second, pca_both, wnn, totalvi, multivi, frequency, low_rank, neighbors,
        low_rank_neighbors.
    target
        Modality to impute: prot or atac.
    output
        Folder for tables and one file a run; a benchmark that was stopped goes on.
    seeds
        Number of seeds: 0, 1, 2, ...
    scib
        Score embeddings by scib-metrics too, where it is installed.
    """
    from scmamba import benchmark
    from scmamba._errors import ScmambaError
    from scmamba.cli._sequences import write_table

    if seeds < 1:
        raise ScmambaError(f"seeds={seeds}; give 1 or more")
    chosen = [name.strip() for name in settings.split(",") if name.strip()]
    found = benchmark.multiomics(
        input,
        output=output / "runs",
        labels_key=labels_key,
        settings=chosen,  # type: ignore[arg-type]
        methods=[name.strip() for name in methods.split(",") if name.strip()] or None,
        seeds=range(seeds),
        target=target,
        scib=scib,
    )
    write_table(found.runs, output / "runs.csv")
    for setting in found.runs["setting"].unique():
        table = found.summary(setting)
        write_table(table, output / f"{setting.replace(' ', '_')}.csv", index=True)
        print(f"{setting}\n{table.T.to_string(float_format='{:.3f}'.format)}\n")
    print(f"{output}: {len(found.runs)} runs")
