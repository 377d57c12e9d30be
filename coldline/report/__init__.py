# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes verdicts, memory maps and the rules' automaton for people and programs.

`model` is a verdict's report as data, and `reporters` has a module for each of its formats. The other modules show a
guest's memory (`layout`, `memory_map`, `map_drawing`) and the automaton of a byte (`automaton`, `automaton_drawing`).
"""
