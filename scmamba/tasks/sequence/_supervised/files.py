"""The views of a predictor on disk: arrays and networks, no pickle."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from scmamba._files import atomic_folder
from scmamba.learn.linear import Linear
from scmamba.models import SequenceModel, load, save
from scmamba.models.checkpoint.sealed import ARRAYS, Arrays, Sealed
from scmamba.models.sequence.networks import load_network, save_network
from scmamba.models.sequence.pooled import PooledModel
from scmamba.tasks.sequence._supervised.deep import Deep, Networks, Probe
from scmamba.tasks.sequence._supervised.features import Features
from scmamba.tasks.sequence._supervised.wide import Wide
from scmamba.tokens.nucleotides import NucleotideTokenizer

FORMAT_VERSION = 1
SETTINGS, TOKENIZER, NETWORKS = "predictor.json", "nucleotides.json", "networks"
_SEALED = Sealed("predictor", SETTINGS, FORMAT_VERSION, others=(TOKENIZER,))


def is_predictor(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder looks like one that :func:`write` wrote."""
    return (Path(folder) / SETTINGS).is_file()


def write(folder: Path, content: dict[str, Any], wide: Wide | None, deep: Deep) -> None:
    """Write a predictor, whole or not at all.

    Parameters
    ----------
    folder
        New, empty, or one that holds a predictor, which is replaced.
    content
        What else to keep, as plain values for JSON.
    wide, deep
        The two views.
    """
    arrays: Arrays = {}
    content = dict(content)
    if wide is not None:
        arrays |= {"wide.coef": wide.linear.coef, "wide.intercept": wide.linear.intercept}
        content["wide"] = {
            "kinds": wide.features.kinds,
            "length": wide.features.length,
            "both_strands": wide.both_strands,
        }
    kept = frozenset({SETTINGS, ARRAYS, TOKENIZER, NETWORKS})
    with atomic_folder(folder, replaces=kept) as temporary:
        if isinstance(deep, Probe):
            save(deep.model, temporary / NETWORKS / "0")
            arrays |= {"head.coef": deep.head.coef, "head.intercept": deep.head.intercept}
            content["deep"] = {"kind": "probe", "both_strands": deep.both_strands}
        else:
            for i, network in enumerate(deep.members):
                save_network(network, temporary / NETWORKS / str(i))
            content["deep"] = {
                "kind": "networks",
                "n_members": len(deep.members),
                "both_strands": deep.both_strands,
            }
        deep.tokenizer.to_json(temporary / TOKENIZER)
        _SEALED.write(temporary, content, arrays)


def read(folder: Path) -> tuple[dict[str, Any], Wide | None, Deep]:
    """Read a folder that :func:`write` wrote.

    Raises
    ------
    ScmambaError
        It is no predictor, of a newer format, or damaged.
    """
    with _SEALED.reading(folder) as (content, arrays):
        return content, _wide(content.get("wide"), arrays), _deep(folder, content["deep"], arrays)


def _wide(entry: dict[str, Any] | None, arrays: Arrays) -> Wide | None:
    if entry is None:
        return None
    features = Features(tuple(entry["kinds"]), entry["length"])
    return Wide(features, entry["both_strands"], _linear("wide", arrays))


def _deep(folder: Path, entry: dict[str, Any], arrays: Arrays) -> Deep:
    if entry["kind"] == "probe":
        model = load(folder / NETWORKS / "0")
        assert isinstance(model, SequenceModel)
        return Probe(model, entry["both_strands"], _linear("head", arrays))
    networks = [load_network(folder / NETWORKS / str(i)) for i in range(entry["n_members"])]
    first = networks[0]
    if isinstance(first, PooledModel):
        return Networks(tuple(networks), first.backbone.tokenizer, entry["both_strands"])
    tokenizer = NucleotideTokenizer.from_json(folder / TOKENIZER)
    return Networks(tuple(networks), tokenizer, entry["both_strands"])


def _linear(name: str, arrays: Arrays) -> Linear:
    return Linear(arrays[f"{name}.coef"], arrays[f"{name}.intercept"])
