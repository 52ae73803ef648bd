"""A fitted model as settings and arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from scmamba.learn.artifact import flattened, unflattened
from scmamba.learn.reference import Reference
from scmamba.tasks._multiomics.assemble import Modality
from scmamba.tasks._multiomics.coding import Coding
from scmamba.tasks._multiomics.imputer import Imputer
from scmamba.tasks._multiomics.network import MultiomicsNetwork
from scmamba.tasks._multiomics.peaks import PeakModel, Scan
from scmamba.tasks._multiomics.ridge import Ridge
from scmamba.tasks._multiomics.sizes import Sizes
from scmamba.tasks._multiomics.trained import Trained

if TYPE_CHECKING:
    from scmamba.tasks._multiomics.model import MultiomicsModel

Arrays = dict[str, npt.NDArray[Any]]
_NETWORK = "network."


def taken_apart(model: MultiomicsModel) -> tuple[dict[str, Any], Arrays]:
    """Return settings as JSON holds them, and arrays by name."""
    network = model.trained.network
    arrays: Arrays = {
        _NETWORK + name: tensor.detach().cpu().numpy()
        for name, tensor in network.state_dict().items()
    }
    for m, coding in enumerate(model.trained.codings):
        for name in ("weight", "offset", "center", "scale"):
            arrays[f"coding.{m}.{name}"] = getattr(coding, name)
    arrays["scale"] = model.scale
    for name in ("embedding", "batch_ids", "labels"):
        arrays[f"reference.{name}"] = getattr(model.reference, name)
    for m, imputer in model.imputers.items():
        for name in ("latents", "logs", "reliability"):
            arrays[f"imputer.{m}.{name}"] = getattr(imputer, name)
        for source, ridge in imputer.ridges.items():
            arrays |= flattened(f"imputer.{m}.ridge.{source}", ridge)
    for m, peaks in model.peaks.items():
        arrays |= flattened(f"peaks.{m}.scan", peaks.scan)
        for name in _PEAKS:
            arrays[f"peaks.{m}.{name}"] = getattr(peaks, name)
    content = {
        "sizes": network.sizes.to_dict(),
        "modalities": [
            {"unit": one.unit, "factor": one.factor, "shown": one.shown}
            | {"name": one.name, "kind": one.kind, "features": one.features}
            for one in model.modalities
        ],
        "batches": model.batches,
        "classes": model.classes,
        "median_knn_distance": model.reference.usual,
        "imputers": [
            {"target": m, "weights": one.weights, "size": one.size, "ridges": list(one.ridges)}
            for m, one in model.imputers.items()
        ],
        "peaks": [{"target": m, "depth": one.depth} for m, one in model.peaks.items()],
        "order": model.order,
        "about": model.about,
    }
    return content, arrays


_PEAKS = ("frequency", "loadings", "weight", "coef", "center", "scale", "reliability")


def restored(content: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Fields of the model that :func:`taken_apart` took apart."""
    network = MultiomicsNetwork(Sizes.from_dict(content["sizes"]))
    state = {
        name.removeprefix(_NETWORK): torch.from_numpy(np.array(array))
        for name, array in arrays.items()
        if name.startswith(_NETWORK)
    }
    network.load_state_dict(state)
    network.eval()
    codings = []
    for m, one in enumerate(content["modalities"]):
        names = ("weight", "offset", "center", "scale")
        codings.append(Coding(one["kind"], *(arrays[f"coding.{m}.{name}"] for name in names)))
    return {
        "trained": Trained(network, tuple(codings)),
        "modalities": tuple(
            Modality(
                one["name"],
                one["kind"],
                tuple(one["features"]),
                tuple(one["shown"]),
                one["unit"],
                one["factor"],
            )
            for one in content["modalities"]
        ),
        "batches": tuple(content["batches"]),
        "classes": tuple(content["classes"]),
        "scale": arrays.get("scale", np.eye(network.sizes.n_latent, dtype=np.float32)),
        "reference": Reference(
            arrays["reference.embedding"],
            arrays["reference.batch_ids"],
            arrays["reference.labels"],
            content["median_knn_distance"],
        ),
        "imputers": {one["target"]: _imputer(one, arrays) for one in content["imputers"]},
        "peaks": {one["target"]: _peaks(one, arrays) for one in content["peaks"]},
        "order": content["order"],
        "about": content["about"],
    }


def _imputer(one: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Imputer:
    m = one["target"]
    ridges = {
        source: unflattened(Ridge, f"imputer.{m}.ridge.{source}", arrays)
        for source in one["ridges"]
    }
    latents, logs, reliability = (
        arrays[f"imputer.{m}.{name}"] for name in ("latents", "logs", "reliability")
    )
    weights = one["weights"]
    return Imputer(
        m,
        ridges,
        latents,
        logs,
        (weights[0], weights[1], weights[2]),
        reliability,
        one["size"],
    )


def _peaks(one: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> PeakModel:
    m = one["target"]
    fields = {name: arrays[f"peaks.{m}.{name}"] for name in _PEAKS}
    scan = unflattened(Scan, f"peaks.{m}.scan", arrays)
    return PeakModel(scan=scan, depth=one["depth"], **fields)
