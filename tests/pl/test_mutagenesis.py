"""The heat map and the logo hold the numbers of the table, each at its place."""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from scmamba import ScmambaError
from scmamba.pl import mutagenesis_heatmap, mutagenesis_logo
from scmamba.pl._letters import PER_LINE
from scmamba.tasks.sequence import mutagenesis


def at_gc(sequences: list[str]) -> np.ndarray:
    """G and C count the more, the further back they stand."""
    return np.array([sum(i for i, x in enumerate(s) if x in "GC") for s in sequences], float)


@pytest.fixture
def table() -> pd.DataFrame:
    return mutagenesis(
        "ACGTACGTAC" * 2, at_gc, start=3, stop=12, deletions=(1, 3), insertions="GA", include_n=True
    )


def inside(figure: Figure) -> bool:
    box = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
    width, height = figure.get_size_inches()
    return box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def test_every_change_is_at_its_place(table: pd.DataFrame) -> None:
    figure = mutagenesis_heatmap(table)
    axes = figure.axes[0]
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == ["A", "C", "G", "T", "N", "+ GA", "deletion 1", "deletion 3"]
    cells = np.asarray(axes.images[0].get_array().filled(np.nan))
    left = axes.images[0].get_extent()[0] + 0.5
    assert (left, cells.shape) == (3, (8, 10))
    names = {"substitution": lambda r: r.alt, "insertion": lambda r: f"+ {r.alt}"}
    for row in table.itertuples():
        name = names.get(row.kind, lambda r: f"{r.kind} {len(r.ref)}")(row)
        assert cells[rows.index(name), row.position - 3] == row.change
    assert np.isfinite(cells).sum() == len(table)
    assert inside(figure)


def test_dots_are_the_sequence_and_white_is_zero(table: pd.DataFrame) -> None:
    axes = mutagenesis_heatmap(table).axes[0]
    dots = axes.collections[0].get_offsets()
    assert {(int(x), "ACGT"[int(y)]) for x, y in dots} == set(enumerate("TACGTACAC", 3))
    low, high = axes.images[0].get_clim()
    assert low == -high
    assert axes.images[0].cmap(0.5)[:3] == pytest.approx((1, 1, 1), abs=0.01)


def test_cuts_leave_the_other_changes_their_colors() -> None:
    table = mutagenesis("ACGTACGTAC" * 2, at_gc, cuts=True)
    figure = mutagenesis_heatmap(table)
    small = table.loc[table["kind"] == "substitution", "change"].abs().max()
    assert figure.axes[0].images[0].get_clim()[1] <= small < table["change"].abs().max()
    alone = mutagenesis_heatmap(table[table["kind"] == "5' cut"])
    assert alone.axes[0].images[0].get_clim()[1] > small


@pytest.mark.parametrize("options", [{"deletions": 2, "fill_gaps": True}, {"insertions": "A"}])
def test_a_single_row_has_room_for_its_colors(options: dict) -> None:
    table = mutagenesis("ACGTACGTAC", at_gc, start=2, stop=5, substitutions=False, **options)
    assert inside(mutagenesis_heatmap(table))


def test_colors_of_small_changes_have_room_for_their_numbers(table: pd.DataFrame) -> None:
    small = table.assign(change=table["change"] * 1.37e-5)
    assert inside(mutagenesis_heatmap(small))


def test_long_regions_go_on_in_further_lines() -> None:
    text = "".join(np.random.default_rng(0).choice(list("ACGT"), 2 * PER_LINE + 5))
    table = mutagenesis(text, at_gc)
    figure = mutagenesis_heatmap(table)
    panels = [axes for axes in figure.axes if axes.get_ylabel() != "change"]
    assert [axes.get_xlim() for axes in panels] == [
        (-0.5, PER_LINE - 0.5),
        (PER_LINE - 0.5, 2 * PER_LINE - 0.5),
        (2 * PER_LINE - 0.5, 2 * PER_LINE + 4.5),
    ]
    assert inside(figure)
    assert inside(mutagenesis_logo(table))


def test_letters_are_as_high_as_their_mean_loss(table: pd.DataFrame) -> None:
    import logomaker

    seen = []
    original = logomaker.Logo.__init__

    def keep(self, df, **options):
        seen.append(df)
        original(self, df, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logomaker.Logo, "__init__", keep)
        figure = mutagenesis_logo(table)
    (heights,) = seen
    for position, letter in zip(range(3, 12), "TACGTACAC", strict=True):
        rows = table.query("kind == 'substitution' and position == @position and alt != 'N'")
        assert len(rows) == 3
        assert heights.at[position, letter] == pytest.approx(-rows["change"].mean())
        assert (heights.loc[position].drop(letter) == 0).all()
    assert len(figure.axes[0].patches) >= 9
    assert inside(figure)


def test_pyplot_is_left_alone(table: pd.DataFrame) -> None:
    settings = dict(plt.rcParams)
    mutagenesis_heatmap(table), mutagenesis_logo(table)
    assert not plt.get_fignums()
    assert dict(plt.rcParams) == settings


def test_wrong_tables_are_named(table: pd.DataFrame) -> None:
    for draw in (mutagenesis_heatmap, mutagenesis_logo):
        with pytest.raises(ScmambaError, match="lacks 'llr'"):
            draw(table, value="llr")
        with pytest.raises(ScmambaError, match="holds no number"):
            draw(table.assign(change=np.nan))
    with pytest.raises(ScmambaError, match="no substitutions"):
        mutagenesis_logo(table[table["kind"] == "deletion"])


def test_without_logomaker_the_way_to_it_is_told(
    table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "logomaker", None)
    with pytest.raises(ScmambaError, match=r"pip install 'scmamba\[sequence\]'"):
        mutagenesis_logo(table)
    assert mutagenesis_heatmap(table).axes
