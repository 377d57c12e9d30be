# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels, initrds and device trees from files of unknown honesty.

`load_kernel` gives a `Kernel` whose header has been checked, `load_blob` the bytes of any other file. Both
read within limits, allocate by nothing that a file says of itself, and fail with `ImageError` only.
"""

from coldline.image.kernel import Kernel
from coldline.image.load import MAX_IMAGE, MAX_UNPACKED, load_blob, load_kernel

__all__ = ["MAX_IMAGE", "MAX_UNPACKED", "Kernel", "load_blob", "load_kernel"]
