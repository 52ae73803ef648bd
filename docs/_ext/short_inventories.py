"""Links to other packages' pages, without the network: short inventories that stand here.

``_inventories.txt`` has a line for each name that our pages mention: package, name, page, other
spellings of the name. Sphinx reads them as inventories, so that a build neither needs the network
nor changes with it.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from pathlib import Path

ROOTS = {
    "python": "https://docs.python.org/3/",
    "anndata": "https://anndata.readthedocs.io/en/stable/",
    "matplotlib": "https://matplotlib.org/stable/",
    "mudata": "https://mudata.readthedocs.io/stable/",
    "numpy": "https://numpy.org/doc/stable/",
    "pandas": "https://pandas.pydata.org/docs/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "distributed": "https://distributed.dask.org/en/stable/",
    "lightning": "https://lightning.ai/docs/pytorch/stable/",
    "torch": "https://pytorch.org/docs/stable/",
}
HEADER = (
    "# Sphinx inventory version 2\n# Project: {}\n# Version: \n# The rest is compressed by zlib.\n"
)


def _write(app, config) -> None:
    built = Path(app.outdir).parent / "inventories"
    built.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[str]] = defaultdict(list)
    for line in (Path(app.srcdir) / "_inventories.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            package, name, page, *others = line.split()
            uri = page if "#" in page else f"{page}#{name}"
            lines[package] += [f"{one} py:class 1 {uri} -\n" for one in (name, *others)]
    for package, entries in lines.items():
        body = zlib.compress("".join(sorted(entries)).encode())
        (built / f"{package}.inv").write_bytes(HEADER.format(package).encode() + body)
    config.intersphinx_mapping = {
        package: (ROOTS[package], str(built / f"{package}.inv")) for package in lines
    }


def setup(app) -> dict[str, bool]:
    """Write the inventories before intersphinx reads its settings."""
    app.connect("config-inited", _write, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
