# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles a folder's tests as pytest does, with its `assert`s rewritten.

On the host, dom0's version of Python runs this with dom0's pytest: `compiled_tests.py FOLDER NAME PATH…`. NAME is the
folder's name in dom0, and the PATHs are those of pytest and its dependencies. In dom0, pytest uses the compiled files
if the source is unchanged: by its size and time, or, from pytest 9 on, by its hash
(pytest _pytest/assertion/rewrite.py).
"""

import ast
import inspect
import sys
from importlib.util import source_hash
from pathlib import Path
from typing import Any


def main(folder: Path, name: str) -> None:
    """Write a compiled file beside each test."""
    from _pytest.assertion import rewrite

    target = folder / "__pycache__"
    target.mkdir(exist_ok=True)
    for path in (*folder.glob("test_*.py"), folder / "conftest.py"):
        source = path.read_bytes()
        tree = ast.parse(source)
        rewrite.rewrite_asserts(tree, source, f"{name}/{path.name}")
        code = compile(tree, f"{name}/{path.name}", "exec", dont_inherit=True)
        with (target / f"{path.stem}{rewrite.PYC_TAIL}").open("wb") as file:
            by_hash = "source_hash" in inspect.signature(rewrite._write_pyc_fp).parameters  # pytest 9
            key: Any = source_hash(source) if by_hash else path.stat()
            rewrite._write_pyc_fp(file, key, code)


if __name__ == "__main__":
    sys.path[:0] = sys.argv[3:]
    main(Path(sys.argv[1]), sys.argv[2])
