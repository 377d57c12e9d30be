# SPDX-License-Identifier: GPL-2.0-or-later
"""The fuzz targets."""

from . import checking, configs, consoles, guests, images, reports, traces

_KINDS = (images, guests, configs, consoles, traces, reports, checking)

TARGETS = {name: target for kind in _KINDS for name, target in kind.TARGETS.items()}
"""By name: ``scripts/fuzz NAME``."""
