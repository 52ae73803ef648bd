"""Model cards: what a repository on the hub says of a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from scmamba._files import sha256
from scmamba._version import __version__

CARD = "README.md"
_CALLS = {
    "model": 'model = scmamba.models.load("{address}")',
    "annotator": 'scmamba.tasks.annotate(adata, model="{address}")',
    "integrator": 'scmamba.tasks.integrate(adata, "batch", model="{address}")',
    "predictor": 'predictor = scmamba.tasks.sequence.SequencePredictor.load("{address}")',
}
_FETCH = 'folder = scmamba.models.fetch("{address}")'
"""How each kind is used."""


def model_card(
    folder: Path, repo: str, kind: str, license: str, summary: str, datasets: Sequence[str]
) -> str:
    """Write the card of a saved folder.

    Parameters
    ----------
    folder
        The saved files.
    repo
        ``owner/name``.
    kind
        Kind of the content, such as ``"model"`` or ``"annotator"``.
    license
        Terms of the weights.
    summary
        Text by its maker; empty: the card says that nothing was stated.
    datasets
        Data sets that it learned from.

    Returns
    -------
    Markdown with the YAML header that the hub reads.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from scmamba.models.hub.card import model_card
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     card = model_card(Path(folder), "lab/blood", "annotator", "cc-by-4.0", "", [])
    >>> card.splitlines()[1]
    'library_name: scmamba'
    """
    header = {
        "library_name": "scmamba",
        "license": license,
        "tags": ["biology", "single-cell", "mamba", f"scmamba-{kind}"],
    }
    if named := [one for one in datasets if "://" not in one]:
        header["datasets"] = named
    call = _CALLS.get(kind, _FETCH).format(address=f"hf://{repo}")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != CARD)
    hashes = [f"| {path.relative_to(folder).as_posix()} | `{sha256(path)}` |" for path in files]
    parts = [
        f"---\n{yaml.safe_dump(header, sort_keys=False)}---",
        f"# {repo.partition('/')[2]}",
        summary.strip() or "Its maker has not said what it is for, nor where it fails.",
        f"## Use\n\n```python\nimport scmamba\n\n{call}\n```",
    ]
    if datasets:
        parts.append("## Learned from\n\n" + "\n".join(f"* {one}" for one in datasets))
    parts += [
        f"## License of the weights\n\n{license}",
        "## Files\n\n"
        f"Written by scmamba {__version__}. Weights are safetensors, and nothing here is code.\n\n"
        "| file | sha256 |\n| --- | --- |\n" + "\n".join(hashes),
    ]
    return "\n\n".join(parts) + "\n"
