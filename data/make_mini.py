"""Make ``scmamba-mini``, the backbone that ships, again.

    python data/make_mini.py DATA [--output scmamba/models/shipped/scmamba-mini] [--model START]

``DATA`` is a folder with the public data sets that ``scmamba-mini.yaml`` names. A run that was
stopped goes on. The files are held against ``scmamba-mini-manifest.json`` (source, license, cells,
hash), which ``--write_manifest`` makes. ``--model`` continues from an earlier model instead of from
principal components, for ``--minutes``. The card is written beside the folder.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scmamba._files import sha256, write_json
from scmamba.models import CellModel
from scmamba.models.shipped import ShippedModel, Study, write_card
from scmamba.stream.corpus_open import open_corpus
from scmamba.tasks import PretrainConfig, pretrain
from scmamba.tasks._pretraining.config import read_yaml
from scmamba.tasks._pretraining.start import backbone, new_model

HERE = Path(__file__).parent
RECIPE = HERE / "scmamba-mini.yaml"
MANIFEST = HERE / "scmamba-mini-manifest.json"
FOLDER = HERE.parent / "scmamba" / "models" / "shipped" / "scmamba-mini"
STUDIES = {
    "bone_marrow_aml": ("bone marrow of healthy and AML donors, Seq-Well (van Galen 2019)", "MIT"),
    "crc_tumor": ("colorectal tumor and normal gut, metabolism genes (scMetaLink)", "MIT"),
    "kang_ctrl_8donors": ("PBMC of 8 donors, unstimulated (Kang 2018; muscat)", "GPL-3"),
    "malt_tumor": ("10x MALT lymphoma, RNA (STREAK)", "GPL-2 or later"),
    "malt_citeseq_17adt": ("10x MALT lymphoma, CITE-seq (STREAK)", "GPL-2 or later"),
    "pancreas_baron": ("pancreatic islets (Baron 2016; NeuCA)", "GPL-2"),
    "pbmc3k": ("10x PBMC 3k (clustifyr)", "MIT"),
    "pbmc68k_700": ("10x PBMC 68k, reduced (scanpy)", "BSD-3"),
    "pbmc_4batch": (
        "four PBMC studies on common genes; most of its cells are 10x PBMC 4k",
        "mixed",
    ),
    "pbmc_frozen_donor": ("10x frozen PBMC of donor A (MUDAN)", "GPL-3"),
    "kang_ifnb": ("PBMC with and without interferon beta (Kang 2018; scGen)", "GPL-3"),
    "kang_ifnb_full": ("PBMC with and without interferon beta, all genes (Kang 2018)", "MIT"),
    "pbmc_citeseq_10adt": ("PBMC, CITE-seq (BREMSC)", "GPL-3"),
}
"""What each data set is, and the license that its collection states."""
LIMITS = (
    "Human cells only. Blood and bone marrow dominate the corpus; other tissues are a few "
    "thousand cells of pancreas, colon and lymphoma: elsewhere, principal components of your "
    "own cells may tell types better. It has no Mamba layers: in as much time, though with "
    "fewer cells, they made its embeddings worse. It is the mean of a pretrained bag and of the "
    "components where its training started; averaging was decided after the two studies of the "
    "figures had been seen. Do not use its predictions of hidden values: averaging undid what "
    "its head had learned (loss 29.7 on PBMC 3k, where the mean of each gene has 1.35). Its "
    "embeddings and gene vectors are what it is for."
)


SHARE = 0.5
"""Weight of what was learned, against where training starts: neither is preferred."""


def averaged(start: CellModel, learned: CellModel, share: float) -> CellModel:
    """Return ``learned`` with cell embeddings that are weighted means of those of both models.

    Embeddings of a bag are linear in its gene vectors, so that means of weights are means of
    embeddings; the norm of pooled cells is taken into the gene vectors.
    """
    (a, b), (c, d) = _linear(start), _linear(learned)
    norm = learned.cell_norm
    with torch.no_grad():
        learned.gene_embedding.embedding.weight.copy_((1 - share) * a + share * c)
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        norm.weight.fill_(1)
        norm.bias.copy_((1 - share) * b + share * d)
    return learned


def _linear(model: CellModel) -> tuple[Tensor, Tensor]:
    """Gene vectors and offset after the norm of pooled cells."""
    norm = model.cell_norm
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    table = model.gene_embedding.embedding.weight * factor
    return table.detach(), (norm.bias - norm.running_mean * factor).detach()


def listing(data: Path, files: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Source, license, size and hash of the files as they are in ``data``."""
    import anndata as ad

    found = {}
    for name in files:
        source, license_ = STUDIES[Path(name).stem]
        n_cells, n_genes = ad.read_h5ad(data / name, backed="r").shape
        entry = {"source": source, "license": license_, "cells": n_cells, "genes": n_genes}
        found[name] = {**entry, "sha256": sha256(data / name)}
    return found


def changed(data: Path, files: Sequence[str]) -> list[str]:
    """Names of the files that are not those of the manifest."""
    known = json.loads(MANIFEST.read_text(encoding="utf-8"))
    return [name for name in files if sha256(data / name) != known[name]["sha256"]]


def main(argv: Sequence[str] | None = None) -> None:
    """Pretrain, save with 16 bits, write the card."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--run", type=Path, default=Path("build/scmamba-mini-run"))
    parser.add_argument("--model", type=Path)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--figures", type=Path, help="JSON with figures for the card")
    parser.add_argument("--write_manifest", action="store_true", help="only list the files")
    given = parser.parse_args(argv)
    recipe = read_yaml(RECIPE)
    if given.write_manifest:
        write_json(MANIFEST, listing(given.data, recipe["files"]))
        return
    if other := changed(given.data, recipe["files"]):
        print(f"not the files of {MANIFEST.name}, the model will be another: {', '.join(other)}")
    config = PretrainConfig.from_dict(recipe["config"])
    if given.minutes:
        config = replace(config, fit=replace(config.fit, max_minutes=given.minutes))
    files = [str(given.data / name) for name in recipe["files"]]
    found = pretrain(files, config, model=given.model, folder=given.run)
    if given.model is None:
        cells = open_corpus(files, config.data, cache=given.run / "scans")
        averaged(backbone(new_model(cells, config)), found.model, SHARE)
    found.model.license = "BSD-3-Clause; the data's own terms are those of the studies on its card"
    found.save(given.output, half=True)
    print(found)
    card = ShippedModel(
        name=given.output.name,
        kind="backbone",
        organism="human",
        tissues=("blood", "bone marrow", "colon", "lymphoma", "pancreas"),
        labels=(),
        studies=tuple(
            Study(STUDIES[name][0], STUDIES[name][1], n)
            for name, n in sorted(found.about["data_sets"].items())
        ),
        license=found.model.license,
        recipe="python data/make_mini.py DATA",
        figures=json.loads(given.figures.read_text()) if given.figures else {},
        limits=LIMITS,
        folder=given.output,
    )
    print(write_card(card))


if __name__ == "__main__":
    main()
