"""The neural residual of a perturbation model, as settings and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from scmamba.learn.effects.embeddings import GeneEmbeddings
from scmamba.learn.effects.residual.features import Reader
from scmamba.learn.effects.residual.network import ResidualNetwork
from scmamba.learn.effects.residual.residual import Residual

_WEIGHTS = "residual.network."


def residual_content(residual: Residual, arrays: dict[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Return settings of a residual; its arrays are added to ``arrays``."""
    reader, network = residual.reader, residual.network
    arrays["residual.columns"] = np.asarray(reader.columns)
    arrays["residual.axes"] = np.asarray(reader.axes)
    content: dict[str, Any] = {
        "shares": dict(residual.shares),
        "names": list(reader.names),
        "known": list(reader.known),
        "scale": reader.scale,
        "network": None,
        "time": dict(residual.time),
    }
    if network is not None:
        arrays |= {_WEIGHTS + k: v.detach().numpy() for k, v in network.state_dict().items()}
        content["network"] = network.sizes
    return content


def read_residual(
    content: Mapping[str, Any], arrays: Mapping[str, Any], embeddings: GeneEmbeddings | None
) -> Residual:
    """Make a residual from what :func:`residual_content` returned."""
    reader = Reader(
        arrays["residual.columns"],
        tuple(content["names"]),
        tuple(content["known"]),
        arrays["residual.axes"],
        float(content["scale"]),
        embeddings,
    )
    network = None
    if content["network"] is not None:
        state = {
            name.removeprefix(_WEIGHTS): torch.from_numpy(np.array(value))
            for name, value in arrays.items()
            if name.startswith(_WEIGHTS)
        }
        network = ResidualNetwork(state["genes"], reader.d_perturbation, **content["network"])
        network.load_state_dict(state)
        network.eval()
    return Residual(network, reader, content["shares"], content.get("time", {}))
