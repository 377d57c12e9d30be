# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels, initrds and device trees from files of unknown honesty.

`load_kernel` gives a `Kernel` whose headers have been checked, `load_blob` the bytes of any other file; `open_kernel`
and `open_blob` leave them in it. All read within limits, allocate by nothing that a file says of itself, and fail
with typed errors only.
"""

from coldline.image.file_bytes import FileBytes
from coldline.image.kernel import Kernel, KernelPiece
from coldline.image.load import (
    MAX_IMAGE,
    MAX_UNPACKED,
    RawPlacement,
    load_blob,
    load_kernel,
    open_blob,
    open_kernel,
)

__all__ = [
    "MAX_IMAGE",
    "MAX_UNPACKED",
    "FileBytes",
    "Kernel",
    "KernelPiece",
    "RawPlacement",
    "load_blob",
    "load_kernel",
    "open_blob",
    "open_kernel",
]
