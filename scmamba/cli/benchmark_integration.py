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
        Which, with commas: pca, harmony, scvi (100 epochs), scanvi (20 more).
    output
        Folder for tables, pictures and one file a run; a benchmark that was stopped goes on.
    layer
        Layer that holds the counts; left out, they are looked for.
    use_raw
        Whether they are in ``.raw``.
    gene_key
        ``var`` column with gene names.
    unlabeled_category
        What marks an unlabelled cell beside NaN.
    n_top_genes
        Genes that vary within batches, the same for all methods.
    seeds
        How many: 0, 1, 2, ...
    max_cells
        Of more cells, that many are drawn to be scored.
    """
    import scanpy as sc

    from scmamba._errors import ScmambaError
    from scmamba._files import writable_folder
    from scmamba.cli._installed import check_installed
    from scmamba.cli._integration_cells import prepare
    from scmamba.cli._integration_methods import METHODS, OURS, PEERS
    from scmamba.cli._integration_runs import Comparison, mean_scores, table
    from scmamba.cli._sequences import write_figure, write_table
    from scmamba.pl import integration_runs, integration_scores, integration_umap

    if seeds < 1:
        raise ScmambaError(f"seeds={seeds}; give 1 or more")
    chosen = [name.strip() for name in peers.split(",") if name.strip()]
    if unknown := [name for name in chosen if name not in PEERS]:
        raise ScmambaError(f"peers: {unknown[0]!r}; allowed: {', '.join(PEERS)}")
    methods = {name: METHODS[name] for name in (*OURS, *chosen)}
    needed = {method.package: method.title for method in methods.values()}
    check_installed(needed | {"scib_metrics": "the benchmark"}, extra="benchmark")
    writable_folder(output)
    cells = prepare(
        sc.read_h5ad(input),
        batch_key,
        labels_key,
        layer=layer,
        use_raw=use_raw,
        gene_key=gene_key,
        unlabeled_category=unlabeled_category,
        n_top_genes=n_top_genes,
    )
    comparison = Comparison(methods, cells, output / "runs", max_cells)
    found = comparison.run(range(seeds))
    runs = table(found, methods)
    means = mean_scores(found, methods, cells.n_obs)
    by_method = runs.drop(columns="seed").groupby("method", sort=False)
    summary = by_method.mean()
    summary["labels used"] = by_method["labels used"].first()
    summary["Total sd"] = by_method["Total"].std()
    summary = summary.sort_values("Total", ascending=False)
    write_table(runs, output / "runs.csv")
    write_table(summary, output / "summary.csv", index=True)
    write_figure(integration_scores(means), output / "scores.png")
    write_figure(integration_runs(runs), output / "runs.png")
    shown, bases = comparison.umaps(0, [*chosen, *OURS])
    write_figure(integration_umap(shown, "batch", "label", bases), output / "umap.png")
    print(summary.T.to_string(float_format="{:.3f}".format))
    print(f"{output}: {len(runs)} runs on {cells.n_obs:,} cells and {cells.n_vars:,} genes")
