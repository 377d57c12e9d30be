# SPDX-License-Identifier: GPL-2.0-or-later
"""What is fuzzed."""

from . import checking, configs, guests, images, traces

TARGETS = {**images.TARGETS, **guests.TARGETS, **configs.TARGETS, **traces.TARGETS, **checking.TARGETS}
"""By name: ``scripts/fuzz NAME``."""
