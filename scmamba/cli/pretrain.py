"""``scmamba pretrain``."""

from __future__ import annotations

from pathlib import Path


def pretrain(
    recipe: Path,
    *,
    output: Path | None = None,
    folder: Path | None = None,
    dry_run: bool = False,
) -> None:
    """Pretrain a model on the cells of many files, or train one further.

    Parameters
    ----------
    recipe
        YAML file: ``files`` (paths, folders), ``output``, ``folder``, perhaps ``model`` (a model
        to train further), and the settings of PretrainConfig: data, model settings under
        ``config.model``, views, objectives, fit.
    output
        Folder to save the model to, in place of that of the recipe.
    folder
        Folder of checkpoints, from which a stopped run goes on, in place of that of the recipe.
    dry_run
        Only print an estimate of memory, time and disk.
    """
    from scmamba._errors import ScmambaError
    from scmamba._files import writable_folder
    from scmamba.tasks import PretrainConfig
    from scmamba.tasks import pretrain as task
    from scmamba.tasks._pretraining.config import check_names, read_yaml

    content = read_yaml(recipe)
    check_names(content, _ENTRIES, f"{recipe}: ")
    if "files" not in content:
        raise ScmambaError(f"{recipe} has no files; write files: [path, folder, ...]")
    config = PretrainConfig.from_dict(content.get("config", {}))
    target = output or content.get("output")
    if target is None and not dry_run:
        raise ScmambaError(f"{recipe} has no output; write output: folder, or give --output")
    if target is not None:
        writable_folder(target)
    files, model = content["files"], content.get("model")
    kept = folder or content.get("folder")
    if dry_run:
        print(task(files, config, model=model, folder=kept, dry_run=True))
        return
    found = task(files, config, model=model, folder=kept)
    if _is_first_process():
        assert target is not None
        found.save(target)
        print(found)


_ENTRIES = ("files", "output", "folder", "model", "config")


def _is_first_process() -> bool:
    from lightning.pytorch.utilities import rank_zero_only

    return getattr(rank_zero_only, "rank", 0) in (0, None)
