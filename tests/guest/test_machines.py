# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of the machines that guests are built for."""

import pytest

from coldline.guest.machines import machine_hint


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (0x08FFFFFF, ""),
        (0x09000000, "; machine virt has a serial port there (--machine virt)"),
        (0x09000FFF, "; machine virt has a serial port there (--machine virt)"),
        (0x09001000, ""),
        (0x22000018, "; machine xenvm has a serial port there (--machine xenvm)"),
        (1 << 63, ""),
    ],
)
def test_a_serial_port_tells_the_machine(address: int, said: str) -> None:
    """Source: qemu hw/arm/virt.c (7.2), base_memmap; xen xen/include/public/arch-arm.h (4.17), GUEST_PL011_BASE."""
    assert machine_hint(address) == said
