"""Reports of files, for the commands that make them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from scmamba._errors import ScmambaError
from scmamba.cli._cells import read_results, read_some

if TYPE_CHECKING:
    from scmamba.pl import Report


def report_of(
    files: list[Path],
    output: Path,
    title: str,
    *,
    key_added: str,
    options: dict[str, Any],
    **shown: Any,
) -> Report:
    """Make the page of files that a command wrote.

    Parameters
    ----------
    files
        Input of the command.
    output
        Output of the task: a file, or a folder where there were several files.
    title
        Headline, which the names of the files follow.
    key_added
        Prefix of what was written.
    options
        Options of the task: ``layer``, ``use_raw`` and ``gene_key`` say where the expression is.
    shown
        ``labels_key``, ``batch_key`` and ``model`` of :func:`scmamba.pl.report`.
    """
    from scmamba import pl
    from scmamba._keys import Keys

    where = {name: options.get(name) for name in ("layer", "use_raw", "gene_key")}
    keys = Keys(key_added)
    cells = read_results(files, output, keys.uns, keys.validation)
    some = read_some(files, output, cells, keys.embedding, where)
    names = ", ".join(path.name for path in files)
    return pl.report(cells, sample=some, title=f"{title} {names}", key_added=key_added, **shown)


def read_any(path: Path) -> Any:
    """Read the cells of a file with all that tasks wrote: an AnnData, or a MuData of .h5mu."""
    import anndata

    from scmamba.cli._cells import read_cells
    from scmamba.stream.groups import readable
    from scmamba.stream.modalities.files import read_mudata

    if path.suffix == ".h5mu":
        return read_mudata(path)
    if path.suffix == ".h5ad":
        with readable(str(path)):
            return anndata.read_h5ad(path, backed="r")
    return read_cells(path)


def read_model(path: Path | None) -> Any:
    """Load the model of any task from its folder; None: None.

    Raises
    ------
    ScmambaError
        The folder holds none.
    """
    from scmamba import tasks

    if path is None:
        return None
    kinds: dict[str, Any] = {
        "annotator": tasks.Annotator,
        "integrator": tasks.Integrator,
        "perturbation": tasks.PerturbationModel,
        "multiomics": tasks.MultiomicsModel,
    }
    for name, kind in kinds.items():
        if (path / f"{name}.json").is_file():
            return kind.load(path)
    raise ScmambaError(
        f"{path} holds no model of a task; give the folder that .save(path) or --save_model wrote: "
        f"it holds {', '.join(f'{name}.json' for name in kinds)}"
    )
