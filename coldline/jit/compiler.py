# SPDX-License-Identifier: GPL-2.0-or-later
"""Compiles one program: ``python -m coldline.jit.compiler MODULE`` writes its packed code to standard output."""

import importlib
import sys

from coldline.jit.linker import flatten
from coldline.jit.packed_code import pack_code

if __name__ == "__main__":
    sys.stdout.buffer.write(pack_code(flatten(importlib.import_module(sys.argv[1]).EXPORTS)))
