"""Models put into repositories of the Hugging Face hub, with a model card and hashes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scmamba._errors import ScmambaError
from scmamba.models.cell.model import CellModel
from scmamba.models.checkpoint.writing import save
from scmamba.models.hub.card import CARD, model_card
from scmamba.models.hub.huggingface import hub_url
from scmamba.models.hub.repository import SCHEME, Repository
from scmamba.models.sequence.model import SequenceModel

_KINDS = {
    "config.json": "model",
    "annotator.json": "annotator",
    "integrator.json": "integrator",
    "predictor.json": "predictor",
    "multiomics.json": "multiomics",
    "perturbation.json": "perturbation",
}
"""What a folder holds, by the file with its settings."""


def save_to_hub(
    model: CellModel | SequenceModel | str | os.PathLike[str],
    repo: str,
    *,
    license: str,
    summary: str = "",
    datasets: Sequence[str] = (),
    private: bool = True,
    message: str | None = None,
    token: str | None = None,
    base_url: str | None = None,
) -> str:
    """Put a model into a repository on the hub, with a model card and the sha256 of its files.

    Parameters
    ----------
    model
        A model; or the folder of one, of what a task fitted (annotator, integrator, predictor,
        ...), as ``save`` writes it.
    repo
        ``"owner/name"``, which is made where it does not exist.
    license
        Terms of the weights as the hub names them, such as ``"cc-by-4.0"``, ``"mit"`` or
        ``"other"``. Weights that were trained further keep the terms of those they started from.
    summary
        What the model is for, what it learned from and where it fails, in Markdown: the body of
        the card. None of this can be guessed.
    datasets
        Data sets it learned from: names on the hub, or addresses.
    private
        Whether a repository that is made is seen by its owner alone.
    message
        Message of the commit.
    token
        Access token; None: that of ``hf auth login`` or the environment variable ``HF_TOKEN``.
    base_url
        Address of the hub; None uses the environment (``SCMAMBA_HUB_URL``, ``HF_ENDPOINT``), else
        the original one.

    Returns
    -------
    The address with its commit, ``"hf://owner/name@COMMIT"``, which ``models.load``,
    ``Annotator.load`` and ``model=`` of the tasks take.

    Raises
    ------
    ScmambaError
        huggingface_hub is missing, the folder holds nothing that was saved by scmamba, the name
        cannot be one, or the hub refuses.

    Examples
    --------
    >>> from scmamba.models import save_to_hub
    >>> save_to_hub("blood/", "lab/blood", license="cc-by-4.0")  # doctest: +SKIP
    'hf://lab/blood@3f1c...'
    """
    where = Repository.of(f"{SCHEME}{repo}")
    if where.revision is not None:
        raise ScmambaError(f"repo={repo!r} names a revision; give 'owner/name' alone")
    if not license:
        raise ScmambaError("license= is empty; name the terms of the weights, such as 'cc-by-4.0'")
    hub = _library()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory())) / "model"
        if isinstance(model, (CellModel, SequenceModel)):
            save(model, folder)
        else:
            _copied(Path(model), folder)
        kind = next(kind for name, kind in _KINDS.items() if (folder / name).is_file())
        card = model_card(folder, repo, kind, license, summary, datasets)
        (folder / CARD).write_text(card, encoding="utf-8")
        try:
            api = hub.HfApi(endpoint=hub_url(base_url), token=token, library_name="scmamba")
            api.create_repo(repo, private=private, exist_ok=True)
            done = api.upload_folder(
                repo_id=repo,
                folder_path=folder,
                commit_message=message or f"Saved by scmamba: {kind}",
                delete_patterns=["networks/**"],  # of an earlier version with more of them
            )
        except _errors(hub) as error:
            raise ScmambaError(
                f"the hub did not take {repo!r} ({str(error).splitlines()[0]}); is the token that "
                "of its owner, with the right to write (hf auth login, or HF_TOKEN)?"
            ) from error
    return f"{SCHEME}{repo}@{done.oid}"


def _copied(source: Path, folder: Path) -> None:
    """Copy a saved folder, whose card is written anew."""
    if not any((source / name).is_file() for name in _KINDS):
        raise ScmambaError(
            f"{source} holds nothing that scmamba saved ({', '.join(_KINDS)}); give a model, or "
            "the folder that models.save or .save() of an annotator or integrator wrote"
        )
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns(".*", "*.py", "*.pyc"))


def _library() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ScmambaError(
            "save_to_hub needs huggingface_hub: pip install 'scmamba[hub]'"
        ) from error
    return huggingface_hub


def _errors(hub: Any) -> tuple[type[Exception], ...]:
    """Return what the library raises, which differs between its major versions."""
    named = (getattr(hub.errors, name, OSError) for name in ("HfHubHTTPError", "HFValidationError"))
    return OSError, ValueError, RuntimeError, *named
