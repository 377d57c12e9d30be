# SPDX-License-Identifier: GPL-2.0-or-later
"""The hashes of a FIT's images.

Source: U-Boot doc/usage/fit/source_file_format.rst, "Hash nodes"; boot/image-fit.c, fit_image_check_hash (2023.01).
Hashes detect damage, not forgery; that would need signatures, which are not checked.
"""

import binascii
import zlib
from collections.abc import Callable
from functools import partial

from coldline.image.content import Content
from coldline.image.flat_tree import FlatTree


def _digest(algorithm: str, data: memoryview) -> bytes:
    import hashlib  # imported only when needed, as it loads a large library

    return hashlib.new(algorithm, data, usedforsecurity=False).digest()


_ALGORITHMS: dict[str, Callable[[memoryview], bytes]] = {
    "crc16-ccitt": lambda data: binascii.crc_hqx(data, 0).to_bytes(2, "big"),
    "crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    **{name: partial(_digest, name) for name in ("md5", "sha1", "sha256", "sha384", "sha512")},
}


def check_hashes(content: Content, tree: FlatTree, image: str, node: int, data: memoryview) -> None:
    """Check every hash of an image. An image without hashes is accepted.

    Parameters
    ----------
    content : Content
        The FIT.
    tree : FlatTree
        Its tree.
    image, node
        The image's name and node.
    data : memoryview
        Its bytes.

    Raises
    ------
    ImageError
        If a hash does not match, has an unknown algorithm, or is incomplete.
    """
    known: dict[str, bytes] = {}
    for name, child in tree.children(node).items():
        if name.partition("-")[0].partition("@")[0] != "hash":
            continue
        where = f"'{name}' of its image '{image}'"
        properties = tree.properties(child)
        if "uboot-ignore" in properties:
            continue
        if "algo" not in properties or "value" not in properties:
            raise content.error(f"{where} has no {'value' if 'algo' in properties else 'algo'}")
        algorithm = bytes(properties["algo"][:32]).rstrip(b"\0").decode("latin-1")
        if algorithm not in _ALGORITHMS:
            raise content.error(
                f"{where} has unknown algo '{algorithm}'; supported are {', '.join(_ALGORITHMS)}"
            )
        if algorithm not in known:
            known[algorithm] = _ALGORITHMS[algorithm](data)
        stated = properties["value"]
        if stated != known[algorithm]:
            raise content.error(
                f"{where} says {algorithm} {bytes(stated[:64]).hex()}, "
                f"but the data has {known[algorithm].hex()}: corrupt"
            )
