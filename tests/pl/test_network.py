"""The picture of a gene network."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import FancyArrowPatch

import scmamba
from scmamba._errors import ScmambaError
from scmamba.pl._network_layout import layout
from scmamba.pl._style import BLUE, GRAY, ORANGE


@pytest.fixture
def edges():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "regulator": np.repeat(["A", "B", "C"], 10),
            "target": [f"g{i}" for i in rng.integers(0, 20, 30)],
            "weight": rng.normal(size=30),
        }
    )
    return table.drop_duplicates(["regulator", "target"])


def colors(figure):
    found = figure.axes[0].patches
    from matplotlib.colors import to_hex

    return [to_hex(one.get_edgecolor()) for one in found if isinstance(one, FancyArrowPatch)]


def test_strongest_edges_of_each_regulator(edges):
    figure = scmamba.pl.gene_network(edges, n_edges=6)
    kept = edges.loc[edges["weight"].abs().sort_values(ascending=False).index]
    kept = kept.groupby("regulator").head(2)
    wanted = sorted(BLUE if w > 0 else ORANGE for w in kept["weight"])
    assert sorted(colors(figure)) == wanted
    figure.canvas.draw()


def test_edges_without_sign(edges):
    assert set(colors(scmamba.pl.gene_network(edges.assign(sign=0)))) == {GRAY}


def test_wrong_inputs(edges):
    with pytest.raises(ScmambaError, match="there is no edge of regulators=\\['X'\\]"):
        scmamba.pl.gene_network(edges, regulators=["X"])
    with pytest.raises(ScmambaError, match="columns 'regulator'"):
        scmamba.pl.gene_network(edges[["weight"]])
    with pytest.raises(ScmambaError, match="n_edges=0"):
        scmamba.pl.gene_network(edges, n_edges=0)


def test_of_many_regulators_the_strongest_are_drawn():
    rng = np.random.default_rng(0)
    edges = pd.DataFrame(
        {
            "regulator": [f"r{i % 200}" for i in range(1000)],
            "target": [f"g{i}" for i in rng.integers(0, 400, 1000)],
            "weight": rng.normal(size=1000),
        }
    ).drop_duplicates(["regulator", "target"])
    figure = scmamba.pl.gene_network(edges)
    drawn = {text.get_text() for text in figure.axes[0].texts}
    strongest = edges["weight"].abs().groupby(edges["regulator"]).max().nlargest(30).index
    assert {name for name in drawn if name.startswith("r")} == set(strongest)
    assert len(colors(scmamba.pl.gene_network(edges, n_regulators=5, n_edges=20))) == 20
    assert len(colors(scmamba.pl.gene_network(edges, regulators=strongest, n_edges=30))) == 30


def test_names_do_not_stand_on_one_another():
    graph = nx.DiGraph([(f"r{i}", f"g{j}") for i in range(30) for j in (i, i + 1) if i % 4])
    places = np.array(list(layout(graph).values()))
    assert len(places) == len(graph)
    apart = np.linalg.norm(places[:, None] - places, axis=2)[np.triu_indices(len(places), 1)]
    assert apart.min() > 0.03 * np.ptp(places, axis=0).max()
