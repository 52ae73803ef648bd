"""Short names of the settings of a cell model, and their location in its configuration.

Short names are accepted as keyword arguments, and are the flat fields of format version 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scmamba._errors import ScmambaError

_ENCODER = (
    "n_genes",
    "d_model",
    "n_layer",
    "d_state",
    "d_conv",
    "expand",
    "headdim",
    "ngroups",
    "chunk_size",
    "value_type",
    "n_bins",
    "pad_value",
    "mask_value",
    "cls_value",
    "value_clip",
    "value_encoding",
    "gene_norm",
    "dropout",
    "layer_dropout",
    "input_norm",
    "input_norm_affine",
    "perturbation_flags",
    "pre_norm",
    "final_norm",
    "mlp_ratio",
)

FIELD_PATHS: dict[str, tuple[str, ...]] = {
    **{name: ("encoder", name) for name in _ENCODER},
    "pool": ("pool", "method"),
    "pool_heads": ("pool", "n_heads"),
    "pool_masked": ("pool", "masked"),
    "cell_norm": ("pool", "norm"),
    "n_classes": ("heads", "class", "n_classes"),
    "class_layers": ("heads", "class", "n_layer"),
    "class_dropout": ("heads", "class", "dropout"),
    "class_input_relu": ("heads", "class", "input_relu"),
    "n_latent": ("heads", "latent", "n_latent"),
    "n_counts": ("heads", "counts", "n_counts"),
    "adversary_layers": ("heads", "adversary", "n_layer"),
    "n_batches": ("n_batches",),
    "batch_labels": ("batch_labels",),
    "n_modalities": ("n_modalities",),
}
"""Location of each setting in the configuration."""

_SWITCHES = ("expression", "mvc", "adversary", "affine")
"""Heads that are switched on or off."""

SHORT_NAMES = (*FIELD_PATHS, *_SWITCHES, "explicit_zero")
"""All settings by short name."""

_SIZED = {"n_classes": "class", "n_latent": "latent", "n_counts": "counts"}
"""Sizes of heads; 0 for no such head."""

_DECODERS = ("expression", "mvc")
_NORMED = ("input_norm", "cell_norm")
_NORMS = {True: "batch", False: "none", "domain": "per_batch"}
"""Names of the norms in format version 1."""

_OLD_BATCHES = ("n_domains", "cell_domains")
"""Fields of format version 1 with the number of batches of the two norms."""


def expand(settings: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a configuration: those of ``base``, changed by ``settings``.

    Parameters
    ----------
    settings
        Settings by short name; those of absent heads are ignored.
    base
        Result of :meth:`CellConfig.to_dict`, or an empty mapping.

    Raises
    ------
    ScmambaError
        If a setting is unknown, or two settings give different numbers of batches.
    """
    _check_names(settings)
    entries: dict[str, Any] = {
        name: dict(value) if isinstance(value, Mapping) else value
        for name, value in {"encoder": {}, "pool": {}, "heads": {}, **base}.items()
        if name != "format_version"
    }
    given = dict(settings)
    _count_batches(given)
    _switch_heads(given, entries["heads"])
    for name, value in given.items():
        _put(entries, FIELD_PATHS[name], _NORMS.get(value, value) if name in _NORMED else value)
    return entries


def _check_names(settings: Mapping[str, Any]) -> None:
    if unknown := sorted(set(settings) - {*SHORT_NAMES, *_OLD_BATCHES}):
        raise ScmambaError(
            f"unknown configuration field(s) {', '.join(unknown)}; known: {', '.join(SHORT_NAMES)}"
        )


def _count_batches(given: dict[str, Any]) -> None:
    """Merge the up to three numbers of batches of format version 1."""
    old = {name: given.pop(name) for name in _OLD_BATCHES if name in given}
    if old.get("cell_domains"):
        given["cell_norm"] = "per_batch"
    counts = {name: n for name, n in {**old, "n_batches": given.get("n_batches", 0)}.items() if n}
    if len(set(map(str, counts.values()))) > 1:
        told = ", ".join(f"{name}={n}" for name, n in counts.items())
        raise ScmambaError(f"{told} count the same batches; give one number as n_batches")
    if counts and not given.get("n_batches"):
        given |= {"n_batches": next(iter(counts.values())), "batch_labels": False}


def _switch_heads(given: dict[str, Any], heads: dict[str, Any]) -> None:
    """Add and remove heads according to the settings."""
    for name in _SWITCHES:
        wanted = given.pop(name, None)
        if wanted is True:
            heads.setdefault(name, {})
        elif wanted is False:
            heads.pop(name, None)
        elif wanted is not None:
            raise ScmambaError(f"{name}={wanted!r}; give a value of type bool")
    for name, head in _SIZED.items():
        if type(given.get(name)) is int and given[name] == 0:
            heads.pop(head, None)
            del given[name]
        elif name in given:
            heads.setdefault(head, {})
    if "explicit_zero" in given:
        wanted = given.pop("explicit_zero")
        decoders = [name for name in _DECODERS if name in heads]
        if wanted is True and not decoders:
            raise ScmambaError("explicit_zero=True needs expression=True or mvc=True")
        for name in decoders:
            heads[name] = {**heads[name], "explicit_zero": wanted}


def _put(entries: dict[str, Any], place: tuple[str, ...], value: Any) -> None:
    *above, name = place
    holder = entries
    for part in above:
        if part not in holder:
            return  # a setting of an absent head
        holder[part] = dict(holder[part])
        holder = holder[part]
    holder[name] = value
