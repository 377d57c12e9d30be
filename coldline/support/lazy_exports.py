# SPDX-License-Identifier: GPL-2.0-or-later
"""Lazy package exports: a name is imported when it is first used, so that a command loads only what it needs."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazily(package: str, modules: Mapping[str, tuple[str, ...]]) -> Callable[[str], Any]:
    """Return a package's ``__getattr__``, which imports its exports on first use.

    Parameters
    ----------
    package : str
        The package's name.
    modules : mapping
        Exported names, by the submodule that defines them.
    """
    where = {name: module for module, names in modules.items() for name in names}

    def get(name: str) -> Any:
        if name not in where:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{package}.{where[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return get
