"""Docstrings as they are written here, made into what napoleon and autodoc read.

Types stand in signatures alone here, so they are added to the fields of parameters, as the source
has them: ``np.ndarray`` stays short, and aliases such as ``ArrayLike`` are not taken apart.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.ext.napoleon import NumpyDocstring

_UNDERLINE = re.compile(r"^\s*-{3,}\s*$")
_TYPED = re.compile(r"^(\s*)([\w, *]+) : (.+)$")
_NAMES = re.compile(r"^\w+(, \w+)+$")
_FIELD = re.compile(r"^:ivar (\w+):")
_PARAMETER = re.compile(r"^:param (\\?\*{0,2}|(?:\\\*)*)(\w+):")


def _sections(lines: list[str]) -> list[tuple[str, int, int]]:
    """Headings of a numpydoc docstring with the first line of each body and the line after it."""
    starts = [
        at for at in range(len(lines) - 1) if lines[at].strip() and _UNDERLINE.match(lines[at + 1])
    ]
    ends = [*starts, len(lines)][1:]
    return [(lines[a].strip(), a + 2, b) for a, b in zip(starts, ends, strict=True)]


def _rewrite(app, what, name, obj, options, lines: list[str]) -> None:
    """Before napoleon: prose in ``Returns``, shapes beside names, several names at once."""
    if what in ("attribute", "data"):
        _add_field_type(name, lines)
        return
    for heading, start, end in reversed(_sections(lines)):
        body = lines[start:end]
        if heading in ("Returns", "Yields"):
            while body and not body[-1].strip():
                body.pop()
            if body and not any(text.startswith(" ") for text in body):
                field = [":returns: " + body[0], *("    " + text for text in body[1:])]
                lines[start - 2 : end] = ["", "", *field, "", ""]
        elif heading in ("Parameters", "Attributes"):
            lines[start:end] = _plain_entries(body, heading == "Attributes")


def _plain_entries(body: list[str], split: bool) -> list[str]:
    out: list[str] = []
    for at, line in enumerate(body):
        if (found := _TYPED.match(line)) and at + 1 < len(body):
            out.append(found[1] + found[2])
            body[at + 1] = re.sub(r"^(\s+)", rf"\1*{found[3]}*: ", body[at + 1])
        elif split and _NAMES.match(line):
            text = []
            for further in body[at + 1 :]:
                if further and not further.startswith(" "):
                    break
                text.append(further)
            *first, last = line.split(", ")
            for one in first:
                out += [one, *(further for further in text if further)]
            out.append(last)
        else:
            out.append(line)
    return out


def _annotations(obj: object) -> dict[str, str]:
    """Annotations of a function, or of what makes an object of a class, as text."""
    if inspect.isclass(obj):
        obj = obj.__init__
    found = getattr(inspect.unwrap(obj), "__annotations__", {}) if callable(obj) else {}
    return {name: _text(one) for name, one in found.items()}


def _text(annotation: object) -> str:
    if not isinstance(annotation, str):
        named = "None" if annotation is None else getattr(annotation, "__name__", str(annotation))
        annotation = named
    return re.sub(r"_\b", r"\\_", annotation)  # a trailing underscore makes a link in reST


def _add_types(app, what, name, obj, options, lines: list[str]) -> None:
    """After napoleon: the type of each parameter and of the result."""
    if what not in ("function", "method", "class"):
        return
    types = _annotations(obj)
    for at in reversed(range(len(lines))):
        if (found := _PARAMETER.match(lines[at])) and found[2] in types:
            lines.insert(at, f":type {found[2]}: {types[found[2]]}")
        elif (found := _FIELD.match(lines[at])) and what == "class":
            annotation = _field_annotation(obj, found[1])
            if annotation:
                lines.insert(at, f":vartype {found[1]}: {annotation}")
        elif lines[at].startswith(":returns:") and types.get("return", "None") != "None":
            lines.insert(at, f":rtype: {types['return']}")


def _add_field_type(name: str, lines: list[str]) -> None:
    """The type of a field of a dataclass, before its text."""
    module, _, rest = name.partition(".")
    *path, field = rest.split(".")
    owner: object = importlib.import_module(module)
    for part in path:
        owner = getattr(owner, part, None)
    annotation = _field_annotation(owner, field)
    if annotation and lines:
        lines[0] = f"``{annotation}``: {lines[0]}".replace("\\_", "_")


def _field_annotation(owner: object, field: str) -> str:
    for base in getattr(owner, "__mro__", ()):
        if field in (found := base.__dict__.get("__annotations__", {})):
            return _text(found[field])
    return ""


def _resolve(app, env, node, contnode):
    """Find what is called by a short name, first ours; leave private names without a link."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"].lstrip("~.")
    package, _, short = target.rpartition(".")
    found = [
        (full, entry)
        for full, entry in env.get_domain("py").objects.items()
        if full.rpartition(".")[2] == short
        and entry.objtype in ("class", "exception", "function", "data")
        and not entry.aliased
    ]
    if found and (not package or package.startswith("scmamba")):
        _, entry = min(found, key=lambda one: len(one[0]))
        uri = app.builder.get_relative_uri(node["refdoc"], entry.docname) + "#" + entry.node_id
        return nodes.reference("", "", contnode.deepcopy(), internal=True, refuri=uri)
    return None


@cache
def _names_in_sources() -> frozenset[str]:
    """Names that modules of the package define or import, for type checkers too."""
    names: set[str] = set()
    for path in Path(importlib.import_module("scmamba").__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                names.update(alias.asname or alias.name for alias in node.names)
            elif isinstance(node, ast.ClassDef):
                names.add(node.name)
            elif isinstance(node, ast.Assign):
                names.update(one.id for one in node.targets if isinstance(one, ast.Name))
    return frozenset(names)


def _private(app, env, node, contnode):
    """After intersphinx: names that exist, but on no page, are plain text; others stay an error."""
    if node.get("refdomain") != "py":
        return None
    package, _, short = node["reftarget"].lstrip("~.").rpartition(".")
    names = _names_in_sources()
    if package in names:  # a member of a class
        return contnode
    ours = not package or package.startswith("scmamba")
    known = (
        short in _names_in_sources() if ours else short in vars(sys.modules.get(package, object))
    )
    return contnode if known else None


def setup(app) -> dict[str, bool]:
    """Napoleon's priority is 500, intersphinx' too."""
    # A property's first line is a sentence here, never "type: description".
    NumpyDocstring._consume_inline_attribute = lambda self: ("", self._consume_to_end())
    app.connect("autodoc-process-docstring", _rewrite, priority=400)
    app.connect("autodoc-process-docstring", _add_types, priority=600)
    app.connect("missing-reference", _resolve, priority=400)
    app.connect("missing-reference", _private, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
