# SPDX-License-Identifier: GPL-2.0-or-later
"""OP-TEE in the survey: where its header says that it is loaded."""

from pathlib import Path

import pytest

from testbed.survey.op_tee import HeaderError, words_of

QEMU = bytes.fromhex("4f505445 02 01 0000 01000000 00000000 0000100e 00000000 a8030800")
"""The header of Debian 13's OP-TEE for QEMU: one image, at 0x0e100000."""


def board(folder: Path, name: str, header: bytes | None = None) -> Path:
    made = folder / name
    made.mkdir()
    if header is not None:
        (made / "tee-header_v2.bin").write_bytes(header)
    return made


def test_an_image_is_where_its_header_says(tmp_path: Path) -> None:
    folder = board(tmp_path, "vexpress-qemu_armv8a", QEMU)
    found = words_of(folder)
    assert found is not None
    file, words = found
    assert file == folder / "tee-pager_v2.bin"
    assert words[:4] == ("--load", "0xe100000", "--entry", "0xe100000")


def test_a_board_without_a_header_is_known_by_its_name(tmp_path: Path) -> None:
    found = words_of(board(tmp_path, "rockchip-rk3588"))
    assert found is not None
    assert found[0].name == "tee.elf"
    assert words_of(board(tmp_path, "toaster")) is None


@pytest.mark.parametrize("header", [b"", QEMU[:20], b"X" + QEMU[1:], QEMU[:4] + b"\1" + QEMU[5:]])
def test_what_is_no_header(tmp_path: Path, header: bytes) -> None:
    with pytest.raises(HeaderError, match=r"tee-header_v2\.bin: is no header of OP-TEE"):
        words_of(board(tmp_path, "vexpress-qemu_armv8a", header))
