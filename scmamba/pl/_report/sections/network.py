"""Edges from regulators to targets."""

from __future__ import annotations

import pandas as pd
from scipy import sparse

from scmamba.pl._network import gene_network
from scmamba.pl._report.findings import Findings
from scmamba.pl._report.page import Section

_TARGETS = 8


def network(found: Findings) -> Section | None:
    """Draw the strongest edges, and list the genes of each program."""
    adata = found.cells.mod["rna"] if hasattr(found.cells, "mod") else found.cells
    weights = getattr(adata, "varp", {}).get(found.keys.network)
    if weights is None:
        return None
    matrix = sparse.coo_matrix(weights)
    names = adata.var_names.astype(str)
    edges = pd.DataFrame(
        {"regulator": names[matrix.row], "target": names[matrix.col], "weight": matrix.data}
    )
    edges = edges[edges["weight"] != 0]
    if edges.empty:
        return None
    edges = edges.loc[edges["weight"].abs().sort_values(ascending=False).index]
    tiles = {
        "regulators": f"{edges['regulator'].nunique():,}",
        "edges": f"{len(edges):,}",
    }
    targets = edges.groupby("regulator", sort=False)["target"]
    table = targets.agg(lambda one: ", ".join(one.head(_TARGETS))).to_frame("strongest targets")
    caption = (
        "The strongest edges; blue arrows activate, orange ones repress. They are associations "
        "that a model found, not measured effects."
    )
    parts = {caption: gene_network(edges), "Targets of each regulator": table}
    if found.keys.program in adata.var:
        program = adata.var[found.keys.program].dropna()
        listed = program.groupby(program, observed=True).agg(
            lambda one: ", ".join(map(str, one.index[:_TARGETS]))
        )
        sizes = program.value_counts()
        parts["Gene programs"] = pd.DataFrame({"genes": sizes, "such as": listed}).rename_axis(None)
    return Section(parts, tiles)
