"""What a saved folder holds, told by the file of its settings, and what reads it."""

from __future__ import annotations

from pathlib import Path

KINDS = {
    "annotator.json": ("an annotator", "scmamba.tasks.Annotator.load"),
    "integrator.json": ("an integrator", "scmamba.tasks.Integrator.load"),
    "multiomics.json": ("a multi-omics model", "scmamba.tasks.MultiomicsModel.load"),
    "perturbation.json": ("a perturbation model", "scmamba.tasks.PerturbationModel.load"),
    "predictor.json": ("a predictor of sequences", "scmamba.tasks.sequence.load"),
}
"""File of settings: what the folder holds, and the function that reads it."""


def told_kind(folder: Path, *, but: tuple[str, ...] = ()) -> str | None:
    """Say what a saved folder holds and how it is read; None for folders of no known kind.

    Parameters
    ----------
    folder
        A folder, which may be missing.
    but
        Files of settings that the caller reads itself.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from scmamba.models.checkpoint.kinds import told_kind
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "integrator.json").write_text("{}")
    >>> told_kind(folder)  # doctest: +ELLIPSIS
    "... holds an integrator; load it by scmamba.tasks.Integrator.load('...')"
    """
    for file, (kind, function) in KINDS.items():
        if file not in but and (folder / file).is_file():
            return f"{folder} holds {kind}; load it by {function}({str(folder)!r})"
    return None
