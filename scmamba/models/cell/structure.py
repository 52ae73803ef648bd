"""Configuration of a published checkpoint, inferred from tensor shapes and args.json."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scmamba._errors import ScmambaError
from scmamba._read import Fields
from scmamba.models.cell.config import CellConfig
from scmamba.models.checkpoint.shapes import check_axes, counted

Shapes = Mapping[str, tuple[int, ...]]

_EMBEDDING = "gene_embedding.embedding.weight"
_POOLS = {"cls": "cls", "avg-pool": "mean"}
_LAYER = re.compile(r"stack\.layers\.([0-9]{1,9})\.mamba\.(.+)")
_MIXER = ("in_proj.weight", "conv1d.weight", "A_log", "out_proj.weight")


def infer(shapes: Shapes, args: Fields, *, n_tokens: int) -> CellConfig:
    """Infer the configuration of a checkpoint from the shapes of its tensors.

    Parameters
    ----------
    shapes
        Shape of each tensor by its name in scmamba.
    args
        Entries of ``args.json``, all optional: embsize, nlayers, dropout, pad_value and others.
    n_tokens
        Length of the vocabulary.

    Raises
    ------
    ScmambaError
        If no Mamba-2 layer is found, or shapes and ``args.json`` contradict each other.
    """
    mixer, n_layer = _mixer(shapes)
    d_model = mixer["out_proj.weight"][0]
    n_genes = _rows(shapes, _EMBEDDING) or n_tokens
    _agree("embsize", args, d_model, "the Mamba layers are that wide")
    _agree("nlayers", args, n_layer, "that many Mamba layers are there")
    if n_tokens > n_genes:
        raise ScmambaError(
            f"vocab.json holds {n_tokens} tokens (special ones included), but the gene embedding "
            f"has {n_genes} rows; use the vocab.json that came with these weights"
        )
    head = _class_head(shapes, "heads.class")
    adversary = _class_head(shapes, "heads.adversary")
    n_batches = _rows(shapes, "batch_embedding.weight")
    return CellConfig.of(
        n_genes=n_genes,
        d_model=d_model,
        n_layer=n_layer,
        **_sizes(mixer),
        **_values(args),
        **_input_norm(shapes),
        pool=_pool(args),
        expression="heads.expression.value.0.weight" in shapes,
        **_perturbation(shapes),
        mvc="heads.mvc.query.weight" in shapes,
        explicit_zero=any(".zero." in name for name in shapes),
        n_classes=head[0],
        class_layers=head[1],
        n_batches=n_batches or adversary[0],
        batch_labels=n_batches > 0,
        n_modalities=_rows(shapes, "modality_embedding.weight"),
        adversary=adversary[0] > 0,
        adversary_layers=adversary[1],
    )


def _mixer(shapes: Shapes) -> tuple[dict[str, tuple[int, ...]], int]:
    """Shapes of the first complete layer, and the number of layers."""
    layers: dict[int, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        if found := _LAYER.fullmatch(name):
            layers.setdefault(int(found[1]), {})[found[2]] = shape
    for layer in layers.values():
        if all(name in layer for name in _MIXER):
            return layer, counted(layers, "layers")
    raise ScmambaError(
        "the checkpoint holds no whole Mamba-2 layer: mamba_encoder.layers.N.mamba."
        f"{{{', '.join(_MIXER)}}} are needed. Use a checkpoint of SC-MAMBA2"
    )


def _sizes(mixer: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Infer d_state, d_conv, expand and headdim from in_proj, conv1d, A_log and out_proj."""
    n_axes = {"out_proj.weight": 2, "conv1d.weight": 3, "A_log": 1, "in_proj.weight": 2}
    check_axes(mixer, n_axes)
    d_model, d_inner = mixer["out_proj.weight"]
    heads, conv_dim, d_conv = mixer["A_log"][0], *mixer["conv1d.weight"][::2]
    rows = mixer["in_proj.weight"][0]
    state, odd = divmod(conv_dim - d_inner, 2)
    if odd or state < 1 or d_inner % heads or d_inner % d_model:
        raise ScmambaError(
            f"the Mamba layers do not fit together: inner width {d_inner}, model width {d_model}, "
            f"{heads} heads, {conv_dim} convolution channels (inner width + 2 * d_state)"
        )
    if rows != d_inner + conv_dim + heads:
        raise ScmambaError(
            f"in_proj has {rows} rows, but conv1d, A_log and out_proj need "
            f"{d_inner + conv_dim + heads} (inner width {d_inner} + {conv_dim} + {heads} heads)"
        )
    # The release has one group; args.json has no setting for more.
    return {
        "d_state": state,
        "d_conv": d_conv,
        "expand": d_inner // d_model,
        "headdim": d_inner // heads,
    }


def _values(args: Fields) -> dict[str, Any]:
    """Read settings that tensors do not show; ``<cls>`` has the pad value, as in zero-shot use."""
    args.string("input_emb_style", "continuous", choices=("continuous",))
    words = {
        "dropout": "dropout",
        "pad_value": "pad_value",
        "mask_value": "mask_value",
    }
    found = {ours: args.number(word) for ours, word in words.items() if args.has(word)}
    if args.has("n_bins"):
        found["n_bins"] = args.integer("n_bins", low=3)
    return {**found, "cls_value": found.get("pad_value", -2)}


def _input_norm(shapes: Shapes) -> dict[str, Any]:
    matches = (re.match(r"input_norm\.bns\.([0-9]{1,9})\.", name) for name in shapes)
    domains = {int(match[1]) for match in matches if match}
    if domains:
        return {
            "input_norm": "domain",
            "n_domains": counted(domains, "norms"),
            "input_norm_affine": any(re.match(r"input_norm\.bns\.\d+\.weight", n) for n in shapes),
        }
    names = {name for name in shapes if name.startswith("input_norm.")}
    if not names:
        return {"input_norm": "none"}
    affine = bool(names & {"input_norm.weight", "input_norm.bias"})
    return {"input_norm": "batch", "input_norm_affine": affine}


def _perturbation(shapes: Shapes) -> dict[str, Any]:
    """Read what perturbation checkpoints have: flags of tokens, log-normalized values."""
    if not (n_flags := _rows(shapes, "perturbation_embedding.weight")):
        return {}
    if n_flags != 3:
        raise ScmambaError(
            f"pert_encoder has {n_flags} rows; 3 are needed: untouched, perturbed, padding"
        )
    affine = "heads.affine.coefficient.0.weight" in shapes
    return {"perturbation_flags": True, "value_type": "lognorm", "affine": affine}


def _pool(args: Fields) -> str:
    return _POOLS[args.string("cell_emb_style", "cls", choices=tuple(_POOLS))]


def _class_head(shapes: Shapes, head: str) -> tuple[int, int]:
    """Return the number of classes (0 for no such head) and of linear layers."""
    hidden = [n for n, s in shapes.items() if n.startswith(f"{head}.hidden.") and len(s) == 2]
    n_classes = _rows(shapes, f"{head}.out.weight")
    return n_classes, len(hidden) + 1 if n_classes else 1


def _rows(shapes: Shapes, name: str) -> int:
    return shapes[name][0] if shapes.get(name) else 0


def _agree(word: str, args: Fields, found: int, meaning: str) -> None:
    if args.has(word) and (said := args.integer(word)) != found:
        raise ScmambaError(
            f"args.json says {word}={said}, but the weights say {found} ({meaning}); "
            "use the args.json that came with these weights"
        )
