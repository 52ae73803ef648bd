"""Published DNA and mRNA checkpoints: layouts of Caduceus and of Mamba in transformers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scmamba._arguments import near_names
from scmamba._errors import ScmambaError
from scmamba._files import sha256
from scmamba._read import Fields, read_json, reading
from scmamba.models.checkpoint.rename import to_ours
from scmamba.models.checkpoint.report import LoadReport
from scmamba.models.checkpoint.tensors import read_shapes, read_tensors
from scmamba.models.checkpoint.weights import Filled, fill
from scmamba.models.sequence.config import SequenceConfig
from scmamba.models.sequence.model import SequenceModel
from scmamba.models.sequence.structure import infer
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer

MODEL_TYPES = ("caduceus", "mamba", "mamba2")
"""Values of ``model_type`` in config.json of supported layouts."""

PREFIXES = ("module.", "caduceus.", "backbone.")
"""Prefixes of published names, in this order."""

WRAPPER = "submodule."
"""Part of published names for the strand-sharing wrapper of a mixer or norm."""

KEYS: tuple[tuple[str, str], ...] = (
    # scmamba <- published, without prefixes and wrappers; the first match is used
    ("embedding.", "embeddings.word_embeddings."),
    ("embedding.", "embeddings."),
    ("embedding.", "embedding."),
    ("stack.layers.", "layers."),
    ("stack.norm_f.", "norm_f."),
    ("head.", "lm_head.lm_head."),
    ("head.", "lm_head."),
)

_COMPLEMENT = ("embedding.complement_map", "head.complement_map")
_FILES = ("model.safetensors", "pytorch_model.bin")  # safetensors first


def is_published_sequence(folder: Path) -> bool:
    """Whether ``folder`` has a supported layout."""
    path = folder / "config.json"
    return path.is_file() and read_json(path).get("model_type") in MODEL_TYPES


def check_model_type(content: Mapping[str, Any], path: Path) -> None:
    """Raise ScmambaError for a ``config.json`` whose ``model_type`` is of no supported layout."""
    if (kind := content.get("model_type")) is not None and kind not in MODEL_TYPES:
        raise ScmambaError(
            f"{path} says model_type={kind!r}, which is not read; {near_names(kind, MODEL_TYPES)}"
        )


def plain(name: str) -> str:
    """Return a published name without prefixes and wrappers."""
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    return name.replace(WRAPPER, "")


def read_sequence_config(folder: Path, default_length: int = 0) -> SequenceConfig:
    """Read the configuration of a published folder without loading its weights.

    Parameters
    ----------
    folder, default_length
        Folder and default length; see :func:`load_published_sequence`.
    """
    shapes, _ = to_ours(read_shapes(weight_file(folder)), KEYS, plain)
    return _config(shapes, folder, NucleotideTokenizer.from_folder(folder), default_length)


def _config(
    shapes: Mapping[str, tuple[int, ...]],
    folder: Path,
    tokenizer: NucleotideTokenizer,
    default_length: int,
) -> SequenceConfig:
    settings = Fields(read_json(folder / "config.json"), folder / "config.json")
    with reading(weight_file(folder)):
        config = infer(shapes, settings)
    limit = tokenizer.max_length or default_length
    return config.replace(pad_id=tokenizer.pad_id, max_length=limit)


def load_published_sequence(
    folder: Path, *, default_length: int = 0, **changes: Any
) -> SequenceModel:
    """Load a model from a published folder; see :func:`scmamba.models.load`.

    Parameters
    ----------
    folder
        Folder with ``config.json``, ``model.safetensors`` or ``pytorch_model.bin``, and tokenizer
        files.
    default_length
        Longest sequence in tokens, if the tokenizer files do not state it; 0 for any length.
    **changes
        Fields of :class:`SequenceConfig` to change.

    Raises
    ------
    ScmambaError
        If a file is missing or damaged, files contradict each other, or the tokenizer does not
        match the weights.
    """
    path, tokenizer = weight_file(folder), NucleotideTokenizer.from_folder(folder)
    read, left = read_tensors(path)
    tensors, names = to_ours(read, KEYS, plain)
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    config = _config(shapes, folder, tokenizer, default_length).replace(**changes)
    notes = _one_head(tensors, names, config.tie_embeddings)
    _complements(tensors, names, config.complement_map)
    filled = fill(
        lambda: SequenceModel(config, tokenizer.limited(config.max_length or None)),
        tensors,
        source=str(path),
        name_of=lambda name: names.get(name, name),
    )
    model, own = filled.model, filled.model.state_dict()
    model.tie_weights()
    model.name, model.sha256 = folder.name, sha256(path)
    unused = (*(theirs for mine, theirs in names.items() if mine not in own), *left)
    model.report = sequence_report(filled, path, tokenizer, unused=unused, notes=notes)
    return model


def sequence_report(
    filled: Filled[SequenceModel],
    source: Path,
    tokenizer: NucleotideTokenizer,
    *,
    unused: tuple[str, ...],
    notes: tuple[str, ...] = (),
) -> LoadReport:
    """Create the report of loading of a sequence model."""
    n_tokens = sum(map(bool, tokenizer.layout.tokens))
    return filled.report(source, n_tokens, unused=unused, notes=notes, tokens="tokens")


def weight_file(folder: Path) -> Path:
    """Find ``model.safetensors``, or else ``pytorch_model.bin``.

    Raises
    ------
    ScmambaError
        If there is neither, or the weights are split into several files.
    """
    found = [folder / name for name in _FILES if (folder / name).is_file()]
    if found:
        return found[0]
    names = sorted(p.name for p in folder.iterdir())
    raise ScmambaError(
        f"{folder} holds no {' or '.join(_FILES)}; found: {', '.join(names[:10]) or 'nothing'}. "
        "Fetch the file of weights beside config.json (weights in several files are not read)"
    )


def _one_head(tensors: dict[str, Tensor], names: dict[str, str], tie: bool) -> tuple[str, ...]:
    """Keep the embedding if head and embedding are tied, as transformers does; return notes."""
    table = next(
        (n for n in ("embedding.weight", "embedding.embedding.weight") if n in tensors), ""
    )
    if not tie or "head.weight" not in tensors or not table:
        return ()
    head = tensors.pop("head.weight")
    stored = names.pop("head.weight")
    if torch.equal(head, tensors[table]):
        return ()
    return (
        f"{stored} differs from the embedding, but config.json ties the two: the embedding is "
        "used, as by transformers",
    )


def _complements(tensors: dict[str, Tensor], names: dict[str, str], pairs: tuple[int, ...]) -> None:
    """Check stored complement maps against that of config.json, which is used."""
    for mine in _COMPLEMENT:
        stored = tensors.get(mine)
        if stored is not None and stored.tolist() != list(pairs):
            raise ScmambaError(
                f"config.json says complement_map={list(pairs)}, but {names[mine]} holds "
                f"{stored.tolist()}; use the config.json that came with these weights"
            )
        if pairs:
            tensors[mine] = torch.tensor(pairs)
