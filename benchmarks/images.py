# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares the time to load a kernel, plain and with each compression, with the least possible time.

Times are the least of some runs in milliseconds, also as ratios to one of these:

    read      a read of the whole file, and nothing else
    library   the library's own decompression of bytes in memory, in one call if it has one

The kernel is an arm64 Image, Debian's unless one is given. The tools that compress it must be installed.

Usage: python benchmarks/images.py [--runs N] [IMAGE]
"""

import argparse
import bz2
import lzma
import sys
import tempfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.timing import best
from coldline.image import load_kernel
from coldline.image.compression import codec_of, decompress
from coldline.image.content import Allowance, Content
from testbed.packages.kernels import kernel
from tests.helpers.images import PACKERS, pack

MOST = 1 << 30


def library(name: str) -> Callable[[bytes], object] | None:
    """The library's decompression in one call; None if it has none for whole files of the format."""
    if name == "gzip":
        return lambda data: zlib.decompress(data, 16 + zlib.MAX_WBITS)
    if name == "bzip2":
        return bz2.decompress
    if name in ("xz", "lzma"):
        return lzma.decompress
    if name == "zstd":
        from backports import zstd

        return zstd.decompress
    if name == "lz4":
        from lz4 import frame

        decompress: Callable[[bytes], object] = frame.decompress
        return decompress
    return None


def row(name: str, seconds: float, against: str, least: float) -> None:
    print(f"{name:14} {seconds * 1e3:9.1f} ms   {seconds / least:5.2f} times {against}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("image", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    path = options.image or kernel("arm64")
    image = path.read_bytes()
    print(f"{path.name}: {len(image) / 1e6:.1f} MB")
    least = best(options.runs, path.read_bytes)
    row("plain", best(options.runs, lambda: load_kernel(path)), "read", least)
    with tempfile.TemporaryDirectory() as folder:
        for name in PACKERS:
            packed = pack(name, image, "-1")
            file = Path(folder) / "kernel"
            file.write_bytes(packed)
            assert load_kernel(file).pieces[0].data == image
            whole = library(name)
            if whole is None:
                row(name, best(options.runs, partial(load_kernel, file)), "read", least)
            else:
                seconds = best(options.runs, partial(unpacked, packed))
                row(name, seconds, "library", best(options.runs, partial(whole, packed)))


def unpacked(data: bytes) -> object:
    content = Content("kernel", memoryview(data), Allowance(MOST))
    codec = codec_of(content.data)
    assert codec is not None
    return decompress(content, codec)


if __name__ == "__main__":
    main()
