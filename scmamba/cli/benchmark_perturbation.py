"""``scmamba benchmark perturbation``."""

from __future__ import annotations

from pathlib import Path


def benchmark_perturbation(
    input: Path,
    *,
    pert_key: str,
    control: str | None = None,
    split: str = "perturbation",
    cell_type_key: str | None = None,
    donor_key: str | None = None,
    effects: bool = False,
    methods: str = "",
    output: Path = Path("scmamba-perturbation"),
    seeds: int = 3,
) -> None:
    """Predict held-out perturbations by scmamba and by plain baselines, and score them.

    Parameters
    ----------
    input
        Perturbed and control cells, or effects: an .h5ad, .zarr or .h5mu file.
    pert_key
        ``obs`` column with the perturbation of each cell.
    control
        Value of that column for control cells.
    split
        Unit that is held out: perturbation, combination, cell_type, donor or pair.
    cell_type_key
        ``obs`` column with cell types or cell lines.
    donor_key
        ``obs`` column with donors.
    effects
        Rows are effects of perturbations instead of cells.
    methods
        Which, with commas; left out, all: scmamba, no_change, mean, matching_mean, additive,
        context_delta, similar_contexts, context_plus_perturbation, nearest, ridge,
        nearest_gene_sets, ridge_gene_sets, latent_shift.
    output
        Folder for tables, folds and one file a run; a benchmark that was stopped goes on.
    seeds
        Number of seeds: 0, 1, 2, ...
    """
    from scmamba import benchmark
    from scmamba._errors import ScmambaError
    from scmamba.cli._cells import read_cells
    from scmamba.cli._sequences import write_table

    if seeds < 1:
        raise ScmambaError(f"seeds={seeds}; give 1 or more")
    found = benchmark.perturbation(
        read_cells(input),
        pert_key,
        control,
        output=output / "runs",
        split=split,  # type: ignore[arg-type]
        cell_type_key=cell_type_key,
        donor_key=donor_key,
        effects=effects,
        methods=[name.strip() for name in methods.split(",") if name.strip()] or None,
        seeds=range(seeds),
    )
    write_table(found.scores, output / "scores.csv")
    write_table(found.summary, output / "summary.csv", index=True)
    print(found.summary.T.to_string(float_format="{:.3f}".format))
    print(f"{output}: {len(found.scores)} predicted effects")
