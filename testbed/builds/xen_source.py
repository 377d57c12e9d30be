# SPDX-License-Identifier: GPL-2.0-or-later
"""Xen's source, from Debian's source package."""

from pathlib import Path

from testbed.packages.upstream_source import upstream_source

__all__ = ["xen_source"]


def xen_source(version: str, *, suite: str | None = None) -> Path:
    """Return the folder of Xen's source by its version, such as ``4.17``: see `upstream_source`."""
    return upstream_source("xen", version, suite=suite)
