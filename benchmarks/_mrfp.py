"""Expression of synonymous mRFP variants, on the split that comes with the data."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from _regression import RegressionTask, kmers, positions

# Spearman on the same split, not run here.
PUBLISHED = {"TextCNN": 0.62, "RNA-FM": 0.80, "CodonBERT": 0.85}


def mrfp(data: Path) -> RegressionTask:
    """Read the given split; copies of held-out sequences are left out of training."""
    table = pd.read_csv(data / "mrna" / "mRFP_Expression.csv")
    table = table.rename(columns={"Sequence": "sequence", "Value": "value"})
    train, held, test = (table[table["Split"] == name] for name in ("train", "val", "test"))
    before = len(train) + len(held)
    held = held[~held["sequence"].isin(test["sequence"])]
    train = train[~train["sequence"].isin({*test["sequence"], *held["sequence"]})]
    ridges = {"ridge on 3- to 6-mers": kmers(3, 6), "ridge on positions": positions}
    left_out = before - len(train) - len(held)
    return RegressionTask(train, held, test, ridges, left_out, PUBLISHED)
