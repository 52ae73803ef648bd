"""Draw the overview of benchmarks/README.md: python docs/overview_figure.py.

Each task is a line: scmamba's figure and that of the best other method, as measured.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt  # noqa: E402
from PIL import Image  # noqa: E402

HERE = Path(__file__).parent
OURS, LOST, THEIRS = "#0b6e99", "#c8551b", "#9a9a9a"


def rows() -> list[list[str]]:
    """Cells of the table, without heading."""
    text = (HERE.parent / "benchmarks" / "README.md").read_text(encoding="utf-8")
    block = text.split("<!-- results: overview -->")[1].split("<!-- end -->")[0]
    lines = [line for line in block.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def draw() -> plt.Figure:
    """One line per task; those on which another method is better are in orange."""
    table = rows()[::-1]
    figure, axes = plt.subplots(figsize=(6.4, 0.4 * len(table) + 0.9))
    for height, (_, _, ours, peer, theirs, *_) in enumerate(table):
        own, other = float(ours), float(theirs)
        color = OURS if own >= other else LOST
        axes.plot((own, other), (height, height), color="#dddddd", lw=2.5, zorder=1)
        axes.scatter(other, height, s=55, color=THEIRS, zorder=2)
        axes.scatter(own, height, s=70, color=color, zorder=3)
        beside = {"va": "center", "fontsize": 8.5, "transform": axes.get_yaxis_transform()}
        axes.text(1.03, height, ours, color=color, weight="bold", **beside)
        axes.text(1.18, height, f"{theirs}  {peer}", color="#555555", **beside)
    scores = [float(row[column]) for row in table for column in (2, 4)]
    axes.set_yticks(range(len(table)), [f"{row[0]}\n{row[1]}" for row in table], fontsize=8.5)
    axes.set_xlim(min(0.2, min(scores) - 0.05), 1.02)
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.set_xlabel(
        "score, higher is better: scmamba blue (orange where it is lower), best other method gray",
        fontsize=8.5,
    )
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return figure


if __name__ == "__main__":
    path = HERE / "_static" / "overview.png"
    draw().savefig(path, dpi=110, bbox_inches="tight")
    Image.open(path).convert("P", palette=Image.Palette.ADAPTIVE, colors=64).save(
        path, optimize=True
    )
