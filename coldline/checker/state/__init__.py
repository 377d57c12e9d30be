# SPDX-License-Identifier: GPL-2.0-or-later
"""The state of a check: the state of every line, and which agents have which pages mapped."""
