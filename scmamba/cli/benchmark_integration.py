"""``scmamba benchmark integration``."""

from __future__ import annotations

from pathlib import Path


def benchmark_integration(
    input: Path,
    *,
    batch_key: str,
    labels_key: str,
    peers: str = "pca,harmony,scvi,scanvi",
    output: Path = Path("scmamba-integration"),
    layer: str | None = None,
    use_raw: bool | None = None,
    gene_key: str | None = None,
    unlabeled_category: str = "unknown",
    n_top_genes: int | None = 2000,
    seeds: int = 3,
    max_cells: int = 100_000,
) -> None:
    """Score batch correction by scmamba and by others, on the same cells and genes.

    Parameters
    ----------
    input
        Cells of several batches, an .h5ad file with counts. Those without a label are left out.
    batch_key
        ``obs`` column with the batch of each cell.
    labels_key
        ``obs`` column with cell types; they score all methods, and scanvi and scmamba's second run
        learn from them.
    peers
        Other methods, with commas: pca, harmony, scvi (100 epochs), scanvi (20 more).
    output
        Folder for tables, pictures and one file per run; a benchmark that was stopped goes on.
    layer
        Layer that holds the counts; left out, they are looked for.
    use_raw
        Whether they are in ``.raw``.
    gene_key
        ``var`` column with gene names.
    unlabeled_category
        Label that marks an unlabeled cell, as NaN does.
    n_top_genes
        Genes that vary within batches, the same for all methods.
    seeds
        Number of seeds: 0, 1, 2, ...
    max_cells
        Most cells to score; of more, as many are drawn.
    """
    import scanpy as sc

    from scmamba import benchmark
    from scmamba._errors import ScmambaError
    from scmamba.cli._sequences import write_figure, write_table
    from scmamba.pl import integration_runs, integration_scores, integration_umap

    if seeds < 1:
        raise ScmambaError(f"seeds={seeds}; give 1 or more")
    ours = benchmark.OURS
    chosen = [name.strip() for name in peers.split(",") if name.strip()]
    known = [name for name in benchmark.INTEGRATION_METHODS if name not in ours]
    if unknown := [name for name in chosen if name not in known]:
        raise ScmambaError(f"peers: {unknown[0]!r}; allowed: {', '.join(known)}")
    found = benchmark.integration(
        sc.read_h5ad(input),
        batch_key,
        labels_key,
        output=output / "runs",
        methods=(*ours, *chosen),
        seeds=range(seeds),
        layer=layer,
        use_raw=use_raw,
        gene_key=gene_key,
        unlabeled_category=unlabeled_category,
        n_top_genes=n_top_genes,
        max_cells=max_cells,
    )
    write_table(found.runs, output / "runs.csv")
    write_table(found.summary, output / "summary.csv", index=True)
    write_figure(integration_scores(found.scores), output / "scores.png")
    write_figure(integration_runs(found.runs), output / "runs.png")
    shown, bases = found.comparison.umaps(0, [*chosen, *ours])
    write_figure(integration_umap(shown, "batch", "label", bases), output / "umap.png")
    cells = found.comparison.cells
    print(found.summary.T.to_string(float_format="{:.3f}".format))
    print(f"{output}: {len(found.runs)} runs on {cells.n_obs:,} cells and {cells.n_vars:,} genes")
