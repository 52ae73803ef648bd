"""Where the nodes of a network are drawn: parts that are not connected stand side by side."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from networkx import DiGraph

Positions = dict[Hashable, tuple[float, float]]
_GROWTH = 0.7
"""Power of the number of nodes with which the side of a square grows; at 1/2 names would touch."""
_MARGIN = 0.3
"""Around each square, in sides of the square of one node alone."""


def layout(graph: DiGraph) -> Positions:
    """Place each connected part by Kamada and Kawai's springs, in squares that stand in rows.

    A layout of all at once pushes parts that are not connected to the edge, where names hide one
    another.

    Parameters
    ----------
    graph
        Nodes and edges.

    Returns
    -------
    Position of each node, in no unit.
    """
    import networkx as nx

    parts = [graph.subgraph(one) for one in nx.weakly_connected_components(graph)]
    parts.sort(key=lambda part: (-len(part), min(map(str, part))))
    sides = [len(part) ** _GROWTH for part in parts]
    width = max(sides[0], np.sqrt(np.square(sides).sum()))
    where: Positions = {}
    x = y = height = 0.0
    for part, side in zip(parts, sides, strict=True):
        if x + side > 1.05 * width:
            x, y, height = 0.0, y - height, 0.0
        height = max(height, side)
        center = (x + side / 2, y - side / 2)
        placed = nx.kamada_kawai_layout(part.to_undirected(), scale=side / 2 - _MARGIN)
        for node, (dx, dy) in placed.items():
            where[node] = (center[0] + dx, center[1] + dy)
        x += side
    return where
