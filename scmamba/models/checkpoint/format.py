"""Format of saved models: their files, and the configuration that seals them.

The folder of a model holds ``config.json``, ``model.safetensors`` and either ``vocab.json`` (names
of genes) or ``nucleotides.json`` (tokenizer of a sequence model). ``config.json`` contains the
format version and the sha256 of the other files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scmamba._errors import ScmambaError
from scmamba._files import sha256
from scmamba._read import Fields, check_regular, read_json, reading
from scmamba.models.cell.config import CellConfig
from scmamba.models.cell.published import is_published
from scmamba.models.sequence.config import SequenceConfig
from scmamba.models.sequence.published import check_model_type, is_published_sequence

CONFIG, VOCAB, WEIGHTS = "config.json", "vocab.json", "model.safetensors"
TOKENIZER = "nucleotides.json"
ABOUT = "saved"
"""Entry of config.json that is not part of the configuration."""


def is_own(folder: Path) -> bool:
    """Whether ``folder`` is in the format of scmamba, by its files."""
    published = is_published(folder) or is_published_sequence(folder)
    return (folder / CONFIG).is_file() and not published


def read_config(folder: Path) -> tuple[CellConfig | SequenceConfig, dict[str, Any]]:
    """Read the configuration of a saved model, and its entries ``files`` and ``about``."""
    path = folder / CONFIG
    content = read_json(path)
    check_model_type(content, path)
    of_sequence = content.get("kind") == SequenceConfig.kind
    other = TOKENIZER if of_sequence else VOCAB
    saved = Fields(content, path).nested(ABOUT, {})
    files = saved.nested("files", {})
    if WEIGHTS not in files.content or set(files.content) - {WEIGHTS, other}:
        raise ScmambaError(
            f"{path} should list {WEIGHTS} and optionally {other} with their sha256; "
            "copy the whole folder again or save the model again"
        )
    fields = {name: value for name, value in content.items() if name != ABOUT}
    with reading(path):
        config = (SequenceConfig if of_sequence else CellConfig).from_dict(fields)
    if saved.has("seal") and saved.string("seal") != seal(content):
        raise ScmambaError(
            f"{path} was changed since it was saved; copy it again. To change a setting, pass it "
            "to load() and save the model again"
        )
    hashes = {name: files.string(name) for name in files.content}
    return config, {"files": hashes, "about": saved.nested("about", {}).content}


def seal(content: Mapping[str, Any]) -> str:
    """Hash of the content of config.json, except the hash itself."""
    saved = {name: value for name, value in content[ABOUT].items() if name != "seal"}
    text = json.dumps({**content, ABOUT: saved}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


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
