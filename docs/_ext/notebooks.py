"""Notebooks of ``tutorials/`` among the pages: one source, copied when pages are built."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes


def _copy(app) -> None:
    source, target = Path(app.srcdir).parent / "tutorials", Path(app.srcdir) / "tutorials"
    names = {path.name for path in source.glob("*.ipynb")}
    for stale in target.glob("*.ipynb"):
        if stale.name not in names:
            stale.unlink()
    for name in sorted(names):
        text = (source / name).read_bytes()
        if not (target / name).exists() or (target / name).read_bytes() != text:
            (target / name).write_bytes(text)


def _drop_empty(app, doctree, docname) -> None:
    """Remove outputs without text: what a progress bar leaves that erased itself."""
    for block in list(doctree.findall(nodes.literal_block)):
        if not block.astext().strip():
            block.parent.remove(block)


def setup(app) -> dict[str, bool]:
    """Copy before Sphinx looks for pages; tidy what they printed."""
    app.connect("config-inited", lambda app, config: _copy(app))
    app.connect("doctree-resolved", _drop_empty)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
