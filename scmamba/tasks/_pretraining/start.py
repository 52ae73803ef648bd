"""The model that a pretraining begins with: new, or one that is trained further."""

from __future__ import annotations

import copy
import os
from typing import Any

import torch
from torch import nn

from scmamba._errors import ScmambaError
from scmamba._log import logger
from scmamba.learn.staged import start_as
from scmamba.models import CellModel, preset, resolve_device
from scmamba.models.cell.extend import add_tokens
from scmamba.models.cell.model import n_parameters
from scmamba.models.checkpoint.weights import BACKBONE, fill
from scmamba.nn.lora import add_lora, merge_lora
from scmamba.stream.corpus import Corpus
from scmamba.tasks._pretrained import pretrained
from scmamba.tasks._pretraining.components import start_from_components
from scmamba.tasks._pretraining.config import PretrainConfig, check_names
from scmamba.train import CLS, DAB, GEP, MVC, Contrast, Objective, SupCon

_GENE_SCALE = 0.1
"""Standard deviation of new gene vectors of a bag: small ones are moved by what is learned."""


def to_start_from(model: CellModel | str | os.PathLike[str]) -> CellModel:
    """Return the model that is named; see :func:`scmamba.tasks._pretrained.pretrained`."""
    net = pretrained(model)
    if net.vocab is None:
        raise ScmambaError("the model has no vocabulary; load it from a folder with vocab.json")
    if net.config.n_input_norms:
        raise ScmambaError(
            f"the model norms each of its {net.config.n_batches} batches by itself, and those of "
            "the corpus are others; start from a model without a domain norm"
        )
    return net


def new_model(corpus: Corpus, config: PretrainConfig) -> CellModel:
    """Make a model with random weights and the heads that the objectives need."""
    settings = dict(config.model)
    name = str(settings.pop("preset", "mini"))
    heads = heads_of(corpus, config)
    check_names([one for one in settings if one in heads], [], "model.")
    cell_config = preset(name, n_genes=len(corpus.vocab), **{**settings, **heads})
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(config.fit.seed)
        model = CellModel(cell_config)
        if cell_config.encoder.value_encoding == "product":
            model.gene_embedding.embedding.weight.mul_(_GENE_SCALE)
    model.vocab = corpus.vocab
    if config.start == "components":
        start_from_components(model, corpus, config.fit.seed)
        start_as(model, nn.Module())
    return model.to(resolve_device())


def continued(net: CellModel, corpus: Corpus, config: PretrainConfig) -> CellModel:
    """Copy a model, with the tokens of the corpus and the heads of the objectives."""
    assert net.vocab is not None
    added = corpus.vocab.tokens[len(net.vocab) :]
    grown = add_tokens(net, added, seed=config.fit.seed) if added else copy.deepcopy(net)
    kept = {"expression": "expression" in grown.heads, "mvc": "mvc" in grown.heads}
    wanted = heads_of(corpus, config)
    for name in kept:  # a head that the model has stays
        wanted[name] = wanted[name] or kept[name]
    explicit = [getattr(grown.config.heads.get(n), "explicit_zero", None) for n in kept]
    if any(one is not None for one in explicit):
        wanted.pop("explicit_zero")
    target = grown.config.replace(**wanted)
    own = {name: tensor.clone() for name, tensor in grown.state_dict().items()}
    with torch.random.fork_rng():
        torch.manual_seed(config.fit.seed)
        model = fill(lambda: CellModel(target), own, source="the model", needed=BACKBONE).model
    model.vocab, model.license = corpus.vocab, net.license
    if config.adapt != "full":
        for part in (model.gene_embedding, model.value_embedding):
            part.requires_grad_(bool(added) and part is model.gene_embedding)
    if config.adapt == "layers" and not model.config.encoder.n_layer:
        raise ScmambaError('adapt="layers", and the model has no Mamba layers; give "full"')
    if config.adapt == "lora":
        n = add_lora(model.stack, config.lora_rank)
        logger.info("low-rank parts of %d projections are trained", n)
    return model.to(next(net.parameters()).device)


def heads_of(corpus: Corpus, config: PretrainConfig) -> dict[str, Any]:
    """Return the settings of the heads that the objectives need."""
    on = config.objectives
    return {
        "expression": on.gep_weight > 0,
        "mvc": on.mvc_weight > 0,
        "explicit_zero": on.zero_prob and on.gep_weight + on.mvc_weight > 0,
        "n_batches": len(corpus.batches) if on.dab_weight else 0,
        "adversary": on.dab_weight > 0,
        "batch_labels": False,
        "n_classes": len(corpus.labels) if on.cls_weight else 0,
    }


def objectives_of(corpus: Corpus, config: PretrainConfig) -> list[Objective[Any, Any]]:
    """Loss terms that are on.

    Raises
    ------
    ScmambaError
        Labels are to be learned and there are none, or batches and there is one.
    """
    on = config.objectives
    if (on.cls_weight or on.supcon_weight) and not corpus.labels:
        raise ScmambaError(
            f"no data set to learn from has labels in obs[{corpus.settings.labels_key!r}]; give "
            "another data.labels_key, or set cls_weight and supcon_weight to 0"
        )
    if on.dab_weight and len(corpus.batches) < 2:
        raise ScmambaError("dab_weight needs two batches; there is one: set it to 0")
    every: list[Objective[Any, Any]] = [
        GEP(on.gep_weight, per_cell=True),
        MVC(on.mvc_weight, per_cell=True),
        DAB(on.dab_weight),
        Contrast(on.contrast_weight, on.temperature),
        SupCon(on.supcon_weight, on.temperature),
        CLS(on.cls_weight),
    ]
    return [one for one in every if one.weight > 0]


def backbone(model: CellModel) -> CellModel:
    """Copy for use on other cells: low-rank parts merged, no adversary, no classes."""
    net = copy.deepcopy(model).cpu()
    merge_lora(net)
    config = net.config.replace(adversary=False, n_classes=0, n_batches=0)
    kept = {
        name: tensor
        for name, tensor in net.state_dict().items()
        if not name.startswith(("heads.adversary", "heads.class"))
    }
    made = fill(lambda: CellModel(config), kept, source="the trained model").model
    made.vocab, made.license = net.vocab, net.license
    return made.eval()


def size_of(model: CellModel) -> tuple[int, int]:
    """Parameters of a model, and how many of them are trained."""
    return n_parameters(model.config), sum(p.numel() for p in model.parameters() if p.requires_grad)
