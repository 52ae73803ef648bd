"""The cells that benchmarks/pretraining.py learns from, and the names of their types."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TEST = {"pbmc3k": "cell_type", "pancreas_baron": "cell_type"}
"""Whole studies that are tested on, with their labels; the second is of another tissue."""
FILES = (
    "cells/bone_marrow_aml",
    "cells/crc_tumor",
    "cells/kang_ctrl_8donors",
    "cells/malt_tumor",
    "cells/pancreas_baron",
    "cells/pbmc3k",
    "cells/pbmc68k_700",
    "cells/pbmc_4batch",
    "cells/pbmc_frozen_donor",
    "perturb/kang_ifnb",
    "perturb/kang_ifnb_full",
    "multiome/pbmc_citeseq_10adt",
    "multiome/malt_citeseq_17adt",
)
TYPES = {
    "T": ("T", "T activated"),
    "CD4 T": (
        "CD4 T cells", "CD4+ T cells", "CD4T", "CD4 Naive T", "CD4 Memory T", "CD4+/CD25 T Reg",
        "CD4+/CD45RO+ Memory", "CD4+/CD45RA+/CD25- Naive T",
    ),
    "CD8 T": (
        "CD8 T cells", "CD8+ T cells", "CD8T", "CD8+ Cytotoxic T", "CD8+/CD45RA+ Naive Cytotoxic",
    ),
    "NK": ("NK cells", "CD56+ NK"),
    "B": ("B cells", "B Activated", "CD19+ B"),
    "Monocyte": (
        "CD14+ Monocytes", "CD14+ monocytes", "CD14+Mono", "CD14 Mono", "CD14+ Monocyte",
        "FCGR3A+ Monocytes", "CD16+ monocytes", "FCGR3A+Mono", "CD16 Mono",
    ),
    "DC": ("Dendritic cells", "Dendritic", "pDC"),
    "Platelet": ("Megakaryocytes", "Mk"),
}  # fmt: skip
"""Names of types in the data sets, by the name that they share."""
VIEWS = {"n_views": 2, "max_tokens": 384}


def paths(data: Path) -> list[str]:
    """Files of the corpus."""
    return [str(data / f"{name}.h5ad") for name in FILES]


def config(minutes: float, seed: int, *, batch_size: int, lr: float, tokens: int) -> dict[str, Any]:
    """Settings of a pretraining: nothing in them was chosen on the data sets of ``TEST``."""
    return {
        "data": {
            "labels_key": "cell_type",
            "label_names": {old: new for new, names in TYPES.items() for old in names},
            "excluded": list(TEST),
            "held_out": ["malt_tumor"],
            "dataset_power": 0.5,
        },
        "model": {"d_model": 64, "d_state": 16, "cell_norm": "batch"},
        "views": {**VIEWS, "max_tokens": tokens},
        "objectives": {
            "mvc_weight": 1.0,
            "dab_weight": 0.1,
            "contrast_weight": 0.3,
            "supcon_weight": 0.3,
            "cls_weight": 0.3,
        },
        "fit": {
            "epochs": 40,
            "batch_size": batch_size,
            "lr": lr,
            "ema": 0.99,
            "max_minutes": minutes,
            "seed": seed,
            "checkpoint_every_n_steps": 100,
        },
    }
