# SPDX-License-Identifier: GPL-2.0-or-later
"""Imports libraries that only some kernel formats need."""

import importlib
from typing import Any

from coldline.errors import MissingDependencyError
from coldline.image.content import Content


def import_library(content: Content, module: str, what: str) -> Any:
    """Import a library of the extra ``images``.

    Parameters
    ----------
    content : Content
        The content that needs it.
    module : str
        The library's module name.
    what : str
        What `content` is, as text that follows ``is``.

    Raises
    ------
    MissingDependencyError
        If it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{content.error(f'is {what}')}, which needs {module}: install coldline[images]"
        ) from error
