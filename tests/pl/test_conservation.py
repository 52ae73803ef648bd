"""Stacks of the conservation logo are the probabilities, as high as the information."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scmamba import ScmambaError
from scmamba.pl import conservation_logo


@pytest.fixture
def table() -> pd.DataFrame:
    four = np.random.default_rng(0).dirichlet(np.ones(4), 12)
    columns = {"name": ["a"] * 8 + ["b"] * 4, "position": [*range(8), *range(4)]}
    entropy = -(four * np.log2(four)).sum(1)
    return pd.DataFrame(columns).assign(
        **dict(zip("ACGT", four.T, strict=True)), information=2 - entropy
    )


def test_stacks(table: pd.DataFrame) -> None:
    figure = conservation_logo(table, "a")
    axes = figure.axes[0]
    tops = np.zeros(8)
    for patch in axes.patches:
        box = patch.get_window_extent().transformed(axes.transData.inverted())
        place = round((box.x0 + box.x1) / 2)
        tops[place] = max(tops[place], box.y1)
    np.testing.assert_allclose(tops, table["information"][:8], atol=0.02)
    assert axes.get_xlim() == (-0.5, 7.5)


def test_one_sequence_needs_no_name(table: pd.DataFrame) -> None:
    assert conservation_logo(table[table["name"] == "b"]).axes[0].get_xlim() == (-0.5, 3.5)


def test_positions_without_scores_are_empty(table: pd.DataFrame) -> None:
    table.loc[0, [*"ACGT", "information"]] = np.nan
    assert conservation_logo(table, "a").axes[0].get_xlim() == (-0.5, 7.5)


def test_wrong_tables_and_names_are_told(table: pd.DataFrame) -> None:
    with pytest.raises(ScmambaError, match="name=None; the table holds 'a', 'b'"):
        conservation_logo(table)
    with pytest.raises(ScmambaError, match="name='c'"):
        conservation_logo(table, "c")
    with pytest.raises(ScmambaError, match="not one of conservation scores"):
        conservation_logo(table.drop(columns="G"))
