# SPDX-License-Identifier: GPL-2.0-or-later
"""What the check knows: the state of every line, and which agents have which pages mapped."""
