# SPDX-License-Identifier: GPL-2.0-or-later
"""Cached files that were damaged."""


def broken_copies(kept: bytes) -> dict[str, bytes]:
    """A cached file as a power cut, a full disk or a bad disk may leave it."""
    one_entry = bytearray(kept)
    one_entry[len(kept) // 2] ^= 1
    return {
        "empty": b"",
        "zeros": bytes(len(kept)),
        "zeros after byte 128": kept[:128] + bytes(len(kept) - 128),
        "one entry changed": bytes(one_entry),
        "cut short": kept[: len(kept) // 2],
    }
