# SPDX-License-Identifier: GPL-2.0-or-later
"""Shows what was judged, planned and determined.

`model` has the report of a verdict as data, and `reporters` a file for each of its formats. The rest shows a guest's
memory (`layout`, `memory_map`, `map_drawing`) and the automaton of a byte (`automaton`, `automaton_drawing`).
"""
