# SPDX-License-Identifier: GPL-2.0-or-later
"""The planner's reasons for its placements."""

import pytest

from coldline.guest import GuestOptions, make_plan
from coldline.guest.reasons import Reason
from coldline.image import Kernel, KernelPiece

MIB, GIB = 1 << 20, 1 << 30


def kernel(*pieces: tuple[int, int], fixed: bool = False) -> Kernel:
    return Kernel(
        path="Image",
        architecture="arm64",
        format="Image",
        pieces=tuple(KernelPiece(address, memoryview(bytes(4096)), size) for address, size in pieces),
        entry=pieces[0][0],
        fixed=fixed,
    )


@pytest.mark.parametrize(
    ("of", "memory", "initrd", "want"),
    [
        (kernel((0, 2 * MIB)), 256 * MIB, None, {"kernel": Reason.OFFSET, "dtb": Reason.MIDDLE}),
        (
            kernel((0, 2 * MIB)),
            256 * MIB,
            MIB,
            {"kernel": Reason.OFFSET, "initrd": Reason.MIDDLE, "dtb": Reason.BEHIND_INITRD},
        ),
        (kernel((0, 2 * MIB)), 64 * MIB, None, {"kernel": Reason.OFFSET, "dtb": Reason.TOP}),
        (kernel((2 * MIB, 2 * MIB)), 4 * MIB, None, {"dtb": Reason.BELOW, "kernel": Reason.OFFSET}),
        (
            kernel((0x40000000, MIB), (0x40200000, MIB), fixed=True),
            256 * MIB,
            None,
            {"kernel": Reason.FIXED, "kernel-2": Reason.FIXED, "dtb": Reason.MIDDLE},
        ),
        (
            kernel((0, MIB), (MIB + 16, MIB)),
            256 * MIB,
            None,
            {"kernel": Reason.OFFSET, "kernel-2": Reason.SAME_FILE, "dtb": Reason.MIDDLE},
        ),
    ],
)
def test_segments(of: Kernel, memory: int, initrd: int | None, want: dict[str, Reason]) -> None:
    data = None if initrd is None else memoryview(bytes(initrd))
    plan = make_plan(of, GuestOptions(memory=memory, initrd=data))
    assert {segment.name: segment.reason for segment in plan.segments} == want


def test_banks() -> None:
    plan = make_plan(kernel((0, MIB)), GuestOptions(memory=4 * GIB))
    assert [bank.reason for bank in plan.banks] == [Reason.FIRST_RAM, Reason.NEXT_RAM]


def test_a_reason_is_a_rule_with_a_name_and_a_phrase() -> None:
    assert Reason.BEHIND_INITRD.rule == "behind-initrd"
    for reason in Reason:
        assert (reason.value == "") == (reason is Reason.UNSAID)
        assert "\n" not in reason.value
        assert len(reason.value) < 80
