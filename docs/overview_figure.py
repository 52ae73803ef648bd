"""Draw the overview of benchmarks/README.md: python docs/overview_figure.py.

Each task is a line: scmamba's figure and that of the best other method, as measured.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt  # noqa: E402

HERE = Path(__file__).parent
OURS, THEIRS = "#0b6e99", "#9a9a9a"


def rows() -> list[list[str]]:
    """Cells of the table, without heading."""
    text = (HERE.parent / "benchmarks" / "README.md").read_text(encoding="utf-8")
    block = text.split("<!-- results: overview -->")[1].split("<!-- end -->")[0]
    lines = [line for line in block.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def draw() -> plt.Figure:
    """One line per task."""
    table = rows()[::-1]
    figure, axes = plt.subplots(figsize=(8.2, 0.52 * len(table) + 0.9), layout="constrained")
    for height, (_, _, ours, peer, theirs, *_) in enumerate(table):
        x = float(ours), float(theirs)
        axes.plot(x, [height, height], color="#dddddd", lw=2.5, zorder=1)
        axes.scatter(x[1], height, s=55, color=THEIRS, zorder=2)
        axes.scatter(x[0], height, s=70, color=OURS, zorder=3)
        left, right = (x[1], x[0]) if x[0] > x[1] else (x[0], x[1])
        near = {"ha": "right", "va": "center", "fontsize": 8.5}
        far = {"ha": "left", "va": "center", "fontsize": 8.5, "color": OURS, "weight": "bold"}
        if x[0] < x[1]:
            near, far = near | {"color": OURS, "weight": "bold"}, far | {"color": THEIRS}
            axes.text(left - 0.012, height, ours, **near)
            axes.text(right + 0.012, height, f"{theirs}  {peer}", **far)
        else:
            axes.text(left - 0.012, height, f"{peer}  {theirs}", color="#555555", **near)
            axes.text(right + 0.012, height, ours, **far)
    axes.set_yticks(range(len(table)), [f"{row[0]}\n{row[1]}" for row in table], fontsize=8.5)
    axes.set_xlim(0.38, 0.97)
    axes.set_ylim(-0.6, len(table) - 0.4)
    axes.set_xlabel(
        "score (higher is better): scmamba in blue, the best other method in gray", fontsize=8.5
    )
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    return figure


if __name__ == "__main__":
    draw().savefig(HERE / "_static" / "overview.png", dpi=130)
