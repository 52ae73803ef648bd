"""The pretrained models that benchmarks/pretraining.py compares, and what each begins with."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scmamba import models
from scmamba.learn.staged import start_as
from scmamba.models import CellModel
from scmamba.tokens import Vocab

RECIPE = Path(__file__).parent.parent / "data" / "make_mini.py"


@dataclass(frozen=True)
class Variant:
    """One pretraining.

    Attributes
    ----------
    start
        Variant to begin with; None: components of the corpus.
    n_layer
        Mamba layers, which enter as the identity.
    adapt
        What is trained, as ``PretrainConfig`` has it.
    by_components
        Genes are put in the order of the start's vectors, so that those that are expressed
        together are near each other; else they are in the order of their names.
    epochs
        Passes over the corpus; None: as long as ``--minutes`` allow.
    entries
        Sizes and rates: ``batch_size``, ``lr``, ``tokens``.
    objectives
        Weights other than those of the recipe.
    """

    start: str | None
    n_layer: int
    entries: dict[str, Any]
    adapt: str = "full"
    by_components: bool = False
    epochs: int | None = None
    objectives: dict[str, float] | None = None


_LONG, _MORE = {"batch_size": 128, "lr": 2e-3, "tokens": 256}, {"batch_size": 128, "lr": 1e-3}
_TOKENS = {"gep_weight": 1.0}
_LABELS = {"mvc_weight": 0.0, "contrast_weight": 0.0, "supcon_weight": 1.0}
_LAYERS = {"batch_size": 32, "lr": 1e-3, "tokens": 192}
VARIANTS = {
    "bag": Variant(None, 0, _LONG),
    "mini-more": Variant("mini", 0, _MORE | {"tokens": 192}, epochs=1),
    "mini-layer": Variant("mini", 1, _LAYERS, epochs=1, objectives=_TOKENS),
    "mini-layer-frozen": Variant("mini", 1, _LAYERS, "layers", epochs=1, objectives=_TOKENS),
    "mini-layer-ordered": Variant(
        "mini", 1, _LAYERS, "layers", by_components=True, epochs=1, objectives=_TOKENS
    ),
    "mini-labels": Variant("mini", 0, _MORE | {"tokens": 192}, epochs=1, objectives=_LABELS),
    "mini-layer-labels": Variant("mini", 1, _LAYERS, "layers", epochs=1, objectives=_LABELS),
}


def averaged(start: CellModel, bag: CellModel) -> CellModel:
    """The mean of both, by which ``data/make_mini.py`` makes the model that ships."""
    spec = importlib.util.spec_from_file_location("make_mini", RECIPE)
    assert spec is not None and spec.loader is not None
    recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(recipe)
    made: CellModel = recipe.averaged(start, bag, recipe.SHARE)
    return made


def with_layers(bag: CellModel, n_layer: int, seed: int) -> CellModel:
    """The same model with Mamba layers that change nothing yet."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        full = CellModel(bag.config.replace(n_layer=n_layer))
    start_as(full, bag)
    full.vocab = bag.vocab
    return full


def ordered(model: CellModel) -> CellModel:
    """The same model with genes in an order that follows their vectors.

    Genes are sorted by a tree of their vectors (average linkage of cosines of k-means centers),
    which puts those that vary together next to each other.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from sklearn.cluster import MiniBatchKMeans

    assert model.vocab is not None
    old, genes = model.vocab, list(model.vocab.genes)
    table = model.gene_embedding.embedding.weight.detach().numpy()
    half = table[old.index(genes)][:, : table.shape[1] // 2]
    unit = half / np.maximum(np.linalg.norm(half, axis=1, keepdims=True), 1e-9)
    groups = MiniBatchKMeans(256, random_state=0, n_init=1).fit(unit)
    tree = leaves_list(linkage(groups.cluster_centers_, "average"))
    rank = np.empty(len(tree), dtype=np.int64)
    rank[tree] = np.arange(len(tree))
    order = np.argsort(rank[groups.labels_], kind="stable")
    vocab = Vocab([genes[i] for i in order])
    ids = old.index(vocab.tokens)
    moved = CellModel(model.config)
    state = model.state_dict()
    n = len(old)
    moved.load_state_dict(
        {k: v[ids] if v.ndim and len(v) == n and "gene" in k else v for k, v in state.items()}
    )
    moved.vocab = vocab
    return moved


def start_of(variant: Variant, load: Callable[[str], CellModel], seed: int) -> CellModel | None:
    """The model that a variant begins with; None for a new one."""
    if variant.start is None:
        return None
    found = load(variant.start)
    if variant.by_components:
        found = ordered(found)
    return with_layers(found, variant.n_layer, seed) if variant.n_layer else found


def saved(folder: Path) -> CellModel:
    """A model of cells in a folder."""
    model = models.load(folder)
    assert isinstance(model, CellModel)
    return model
