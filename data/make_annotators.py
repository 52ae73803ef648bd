"""Make the annotators that ship with the package, from the labeled cells of several studies.

    python data/make_annotators.py ../shared/data            # all of them, into the package
    python data/make_annotators.py DATA --only blood --out FOLDER

``DATA`` holds the files that ``blood_cells.py`` names. What is measured about an annotator is read
from ``benchmarks/results/shipped_annotators.json`` and kept in its card.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from anndata import AnnData
from blood_cells import SOURCES, UNLABELED, read_blood, refined

from scmamba.models.shipped import ShippedModel, Study, write_card
from scmamba.models.shipped.registry import FOLDER
from scmamba.tasks._annotation.shipping import fit_to_ship

READERS: dict[str, Callable[[Path], AnnData]] = {"blood": read_blood}
FIGURES = Path(__file__).parents[1] / "benchmarks/results/shipped_annotators.json"
LIMITS = (
    "Blood of adults, healthy or stimulated by IFN-beta, droplet assays. It does not know plasma "
    "cells, progenitors, granulocytes, erythrocytes or tumor cells, and may name them wrongly, "
    "nor subtypes of CD4 and CD8 T cells. CD4 and CD8 T cells are often confused on a new study: "
    "many of them are named T cells at the coarse level alone, CD8 T cells always. Types that it "
    "does not know have "
    "higher out-of-distribution scores, but may be named as known ones all the same: of NK cells "
    "left out of training, 3 % were called unknown on one held-out study and all on another. Of "
    "coarse labels up to 8 % were wrong on a held-out study, where 5 % were asked for. Cells in a "
    "state that it never saw (stimulated ones, say) score as high as types that it never saw."
)


def make(name: str, data: Path, out: Path, seed: int) -> ShippedModel:
    """Fit one annotator, save it and write its card."""
    cells = refined(READERS[name](data))
    annotator = fit_to_ship(cells, "cell_type", "study", seed=seed)
    print(annotator, annotator.validation.round(3).to_string(), sep="\n")
    known = cells.obs.loc[cells.obs["cell_type"] != UNLABELED, "study"].value_counts()
    card = ShippedModel(
        name,
        "annotator",
        "human",
        (name,),
        annotator.classes,
        tuple(Study(*SOURCES[study], int(n)) for study, n in sorted(known.items())),
        license="BSD-3-Clause; the cells it learned from have terms of their own (see studies)",
        recipe=f"python data/make_annotators.py DATA --only {name} --seed {seed}",
        figures=figures(name),
        limits=LIMITS,
        folder=annotator.save(out / name),
    )
    write_card(card)
    return card


def figures(name: str) -> dict[str, Any]:
    """What was measured with whole studies held out, if it was."""
    if not FIGURES.is_file():
        return {}
    return json.loads(FIGURES.read_text(encoding="utf-8")).get("card", {}).get(name, {})


def main(argv: Sequence[str] | None = None) -> None:
    """Make the annotators that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", choices=list(READERS), nargs="+", default=list(READERS))
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    for name in arguments.only:
        card = make(name, arguments.data, arguments.out, arguments.seed)
        print(f"{card.folder}: {card.size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
