# SPDX-License-Identifier: GPL-2.0-or-later
"""Parses the modules of ``coldline``, without importing them: the definitions and imports of each."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path

from tests.helpers.repository import ROOT


class When(Enum):
    """When an import is executed."""

    LOADED = "as the module is loaded"
    CALLED = "as a function is called"
    CHECKED = "by a type checker alone"


@dataclass(frozen=True)
class Module:
    """A module.

    Attributes
    ----------
    name : str
        Its dotted name; for an ``__init__.py``, that of its folder.
    path : Path
        Its file.
    tree : ast.Module
        Its source.
    imports : dict
        The modules of ``coldline`` that it imports, a set for each `ImportTime`.
    names : dict
        The module of each name that it imports at the top or for a type checker.
    """

    name: str
    path: Path
    tree: ast.Module
    imports: dict[When, set[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def lines(self) -> int:
        return len(self.path.read_text().splitlines())

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree) or ""


@cache
def modules(package: Path = ROOT / "coldline") -> Mapping[str, Module]:
    """The modules of a package, by their names."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = Module(name, path, ast.parse(path.read_text(), path))
    imports = {module.name: list(_imports(module)) for module in found.values()}
    for module in found.values():
        for when, origin, name in imports[module.name]:
            if name and when is not When.CALLED:
                module.names[name] = origin
    for module in found.values():
        for when in When:
            module.imports[when] = {
                target
                for given, origin, name in imports[module.name]
                if given is when
                for target in _targets(found, origin, name)
            } - {module.name}
    return found


def _targets(found: Mapping[str, Module], origin: str, name: str) -> Iterator[str]:
    """The modules that an import loads, without the packages around them."""
    if f"{origin}.{name}" in found:
        yield f"{origin}.{name}"
    elif origin in found:
        yield origin
        if found[origin].is_package and name in found[origin].names:
            # exported by a package, which may import it as it is asked for
            yield from _targets(found, found[origin].names[name], name)


def _imports(module: Module) -> Iterator[tuple[When, str, str]]:
    """Each import's time, module and name; the name is empty if the module itself is imported."""
    package = module.name.split(".")
    for when, statement in _statements(module.tree.body, When.LOADED):
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield when, alias.name, ""
        else:
            origin = statement.module or ""
            if statement.level:
                above = len(package) - statement.level + module.is_package
                origin = ".".join([*package[:above], *filter(None, [origin])])
            for alias in statement.names:
                yield when, origin, alias.name


def _statements(body: Iterable[ast.AST], when: When) -> Iterator[tuple[When, ast.Import | ast.ImportFrom]]:
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield when, node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _statements(node.body, When.CHECKED)
            yield from _statements(node.orelse, when)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _statements(ast.iter_child_nodes(node), When.CALLED)
        else:
            yield from _statements(ast.iter_child_nodes(node), when)


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The strongly connected components of more than one node, sorted (Tarjan's algorithm)."""
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        numbers[node] = lowest[node] = len(numbers)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in numbers:
                visit(other)
            if other in stack:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == numbers[node]:
            first = stack.index(node)
            if len(stack) - first > 1:
                found.append(sorted(stack[first:]))
            del stack[first:]

    for node in graph:
        if node not in numbers:
            visit(node)
    return sorted(found)


def definitions(tree: ast.Module) -> Iterator[str]:
    """The public names that a module defines at its top: classes, functions, constants and types."""
    for node in tree.body:
        names: list[str] = []
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]
        yield from (name for name in names if not name.startswith("_"))
