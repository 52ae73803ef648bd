"""Models to folders, atomically."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scmamba._errors import ScmambaError
from scmamba._files import atomic_folder, sha256
from scmamba._version import __version__
from scmamba.models.cell.model import CellModel
from scmamba.models.checkpoint.format import ABOUT, CONFIG, TOKENIZER, VOCAB, WEIGHTS, seal
from scmamba.models.checkpoint.tensors import save_tensors
from scmamba.models.checkpoint.weights import aliases
from scmamba.models.sequence.model import SequenceModel
from scmamba.nn.lora import merged_state_dict


def save(
    model: CellModel | SequenceModel,
    folder: str | os.PathLike[str],
    *,
    about: Mapping[str, Any] | None = None,
    half: bool = False,
) -> Path:
    """Save a model to a folder, atomically.

    LoRA weights are merged into their matrices, and tied tensors are stored once.

    Parameters
    ----------
    model
        Model to save; not modified.
    folder
        New or empty folder, or folder of a saved model, which is replaced.
    about
        Information on the origin of the weights (plain values for JSON), stored with the
        configuration; the license of the model is always stored.
    half
        Store matrices as 16-bit floats, in half the space; they are read as 32-bit floats again.

    Returns
    -------
    The folder.

    Raises
    ------
    ScmambaError
        If the folder cannot be written or holds other files, or a weight is too large for 16 bits.

    Examples
    --------
    >>> import tempfile
    >>> from scmamba.models import CellModel, load, preset, save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save(CellModel(preset("mini", n_genes=100, n_layer=1)), folder)
    ...     print(sorted(file.name for file in path.iterdir()))
    ...     load(folder).report.complete
    ['config.json', 'model.safetensors']
    True
    """
    folder = Path(folder)
    replaced = frozenset({CONFIG, VOCAB, TOKENIZER, WEIGHTS})
    with atomic_folder(folder, replaces=replaced) as temporary:
        state = _state(model)
        save_tensors(_halved(state) if half else state, temporary / WEIGHTS)
        if isinstance(model, SequenceModel):
            model.tokenizer.to_json(temporary / TOKENIZER)
        elif model.vocab is not None:
            model.vocab.to_json(temporary / VOCAB)
        saved = {
            "scmamba": __version__,
            "files": {path.name: sha256(path) for path in sorted(temporary.iterdir())},
            "about": {"licence": model.license, **(about or {})},
        }
        content = {**model.config.to_dict(), ABOUT: saved}
        saved["seal"] = seal(content)
        (temporary / CONFIG).write_text(json.dumps(content, indent=1), encoding="utf-8")
    return folder


def _state(model: CellModel | SequenceModel) -> dict[str, Tensor]:
    """Return the state dict on the CPU, with tied tensors under their first name."""
    tied: dict[str, str] = {}
    if isinstance(model, SequenceModel):  # a model without LoRA, which hides tied tensors
        with torch.device("meta"):
            tied = aliases(SequenceModel(model.config, model.tokenizer))
    state = merged_state_dict(model)
    return {k: t.detach().cpu().contiguous() for k, t in state.items() if k not in tied}


def _halved(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices as 16-bit floats; vectors, which take no space, stay."""
    found = {}
    for name, tensor in state.items():
        matrix = tensor.is_floating_point() and tensor.ndim > 1
        found[name] = tensor.half() if matrix else tensor
        if not bool(found[name].isfinite().all()):
            raise ScmambaError(
                f"{name} holds {tensor.abs().max():.3g}, and 16-bit floats end at 65,504; save "
                "with half=False"
            )
    return found
