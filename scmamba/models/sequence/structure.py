"""Configuration of a published DNA or mRNA checkpoint, inferred from its files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scmamba._errors import ScmambaError
from scmamba._read import Fields
from scmamba.models.checkpoint.shapes import check_axes, counted
from scmamba.models.sequence.config import Family, SequenceConfig

Shapes = Mapping[str, tuple[int, ...]]

_LAYER = re.compile(r"stack\.layers\.([0-9]{1,9})\.mixer\.(?:mamba_fwd\.)?(.+)")
_HEAD = "head.weight"
_TABLES = ("embedding.weight", "embedding.embedding.weight", _HEAD)  # tied: under either name

_WORDS = {  # ours: what config.json calls it, at the top or in ssm_cfg
    "vocab_size": ("vocab_size",),
    "d_model": ("d_model", "hidden_size"),
    "n_layer": ("n_layer", "num_hidden_layers"),
    "d_state": ("d_state", "state_size"),
    "d_conv": ("d_conv", "conv_kernel"),
    "expand": ("expand",),
    "dt_rank": ("dt_rank", "time_step_rank"),
    "headdim": ("headdim", "head_dim"),
}
_MAMBA1 = ("in_proj.weight", "conv1d.weight", "x_proj.weight", "dt_proj.weight", "A_log")
_MAMBA2 = ("in_proj.weight", "conv1d.weight", "dt_bias", "A_log", "out_proj.weight")


def infer(shapes: Shapes, settings: Fields) -> SequenceConfig:
    """Infer the configuration of a checkpoint from the shapes of its tensors.

    Sizes are those of the tensors; ``config.json`` adds settings that they do not show. If it
    contradicts them, an error gives both.

    Parameters
    ----------
    shapes
        Shape of each tensor by its name in scmamba.
    settings
        Entries of ``config.json``.

    Raises
    ------
    ScmambaError
        If no complete layer is found, sources contradict each other, or the structure is not
        supported.
    """
    flat = Fields({**settings.content, **settings.nested("ssm_cfg", {}).content}, settings.source)
    layer, n_layer, both = _layers(shapes)
    table = next((shapes[name] for name in _TABLES if name in shapes), None)
    if table is None or len(table) != 2:
        raise ScmambaError("the checkpoint holds no embedding; use the whole checkpoint")
    of_mamba2 = "dt_bias" in layer and "x_proj.weight" not in layer
    groups = flat.integer("ngroups", flat.integer("n_groups", 1, low=1), low=1)
    sizes = _mamba2(layer, groups) if of_mamba2 else _mamba1(layer)
    ps = settings.boolean("rcps", False)
    found = {"vocab_size": table[0], "d_model": table[1], "n_layer": n_layer, **sizes}
    _agree(flat, found)
    _supported(flat, both)
    return SequenceConfig(
        **found,
        family=_family(settings, table[0]),
        mixer="mamba2" if of_mamba2 else "mamba1",
        bias="in_proj.bias" in layer,
        conv_bias="conv1d.bias" in layer,
        direction="bidirectional" if both else "causal",
        rc="ps" if ps else "none",
        fused_add_norm=ps and settings.boolean("fused_add_norm", True),
        norm="layer" if "stack.norm_f.bias" in shapes else "rms",
        norm_eps=flat.number("norm_epsilon", flat.number("layer_norm_epsilon", 1e-5)),
        **_ends(shapes, settings),
        complement_map=_complement(settings, table[0]),
    )


def _layers(shapes: Shapes) -> tuple[dict[str, tuple[int, ...]], int, bool]:
    """Shapes of the first mixer, number of layers, and whether there are two directions."""
    layers: dict[int, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        if found := _LAYER.fullmatch(name):
            layers.setdefault(int(found[1]), {})[found[2]] = shape
    for layer in layers.values():
        for reverse in ("in_proj.weight", "in_proj.bias", "out_proj.weight", "out_proj.bias"):
            if f"mamba_rev.{reverse}" in layer:  # tied: stored under either name
                layer.setdefault(reverse, layer[f"mamba_rev.{reverse}"])
        if all(name in layer for name in _MAMBA1) or all(name in layer for name in _MAMBA2):
            both = any(name.startswith("mamba_rev.") for name in layer)
            return layer, counted(layers, "layers"), both
    raise ScmambaError(
        "the checkpoint holds no whole Mamba layer: layers.N.mixer needs "
        f"{', '.join(_MAMBA1)} (Mamba-1) or {', '.join(_MAMBA2)} (Mamba-2). Use a checkpoint of "
        "Caduceus, PlantCaduceus, PlantCAD2, Mamba2-mRNA or Plant DNAMamba"
    )


def _mamba1(layer: Shapes) -> dict[str, Any]:
    check_axes(layer, {"A_log": 2, "in_proj.weight": 2, "conv1d.weight": 3, "dt_proj.weight": 2})
    d_inner, d_state = layer["A_log"]
    d_model = layer["in_proj.weight"][1]
    return {
        "d_state": d_state,
        "d_conv": layer["conv1d.weight"][2],
        "expand": _whole(d_inner, d_model),
        "dt_rank": layer["dt_proj.weight"][1],
    }


def _mamba2(layer: Shapes, groups: int) -> dict[str, Any]:
    check_axes(layer, {"out_proj.weight": 2, "A_log": 1, "conv1d.weight": 3})
    d_model, d_inner = layer["out_proj.weight"]
    heads, (channels, _, d_conv) = layer["A_log"][0], layer["conv1d.weight"]
    state, odd = divmod(channels - d_inner, 2 * groups)
    if odd or state < 1 or d_inner % heads:
        raise ScmambaError(
            f"the Mamba-2 layers do not fit together: inner width {d_inner}, {heads} heads, "
            f"{groups} groups (n_groups of config.json), {channels} convolution channels (inner "
            "width + 2 * groups * d_state); use the config.json that came with the weights"
        )
    return {
        "d_state": state,
        "d_conv": d_conv,
        "expand": _whole(d_inner, d_model),
        "headdim": d_inner // heads,
        "ngroups": groups,
    }


def _whole(d_inner: int, d_model: int) -> int:
    expand, odd = divmod(d_inner, d_model)
    if odd:
        raise ScmambaError(
            f"the inner width {d_inner} is no multiple of the width {d_model}; such mixers are not "
            "known here"
        )
    return expand


def _agree(flat: Fields, found: Mapping[str, Any]) -> None:
    """Check sizes in config.json against those of the tensors.

    Caduceus pads the vocabulary when a model is created, transformers does not.
    """
    multiple = flat.integer("pad_vocab_size_multiple", 1, low=0) or 1
    for ours, words in _WORDS.items():
        given = [word for word in words if flat.has(word) and flat.content[word] != "auto"]
        said = {word: flat.integer(word) for word in given}
        allowed = set(said.values())
        if ours == "vocab_size":
            allowed |= {n + -n % multiple for n in allowed}
        if ours in found and said and found[ours] not in allowed:
            word, value = next(iter(said.items()))
            raise ScmambaError(
                f"config.json says {word}={value}, but the weights say {found[ours]} ({ours}); "
                "use the config.json that came with these weights"
            )


def _supported(flat: Fields, both: bool) -> None:
    """Refuse settings that scmamba does not implement."""
    unlimited = [0.0, float("inf")]
    limit = flat.values("time_step_limit", flat.values("dt_limit", unlimited)) or unlimited
    ends = [float("inf") if end == {"__float__": "Infinity"} else end for end in limit]
    odd = {
        "bidirectional_strategy": both and flat.string("bidirectional_strategy", "add") != "add",
        "bidirectional_weight_tie": both and not flat.boolean("bidirectional_weight_tie", True),
        "hidden_act": flat.string("hidden_act", "silu") not in ("silu", "swish"),
        "norm_before_gate": flat.boolean("norm_before_gate", False),
        "time_step_limit": ends != unlimited,
    }
    if wrong := [name for name, is_odd in odd.items() if is_odd]:
        told = ", ".join(f"{name}={flat.content.get(name)!r}" for name in wrong)
        raise ScmambaError(f"config.json says {told}, which no model known here has")


def _family(settings: Fields, vocab_size: int) -> Family:
    kind = settings.string("model_type", "mamba")
    if kind == "caduceus":
        return "plantcad" if vocab_size == 8 else "caduceus"
    return "mamba2-mrna" if kind == "mamba2" else "plant-dnamamba"


def _ends(shapes: Shapes, settings: Fields) -> dict[str, bool]:
    """Whether there is a language-model head, and whether it is tied to the embedding.

    transformers ties them by default, except in Mamba-2 models.
    """
    usual = settings.string("model_type", "mamba") != "mamba2"
    tie = settings.boolean("tie_word_embeddings", usual)
    return {"lm_head": tie or _HEAD in shapes, "tie_embeddings": tie}


def _complement(settings: Fields, vocab_size: int) -> tuple[int, ...]:
    """Complement of each id; ids missing from ``complement_map`` map to themselves."""
    given = settings.nested("complement_map", {})
    pairs = {_id(i): given.integer(i, low=0, high=vocab_size - 1) for i in given.content}
    return tuple(pairs.get(i, i) for i in range(vocab_size)) if pairs else ()


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ScmambaError(f"config.json says complement_map of {text!r}; ids by id are needed")
    return int(text)
