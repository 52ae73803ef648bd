"""Options of a command, read from source files: help must not wait for torch and anndata.

A command passes on ``**options`` to a function of ``tasks``, whose parameters become options too.
Both are found here in the text of their modules; nothing is imported but what an annotation needs.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import scmamba

_ROOT = Path(scmamba.__file__).parent
_SECTION = re.compile(r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", re.MULTILINE | re.DOTALL)
Function = ast.FunctionDef


@dataclass(frozen=True)
class Module(Mapping[str, Any]):
    """Names of a module as its text defines them; those of other packages are imported.

    Attributes
    ----------
    name
        Full name of the module.
    """

    name: str

    def __getitem__(self, name: str) -> Any:
        for module, node in self.definitions(name):
            if isinstance(node, ast.Import):
                return importlib.import_module(name)
            if isinstance(node, ast.expr):
                return module.value(node)
            return getattr(importlib.import_module(module.name), name)
        return getattr(builtins, name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def value(self, node: ast.expr) -> Any:
        """Evaluate an annotation or a default."""
        return eval(ast.unparse(node), {"__builtins__": {}}, self)

    def definitions(self, name: str) -> Iterator[tuple[Module, ast.AST]]:
        """Follow imports to the module that defines a name, and give its assignment or body."""
        for node in ast.walk(_tree(self.name)):
            if isinstance(node, ast.Import) and any(name == one.name for one in node.names):
                yield self, node
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    if name == (alias.asname or alias.name):
                        yield from _imported(node.module, alias.name)
        for node in _tree(self.name).body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if any(isinstance(one, ast.Name) and one.id == name for one in targets):
                    yield self, node.value
            elif (
                isinstance(node, ast.ClassDef | Function)
                and node.name == name
                and not _is_overload(node)
            ):
                yield self, node


def _imported(module: str, name: str) -> Iterator[tuple[Module, ast.AST]]:
    """Find what ``from module import name`` gives."""
    if module.split(".")[0] == scmamba.__name__:
        yield from Module(module).definitions(name)
    else:
        yield Module(module), ast.Pass()


@cache
def _tree(module: str) -> ast.Module:
    """Text of a module of this package, parsed; empty where there is none."""
    path = _ROOT.joinpath(*module.split(".")[1:])
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if module.split(".")[0] == scmamba.__name__ and file.is_file():
            return ast.parse(file.read_text(encoding="utf-8"))
    return ast.Module([], [])


def _is_overload(node: ast.ClassDef | Function) -> bool:
    return any(isinstance(one, ast.Name) and one.id == "overload" for one in node.decorator_list)


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return a function of the same name that spells out what ``**options`` stands for.

    Parameters
    ----------
    command
        A command. Where its options cannot be read from source files, it is returned as it is.
    """
    module = Module(command.__module__)
    try:
        _, node = next(module.definitions(command.__name__))
        if not isinstance(node, Function):
            return command
        own, told = _parameters(module, node), [_documented(node)]
        if node.args.kwarg is not None:
            others, text = _passed_on(module, node)
            own += [one for one in others if one.name not in {p.name for p in own}]
            told.insert(0, text)
    except (LookupError, AttributeError, StopIteration):
        return command

    def spelled_out(**_: Any) -> None:
        """Stand for the command in the parser."""

    spelled_out.__name__ = command.__name__
    spelled_out.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
    spelled_out.__annotations__ = {one.name: one.annotation for one in own}
    entries = "\n".join(told)
    spelled_out.__doc__ = f"{command.__doc__}".split("\n")[0] + (
        f"\n\nParameters\n----------\n{entries}\n"
    )
    return spelled_out


def _parameters(
    module: Module, node: Function, n_positional: int = 0, given: Collection[str | None] = ()
) -> list[inspect.Parameter]:
    """Parameters of a function but for ``**kwargs`` and for those that a call gives it."""
    args, found = node.args, []
    positional = [*args.posonlyargs, *args.args]
    missing = [None] * (len(positional) - len(args.defaults))
    pairs = [
        *zip(positional, [*missing, *args.defaults], strict=True),
        *zip(args.kwonlyargs, args.kw_defaults, strict=True),
    ]
    for i, (arg, default) in enumerate(pairs[n_positional:], n_positional):
        if arg.arg in given:
            continue
        by_name = i >= len(positional)
        found.append(
            inspect.Parameter(
                arg.arg,
                inspect.Parameter.KEYWORD_ONLY
                if by_name or given
                else inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=inspect.Parameter.empty if default is None else module.value(default),
                annotation=Any if arg.annotation is None else module.value(arg.annotation),
            )
        )
    return found


def _passed_on(module: Module, node: Function) -> tuple[list[inspect.Parameter], str]:
    """Parameters that the command leaves to the function it calls, and what is said of them."""
    assert node.args.kwarg is not None
    options = node.args.kwarg.arg
    for call in ast.walk(node):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        passes = [word.value for word in call.keywords if word.arg is None]
        if not any(isinstance(one, ast.Name) and one.id == options for one in passes):
            continue
        where, target = next(module.definitions(call.func.id))
        if not isinstance(target, Function) or target.args.kwarg is not None:
            break
        given = {word.arg for word in call.keywords}
        return _parameters(where, target, len(call.args), given), _documented(target)
    raise LookupError(options)


def _documented(node: Function) -> str:
    """Entries of the section ``Parameters`` of a docstring."""
    found = _SECTION.search(ast.get_docstring(node) or "")
    return found[1].strip("\n") if found else ""
