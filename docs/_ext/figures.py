"""``{figures}``: rows of the first table of ``benchmarks/README.md``: no figure stands twice."""

from __future__ import annotations

import re
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

COLUMNS = (0, 1, 2, 3, 4, 5)
WORDS = (0, 1, 3)
"""Columns that stand at the left."""


class Figures(SphinxDirective):
    """Show the rows whose task begins with the argument; without one, all of them."""

    optional_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Parse the rows as Markdown."""
        path = Path(self.env.srcdir).parent / "benchmarks" / "README.md"
        self.env.note_dependency(str(path))
        block = path.read_text().split("<!-- results: overview -->")[1].split("<!-- end -->")[0]
        rows = [
            [cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in block.splitlines()
            if line.startswith("|")
        ]
        wanted = self.arguments[0] if self.arguments else ""
        kept = rows[:2] + [row for row in rows[2:] if re.match(wanted, row[0])]
        if len(kept) == 2:
            raise self.error(f"no row of the overview begins with {wanted!r}")
        kept[1] = ["---" if at in WORDS else mark for at, mark in enumerate(kept[1])]
        lines = ["| " + " | ".join(row[at] for at in COLUMNS) + " |" for row in kept]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("figures", Figures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
