# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of order: what a core has issued is complete only at its own barrier.

`line_rules` lets every event take effect at once. Here a core's maintenance and its stores past the caches are
*pending* until a barrier of the same core completes them, instruction caches are per core, and a core may execute
instructions that it prefetched before a context synchronisation event. ``docs/reference/order.md`` explains the
rules.
"""
