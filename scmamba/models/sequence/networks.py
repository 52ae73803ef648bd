"""Networks of sequences on disk: the compact model, and a head on a pretrained one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from scmamba._errors import ScmambaError
from scmamba._files import sha256
from scmamba._read import read_json
from scmamba.models.checkpoint.format import save
from scmamba.models.loading import load
from scmamba.models.sequence.compact import CompactConfig, CompactModel
from scmamba.models.sequence.model import SequenceModel
from scmamba.models.sequence.pooled import PooledModel

ABOUT, WEIGHTS, BACKBONE = "network.json", "network.safetensors", "backbone"


def save_network(network: nn.Module, folder: Path) -> None:
    """Write a network into a new folder.

    Raises
    ------
    ScmambaError
        It is of a kind that has no format.
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
    save_file({k: t.detach().cpu().contiguous() for k, t in state.items()}, folder / WEIGHTS)
    content["sha256"] = sha256(folder / WEIGHTS)
    (folder / ABOUT).write_text(json.dumps(content, indent=1), encoding="utf-8")


def load_network(folder: Path) -> nn.Module:
    """Read what :func:`save_network` wrote, on the CPU, to predict with.

    Raises
    ------
    ScmambaError
        It is missing, damaged or of an unknown kind.
    """
    content = read_json(folder / ABOUT)
    if content.get("sha256") != sha256(folder / WEIGHTS):
        raise ScmambaError(f"{folder / WEIGHTS} was changed since it was saved; copy it again")
    state = load_file(folder / WEIGHTS)
    network: nn.Module | None = None
    part: nn.Module | None = None
    if content.get("kind") == "compact":
        network = part = CompactModel(CompactConfig.from_dict(content["config"]))
    elif content.get("kind") == "pooled":
        backbone = load(folder / BACKBONE)
        assert isinstance(backbone, SequenceModel)
        pooled = PooledModel(backbone, content["n_outputs"], per_token=content["per_token"])
        network, part = pooled, pooled.head
    if network is None or part is None:
        raise ScmambaError(
            f"{folder / ABOUT} holds a network of kind {content.get('kind')!r}; known are "
            "'compact' and 'pooled': update scmamba (pip install -U scmamba)"
        )
    part.load_state_dict(state)
    return network.eval()
