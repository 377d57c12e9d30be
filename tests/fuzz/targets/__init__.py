# SPDX-License-Identifier: GPL-2.0-or-later
"""What is fuzzed."""

from . import checking, images, traces

TARGETS = {**images.TARGETS, **traces.TARGETS, **checking.TARGETS}
"""By name: ``scripts/fuzz NAME``."""
