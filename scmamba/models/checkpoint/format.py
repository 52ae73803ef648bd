"""Format of saved models: written atomically, read only if unchanged.

The folder of a model holds ``config.json``, ``model.safetensors`` and either ``vocab.json`` (names
of genes) or ``nucleotides.json`` (tokenizer of a sequence model). ``config.json`` contains the
format version and the sha256 of the other files.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scmamba._errors import ScmambaError
from scmamba._files import atomic_folder, sha256
from scmamba._read import Fields, check_regular, read_json, reading
from scmamba._version import __version__
from scmamba.models.cell.config import CellConfig
from scmamba.models.cell.model import CellModel
from scmamba.models.cell.published import is_published
from scmamba.models.checkpoint.tensors import read_tensors, save_tensors
from scmamba.models.checkpoint.weights import BACKBONE, aliases, fill
from scmamba.models.sequence.config import SequenceConfig
from scmamba.models.sequence.model import SequenceModel
from scmamba.models.sequence.published import is_published_sequence, sequence_report
from scmamba.nn.lora import merged_state_dict
from scmamba.tokens.cells.vocab import Vocab
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer

CONFIG, VOCAB, WEIGHTS = "config.json", "vocab.json", "model.safetensors"
TOKENIZER = "nucleotides.json"
_OLD_HEADS = {
    "expression_head": "heads.expression",
    "mvc_head": "heads.mvc",
    "class_head": "heads.class",
    "batch_discriminator": "heads.adversary",
    "latent_head": "heads.latent",
    "count_head": "heads.counts",
}
_ABOUT = "saved"  # entry of config.json that is not part of the configuration


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
        content = {**model.config.to_dict(), _ABOUT: saved}
        saved["seal"] = _seal(content)
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


def is_own(folder: Path) -> bool:
    """Whether ``folder`` is in the format of scmamba, by its files."""
    published = is_published(folder) or is_published_sequence(folder)
    return (folder / CONFIG).is_file() and not published


def read_config(folder: Path) -> tuple[CellConfig | SequenceConfig, dict[str, Any]]:
    """Read the configuration of a saved model, and its entries ``files`` and ``about``."""
    path = folder / CONFIG
    content = read_json(path)
    of_sequence = content.get("kind") == SequenceConfig.kind
    other = TOKENIZER if of_sequence else VOCAB
    saved = Fields(content, path).nested(_ABOUT, {})
    files = saved.nested("files", {})
    if WEIGHTS not in files.content or set(files.content) - {WEIGHTS, other}:
        raise ScmambaError(
            f"{path} should list {WEIGHTS} and optionally {other} with their sha256; "
            "copy the whole folder again or save the model again"
        )
    fields = {name: value for name, value in content.items() if name != _ABOUT}
    with reading(path):
        config = (SequenceConfig if of_sequence else CellConfig).from_dict(fields)
    if saved.has("seal") and saved.string("seal") != _seal(content):
        raise ScmambaError(
            f"{path} was changed since it was saved; copy it again. To change a setting, pass it "
            "to load() and save the model again"
        )
    hashes = {name: files.string(name) for name in files.content}
    return config, {"files": hashes, "about": saved.nested("about", {}).content}


def _seal(content: Mapping[str, Any]) -> str:
    """Hash of the content of config.json, except the hash itself."""
    saved = {name: value for name, value in content[_ABOUT].items() if name != "seal"}
    text = json.dumps({**content, _ABOUT: saved}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def load_own(
    folder: Path, *, allow_missing_heads: bool = True, **changes: Any
) -> CellModel | SequenceModel:
    """Load a model saved by :func:`save` to the CPU; see :func:`scmamba.models.load`."""
    config, saved = read_config(folder)
    files = saved["files"]
    about = Fields(saved["about"], folder / CONFIG, prefix=f"{_ABOUT}.about.")
    for name, expected in files.items():
        unchanged(folder / name, expected, CONFIG)
    stored, _ = read_tensors(folder / WEIGHTS)
    tensors = {_renamed(name): tensor for name, tensor in stored.items()}
    if isinstance(config, SequenceConfig):
        sequence = _sequence(folder, config.replace(**changes), tensors, files)
        sequence.license = about.string("licence") if about.has("licence") else None
        return sequence
    changed = config.replace(**changes)
    filled = fill(
        lambda: CellModel(changed),
        tensors,
        source=str(folder),
        needed=BACKBONE if allow_missing_heads else ("",),
    )
    model = filled.model
    if VOCAB in files:
        model.vocab = _vocab(folder / VOCAB, config)
    model.report = filled.report(
        folder,
        config.encoder.n_genes if model.vocab is None else len(model.vocab),
        unused=(*sorted(set(tensors) - set(model.state_dict())), *about.strings("left_out", ())),
        notes=tuple(about.strings("notes", ())),
    )
    model.name, model.sha256 = folder.name, files[WEIGHTS]
    model.license = about.string("licence") if about.has("licence") else None
    return model


def _renamed(name: str) -> str:
    """Return the current name of a tensor; in format version 1 heads were separate."""
    start, dot, rest = name.partition(".")
    return f"{_OLD_HEADS.get(start, start)}{dot}{rest}"


def _sequence(
    folder: Path, config: SequenceConfig, tensors: Mapping[str, Tensor], files: Mapping[str, str]
) -> SequenceModel:
    if TOKENIZER not in files:
        raise ScmambaError(f"{folder / CONFIG} lists no {TOKENIZER}; save the model again")
    tokenizer = NucleotideTokenizer.from_json(folder / TOKENIZER)
    tokenizer = tokenizer.limited(config.max_length or None)
    filled = fill(lambda: SequenceModel(config, tokenizer), tensors, source=str(folder))
    model = filled.model
    model.tie_weights()
    model.report = sequence_report(
        filled,
        folder,
        tokenizer,
        unused=tuple(sorted(set(tensors) - set(model.state_dict()))),
    )
    model.name, model.sha256 = folder.name, files[WEIGHTS]
    return model


def unchanged(path: Path, expected: object, by: str) -> None:
    """Raise ScmambaError if the sha256 of ``path`` is not ``expected``, as stored in ``by``."""
    if not path.exists():
        raise ScmambaError(f"{path} is missing; copy the whole folder or save the model again")
    check_regular(path)
    if (found := sha256(path)) != expected:
        raise ScmambaError(
            f"{path} was truncated or changed since it was saved: its sha256 is {found}, "
            f"{by} says {expected}; copy it again"
        )


def _vocab(path: Path, config: CellConfig) -> Vocab:
    vocab = Vocab.from_json(path)
    if len(vocab) > config.encoder.n_genes:
        raise ScmambaError(
            f"{path} names {len(vocab)} tokens, but the model has n_genes={config.encoder.n_genes}"
        )
    return vocab
