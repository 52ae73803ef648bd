"""Pages of the API, made from ``__all__``: a name that is exported cannot be missing."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from pathlib import Path
from types import ModuleType

TITLES = {
    "scmamba": "The package",
    "scmamba.tasks": "Tasks",
    "scmamba.tasks.sequence": "Tasks on sequences",
    "scmamba.pl": "Pictures",
    "scmamba.pp": "Preprocessing",
    "scmamba.metrics": "Metrics",
    "scmamba.metrics.multiomics": "Metrics of multi-omics",
    "scmamba.benchmark": "Comparisons",
    "scmamba.models": "Models",
    "scmamba.datasets": "Example data",
    "scmamba.tokens": "Tokens",
    "scmamba.stream": "Batches",
    "scmamba.stream.modalities": "Several modalities",
    "scmamba.train": "Training",
    "scmamba.learn.effects.baselines": "Predictors of perturbation effects",
    "scmamba.nn.heads": "Heads of cell models",
}


def _kind(value: object) -> str:
    if inspect.ismodule(value):
        return "Modules"
    if inspect.isclass(value):
        return "Classes"
    return "Functions" if callable(value) else "Values"


def _text_of(module: ModuleType, name: str) -> str:
    """The text under an assignment, found where the name comes from."""
    tree = ast.parse(inspect.getsource(module))
    for one, following in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(one, ast.ImportFrom) and name in {
            alias.asname or alias.name for alias in one.names
        }:
            original = {alias.asname or alias.name: alias.name for alias in one.names}[name]
            return _text_of(importlib.import_module(one.module), original)
        targets = one.targets if isinstance(one, ast.Assign) else [getattr(one, "target", None)]
        named = any(isinstance(target, ast.Name) and target.id == name for target in targets)
        if named and isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            return inspect.cleandoc(following.value.value)
    return f":class:`{type(getattr(module, name)).__name__}`"


def _page(name: str, title: str) -> str:
    module: ModuleType = importlib.import_module(name)
    kinds: dict[str, list[str]] = {"Functions": [], "Classes": [], "Values": [], "Modules": []}
    for public in sorted(set(module.__all__) - {"__version__"}, key=str.casefold):
        kinds[_kind(getattr(module, public))].append(public)
    summary = inspect.getdoc(module).split("\n\n")[0]
    lines = [title, "=" * len(title), "", f".. module:: {name}", ""]
    lines += [f"Module ``{name}``. {summary}", ""]
    for kind in ("Functions", "Classes"):
        if kinds[kind]:
            lines += [kind, "-" * len(kind), "", ".. autosummary::", "    :toctree: generated", ""]
            lines += [*(f"    {one}" for one in kinds[kind]), ""]
    if kinds["Values"]:
        lines += ["Values", "------", ""]
    for value in kinds["Values"]:
        text = textwrap.indent(_text_of(module, value), "   ")
        lines += [f".. py:data:: {value}", "", text, ""]
    if name == "scmamba":
        lines += [".. autoclass:: scmamba._settings.Settings", ""]
    return "\n".join(lines)


def _write(app) -> None:
    folder = Path(app.srcdir) / "api"
    for name, title in TITLES.items():
        path, text = folder / f"{name.removeprefix('scmamba.')}.rst", _page(name, title)
        if not path.exists() or path.read_text() != text:  # unchanged pages are not built again
            path.write_text(text)


def setup(app) -> dict[str, bool]:
    """Write the pages before Sphinx looks for pages."""
    app.connect("config-inited", lambda app, config: _write(app))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
