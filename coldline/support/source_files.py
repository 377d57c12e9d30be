# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the source files of this package that a module depends on, and their digest, without importing them.

Compiled code contains constants of other modules. So the compiled code of a module is valid only for the text of that
module and of all modules that it imports, directly or indirectly.
"""

import ast
import hashlib
import re
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent

_IMPORT = re.compile(
    r"^from (?P<module>coldline[\w.]*) import (?:\((?P<block>[^)]*)\)|(?P<names>[^\n#]*))", re.MULTILINE
)
"""Imports at the top level of a module. Indented ones, in functions or only for type checkers, do not match: they
give no constant to compiled code."""


def files_of(module: str) -> tuple[Path, ...]:
    """Return the source files of a module and of all that it imports from this package, sorted.

    Parameters
    ----------
    module : str
        The module's full name, such as ``coldline.support.cache_folder``.

    Raises
    ------
    ModuleNotFoundError
        If there is no such module.
    """
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file_of(name)
        if path is None:
            raise ModuleNotFoundError(f"no module named {name!r}", name=name)
        if path not in found:
            found.add(path)
            waiting += _imports_of(path)
    return tuple(sorted(found))


def digest_of(module: str, *, meaning: bool) -> str:
    """Return a digest of a module's files: of their text, or if `meaning`, without comments and docstrings."""
    digest = hashlib.sha256()
    for path in files_of(module):
        digest.update(f"{path.relative_to(PACKAGE)}\0".encode())
        text = _text_of(path)
        digest.update(_meaning(text).encode() if meaning else text)
        digest.update(b"\0")
    return digest.hexdigest()


@cache
def _imports_of(path: Path) -> tuple[str, ...]:
    names = []
    for found in _IMPORT.finditer(_text_of(path).decode()):
        module = found["module"]
        for item in re.sub(r"#[^\n]*", "", found["block"] or found["names"]).split(","):
            if item.strip():
                submodule = f"{module}.{item.split(' as ')[0].strip()}"
                names.append(submodule if _file_of(submodule) is not None else module)
    return tuple(names)


@cache
def _text_of(path: Path) -> bytes:
    return path.read_bytes()


@cache
def _file_of(module: str) -> Path | None:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    for candidate in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@cache
def _meaning(text: bytes) -> str:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_text(each)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _is_text(node: ast.AST) -> bool:
    """Return whether a statement is only a string: a docstring, or the description of the line before it."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
