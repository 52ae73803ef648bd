"""Formulas as MathML, which browsers draw themselves: no script, no fonts, no network."""

from __future__ import annotations

import re

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml


def _inline(writer, node) -> None:
    writer.body.append(tex2mathml(_known(node.astext())))
    raise nodes.SkipNode


def _block(writer, node) -> None:
    text = _known(node.astext().strip())
    if "&" in text or r"\\" in text:
        text = rf"\begin{{aligned}}{text}\end{{aligned}}"
    math = tex2mathml(text, as_block=True)
    writer.body.append(writer.starttag(node, "div", CLASS="math"))
    writer.body.append(f"{math}</div>\n")
    raise nodes.SkipNode


def _known(text: str) -> str:
    """Write what the converter does not know, or sets badly, in another way."""
    text = text.replace(r"\dots", r"\ldots").replace(r"\log ", r"\log\,")
    # an index belongs beside a letter with a hat, not below it
    return re.sub(r"(\\(?:hat|tilde)(?:\s+\w|\\[a-z]+))_", r"{\1{}}_", text)


def setup(app) -> dict[str, bool]:
    """Register the renderer, which ``html_math_renderer`` names."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
