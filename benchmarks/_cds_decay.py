"""Decay rates of human mRNAs from their coding sequences, split by gene."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from _regression import RegressionTask, codons, kmers, split_by


def cds_decay(data: Path) -> RegressionTask:
    """Read coding sequences and decay rates in several cell types (Medina-Munoz et al., 2021)."""
    table = pd.read_csv(data / "mrna" / "cds_decay_rate.csv.gz")
    table = table[table["specie"] == "human"]
    table = table.rename(columns={"coding": "sequence", "decay_rate": "value"})
    ridges = {"ridge on codons": codons, "ridge on 1- to 4-mers": kmers(1, 4)}
    return RegressionTask(*split_by(table, "gene_id"), ridges)
