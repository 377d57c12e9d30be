# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels, initrds and device trees from untrusted files.

`load_kernel` returns a `Kernel` with checked headers, `load_blob` the bytes of any other file. `open_kernel` and
`open_blob` leave the bytes in the file where possible. All of them read within limits, allocate no memory by a size
that only the file claims, and raise only typed errors.
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
