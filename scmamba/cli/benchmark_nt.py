"""``scmamba benchmark nt``."""

from __future__ import annotations

from pathlib import Path


def benchmark_nt(
    *,
    models: str = "mamba,cnn,transformer",
    tasks: str = "all",
    data: Path | None = None,
    output: Path = Path("scmamba-benchmark"),
    seeds: int = 3,
    epochs: int | None = None,
    batch_size: int | None = None,
    patience: int | None = None,
    reference: str | None = None,
) -> None:
    """Compare sequence classifiers on the 18 tasks of the Nucleotide Transformer, or on your own.

    Parameters
    ----------
    models
        Models, with commas: mamba, cnn, transformer (published sizes and training), scmamba (ours:
        a bidirectional Mamba-2 and a linear model of k-mers), kmer (logistic regression).
    tasks
        Names with commas, or "all".
    data
        Folder that holds a folder a task with train.csv, test.csv and perhaps dev.csv (columns
        sequence,label); left out, the 18 tasks are downloaded.
    output
        Folder for tables, pictures and one file per run; a benchmark that was stopped goes on.
    seeds
        Number of seeds: 0, 1, 2, ...
    epochs
        Epochs of mamba, cnn and transformer; 10 as published.
    batch_size
        Sequences per batch of these; 256 as published.
    patience
        Epochs of these without a better validation loss before they stop; never, as published.
    reference
        Model that others are compared with; the first, if left out.
    """
    from scmamba import benchmark
    from scmamba._errors import ScmambaError
    from scmamba._files import writable_folder
    from scmamba.cli._sequences import write_figure, write_table
    from scmamba.pl import (
        benchmark_by_category,
        benchmark_by_task,
        benchmark_efficiency,
        benchmark_radar,
    )

    if seeds < 1:
        raise ScmambaError(f"seeds={seeds}; give 1 or more")
    writable_folder(output)
    names = None if tasks == "all" else _split(tasks)
    given = benchmark.fetch_tasks(names) if data is None else benchmark.read_tasks(data, names)
    result = benchmark.sequence(
        given,
        _split(models),
        seeds=range(seeds),
        output=output,
        epochs=epochs,
        batch_size=batch_size,
        patience=patience,
        reference=reference,
    )
    write_table(result.runs, output / "runs.csv")
    write_table(result.by_task, output / "by_task.csv")
    write_table(result.summary, output / "summary.csv", index=True)
    chosen = result.by_task[~result.by_task["method"].str.contains(", ")]
    shown = result.summary[~result.summary.index.str.contains(", ")]
    write_figure(benchmark_by_task(chosen), output / "by_task.png")
    write_figure(benchmark_by_category(chosen), output / "by_category.png")
    write_figure(benchmark_efficiency(shown), output / "efficiency.png")
    if chosen["task"].nunique() > 2:
        write_figure(benchmark_radar(chosen), output / "radar.png")
    print(_text(result.summary))
    print(f"{output}: {len(result.runs):,} rows, tables and pictures")


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _text(summary) -> str:  # type: ignore[no-untyped-def]
    """Return the summary as a table of text: scores with their intervals."""
    import pandas as pd

    table = pd.DataFrame(index=summary.index)
    for score in ("accuracy", "macro_f1", "mcc"):
        table[score] = [
            f"{value:.3f} [{low:.3f}, {high:.3f}]"
            for value, low, high in zip(
                summary[score], summary[f"{score}_low"], summary[f"{score}_high"], strict=True
            )
        ]
    table["parameters"] = [f"{n:,.0f}" for n in summary["n_parameters"]]
    table["seconds"] = [f"{s:,.1f}" for s in summary["seconds"]]
    return table.to_string()
