"""Models from folders that :func:`scmamba.models.save` wrote, if nothing was changed in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from scmamba._errors import ScmambaError
from scmamba._read import Fields
from scmamba.models.cell.config import CellConfig
from scmamba.models.cell.model import CellModel
from scmamba.models.checkpoint.format import (
    ABOUT,
    CONFIG,
    TOKENIZER,
    VOCAB,
    WEIGHTS,
    read_config,
    unchanged,
)
from scmamba.models.checkpoint.tensors import read_tensors
from scmamba.models.checkpoint.weights import BACKBONE, fill
from scmamba.models.sequence.config import SequenceConfig
from scmamba.models.sequence.model import SequenceModel
from scmamba.models.sequence.published import sequence_report
from scmamba.tokens.cells.vocab import Vocab
from scmamba.tokens.nucleotides.tokenizer import NucleotideTokenizer

_OLD_HEADS = {
    "expression_head": "heads.expression",
    "mvc_head": "heads.mvc",
    "class_head": "heads.class",
    "batch_discriminator": "heads.adversary",
    "latent_head": "heads.latent",
    "count_head": "heads.counts",
}
"""Names of heads in format version 1, and now."""


def load_own(
    folder: Path, *, allow_missing_heads: bool = True, **changes: Any
) -> CellModel | SequenceModel:
    """Load a model saved by :func:`save` to the CPU; see :func:`scmamba.models.load`."""
    config, saved = read_config(folder)
    files = saved["files"]
    about = Fields(saved["about"], folder / CONFIG, prefix=f"{ABOUT}.about.")
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


def _vocab(path: Path, config: CellConfig) -> Vocab:
    vocab = Vocab.from_json(path)
    if len(vocab) > config.encoder.n_genes:
        raise ScmambaError(
            f"{path} names {len(vocab)} tokens, but the model has n_genes={config.encoder.n_genes}"
        )
    return vocab
