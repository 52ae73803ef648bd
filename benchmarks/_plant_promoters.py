"""Activity of plant core promoters in tobacco leaf, split by gene."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from _regression import RegressionTask, kmers, positions, split_by


def plant_promoters(data: Path) -> RegressionTask:
    """Read promoters of 170 nucleotides and their enrichment, a logarithm (Jores et al., 2021)."""
    table = pd.read_csv(data / "dna" / "plant_promoter_leaf.tsv", sep="\t")
    table = table.rename(columns={"enrichment": "value"})
    ridges = {"ridge on 1- to 6-mers": kmers(1, 6), "ridge on positions": positions}
    return RegressionTask(*split_by(table, "gene"), ridges)
