"""Saved sequence networks: compact models, and pretrained models with a head."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from scmamba._errors import ScmambaError
from scmamba._files import sha256
from scmamba._read import Fields, check_regular, read_json, reading
from scmamba.models.checkpoint.tensors import read_tensors, save_tensors
from scmamba.models.checkpoint.weights import fill
from scmamba.models.checkpoint.writing import save
from scmamba.models.loading import load
from scmamba.models.sequence.compact import CompactConfig, CompactModel
from scmamba.models.sequence.model import SequenceModel
from scmamba.models.sequence.pooled import PooledModel

ABOUT, WEIGHTS, BACKBONE = "network.json", "network.safetensors", "backbone"


def save_network(network: nn.Module, folder: Path) -> None:
    """Save a network to a new folder.

    Raises
    ------
    ScmambaError
        If networks of this class cannot be saved.
    """
    folder.mkdir(parents=True)
    if isinstance(network, CompactModel):
        content: dict[str, Any] = {"kind": "compact", "config": network.config.to_dict()}
        state = network.state_dict()
    elif isinstance(network, PooledModel):
        save(network.backbone, folder / BACKBONE)
        n_outputs = network.head[-1].out_features
        content = {"kind": "pooled", "n_outputs": n_outputs, "per_token": network.per_token}
        state = network.head.state_dict()
    else:
        raise ScmambaError(
            f"a {type(network).__name__} cannot be saved; fit with model=None or a pretrained model"
        )
    save_tensors({k: t.detach().cpu().contiguous() for k, t in state.items()}, folder / WEIGHTS)
    content["sha256"] = sha256(folder / WEIGHTS)
    (folder / ABOUT).write_text(json.dumps(content, indent=1), encoding="utf-8")


def load_network(folder: Path) -> nn.Module:
    """Load a network saved by :func:`save_network` to the CPU, in evaluation mode.

    Raises
    ------
    ScmambaError
        If it is missing, damaged or of an unknown kind.
    """
    path = folder / ABOUT
    content = Fields(read_json(path), path)
    if content.string("sha256") != sha256(check_regular(folder / WEIGHTS)):
        raise ScmambaError(f"{folder / WEIGHTS} was changed since it was saved; copy it again")
    state, _ = read_tensors(folder / WEIGHTS)
    source = str(folder / WEIGHTS)
    if content.string("kind", choices=("compact", "pooled")) == "compact":
        with reading(path):
            config = CompactConfig.from_dict(content.nested("config").content)
        return fill(lambda: CompactModel(config), state, source=source).model
    backbone = load(folder / BACKBONE)
    if not isinstance(backbone, SequenceModel):
        raise ScmambaError(f"{folder / BACKBONE} holds a cell model; a sequence model is needed")
    n_outputs, per_token = content.integer("n_outputs", low=1), content.boolean("per_token")
    shapes = {"1.weight": (n_outputs, backbone.embedding_width), "1.bias": (n_outputs,)}
    if {name: tuple(tensor.shape) for name, tensor in state.items()} != shapes:
        raise ScmambaError(f"{source} does not hold the head that {path} describes; copy it again")
    pooled = PooledModel(backbone, n_outputs, per_token=per_token)
    pooled.head.load_state_dict(state)
    return pooled.eval()
