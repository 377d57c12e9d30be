# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices of the emulated machines, and the bus. The expected values are those of the devices' manuals."""

import pytest

from coldline.frontends.unicorn.aarch64.gic_registers import GicRegisters
from coldline.frontends.unicorn.devices import Bus, Constant, FwCfg, Load
from coldline.frontends.unicorn.devices.gic import (
    CpuInterface,
    Distributor,
    Redistributors,
    VirtualInterfaceControl,
)
from coldline.frontends.unicorn.devices.uarts import make_uart
from coldline.guest.serial_kinds import SERIAL_KINDS, serial_kind_of

END = 1 << 40


@pytest.mark.parametrize("kind", SERIAL_KINDS)
def test_each_kind_of_serial_port_prints_what_is_stored(kind: str) -> None:
    printed: list[int] = []
    port = make_uart(kind, 0x1000, 0x100, printed.append)
    data = {
        "imx": 0x40, "lpuart": 7, "lpuart32": 0x1C, "cadence": 0x30, "exynos4210": 0x20, "stm32": 0x28, "msm": 0x70,
        "mvebu": 4, "scif": 0xC, "at91": 0x1C,
    }.get(kind, 0)  # fmt: skip
    for character in b"ok":
        port.write(data, 1, character)
    port.write(0x3, 1, ord("x")) if data != 0x3 else None
    assert bytes(printed) == b"ok"


@pytest.mark.parametrize(
    ("kind", "register", "ready"),
    [
        ("pl011", 0x18, 0x90),  # UARTFR: TXFE, RXFE; TXFF clear
        ("ns16550", 5, 0x60),  # LSR: THRE, TEMT; DR clear
        ("ns16550-32", 0x14, 0x60),
        ("imx", 0x98, 0x4008),  # USR2: TXFE, TXDC
        ("meson", 0xC, 0x0050_0000),  # STATUS: TX empty, RX empty; TX full clear
        ("cadence", 0x2C, 0x0A),  # SR: TXEMPTY, RXEMPTY
    ],
)
def test_a_serial_port_is_ready(kind: str, register: int, ready: int) -> None:
    assert make_uart(kind, 0x1000, 0x100, lambda character: None).read(register, 4) == ready


@pytest.mark.parametrize(("kind", "line_control"), [("ns16550", 3), ("ns16550-32", 0xC)])
def test_the_divisor_of_a_16550_is_not_printed(kind: str, line_control: int) -> None:
    printed: list[int] = []
    port = make_uart(kind, 0x1000, 0x100, printed.append)
    port.write(line_control, 1, 0x83)
    port.write(0, 1, ord("x"))
    port.write(line_control, 1, 0x03)
    port.write(0, 1, ord("A"))
    assert (bytes(printed), port.read(line_control, 1)) == (b"A", 3)


def test_a_word_of_characters() -> None:
    printed: list[int] = []
    port = make_uart("msm", 0x1000, 0x100, printed.append)
    port.write(0x70, 4, int.from_bytes(b"abc\0", "little"))
    assert bytes(printed) == b"abc"


@pytest.mark.parametrize(
    ("compatible", "kind"), [("arm,pl011", "pl011"), ("snps,dw-apb-uart", "ns16550-32"), ("none", None)]
)
def test_the_kind_by_compatible(compatible: str, kind: str | None) -> None:
    assert serial_kind_of(compatible) == kind


def test_constant_registers() -> None:
    registers = Constant(0x1000, 0x10, 0x1122_3344)
    registers.write(0, 4, 0)
    assert [registers.read(offset, size) for offset, size in ((0, 4), (8, 4), (1, 1), (2, 2), (0, 8))] == [
        0x1122_3344, 0x1122_3344, 0x33, 0x1122, 0x1122_3344_1122_3344,
    ]  # fmt: skip


def bus(*devices: Constant, unknown: bool = False) -> Bus:
    return Bus(devices, [(0x4000_0000, 0x1000_0000)], unknown_reads_zero=unknown, end=END)


def test_the_first_of_two_devices_is_used() -> None:
    both = bus(Constant(0x1010, 4, 7, name="a"), Constant(0x1000, 0x100, 9, name="b"))
    assert both.regions == [(0x1000, 0x1000)]
    assert [both.read(address, 4, pc) for pc, address in enumerate((0x1000, 0x1010, 0x1014, 0x1100))] == [
        9,
        7,
        9,
        0,
    ]
    assert list(both.used) == ["b at 0x1000", "a at 0x1010", "no known device at 0x1000"]
    assert both.last_load == Load("registers", 0x1100, 4, 0, 3)._replace(device="no known device")


def test_everything_but_ram_is_on_the_bus_if_the_user_says_so() -> None:
    assert bus(unknown=True).regions == [(0, 0x4000_0000), (0x5000_0000, END - 0x5000_0000)]
    assert bus(Constant(0x3FFF_FFF0, 0x20)).regions == [(0x3FFF_F000, 0x1000)]


def test_a_gicv2_identifies_itself() -> None:
    """Arm IHI 0048B, 4.3.2, 4.3.12, 4.4.4, 5.3.2."""
    distributor = Distributor(0, 0x1000, version=2)
    assert distributor.read(0xFE8, 4) >> 4 & 0xF == 2
    assert distributor.read(0x4, 4) & 0x1F == 8
    assert distributor.read(0x800, 1) == 1
    assert CpuInterface("", 0, 0x2000).read(0xC, 4) == 1023
    assert VirtualInterfaceControl(0, 0x2000).read(0x4, 4) & 0x3F == 3


def test_interrupts_are_enabled_and_disabled() -> None:
    """Arm IHI 0048B, 4.3.5, 4.3.6: both registers read as the enabled interrupts."""
    distributor = Distributor(0, 0x1000, version=2)
    distributor.write(0x104, 4, 0xF0)
    distributor.write(0x184, 4, 0x30)
    assert (distributor.read(0x104, 4), distributor.read(0x184, 4)) == (0xC0, 0xC0)
    distributor.write(0x421, 1, 0xA0)
    assert distributor.read(0x420, 4) == 0xA000


def test_a_gicv3_identifies_itself() -> None:
    """Arm IHI 0069, 12.9.38, 12.11.34 (TYPER: affinity, number, Last), 12.11.41 (WAKER)."""
    assert Distributor(0, 0x1_0000, version=3).read(0xFFE8, 4) >> 4 & 0xF == 3
    redistributors = Redistributors(0, 0xF6_0000, cores=2)
    assert [redistributors.read(frame + 0x8, 8) for frame in (0, 0x2_0000)] == [0, 1 << 32 | 1 << 8 | 1 << 4]
    assert redistributors.read(0x14, 4) == 0b110
    redistributors.write(0x14, 4, 0)
    assert redistributors.read(0x14, 4) == 0
    assert redistributors.read(0x4_0000 + 0xFFE8, 4) == 0


def test_fw_cfg_items_are_read_byte_by_byte() -> None:
    """qemu docs/specs/fw_cfg.rst (7.2): the selector is big-endian, data is in its order in memory."""
    device = FwCfg(0, 0x18, cores=3)

    def item(key: int, size: int) -> bytes:
        device.write(8, 2, int.from_bytes(key.to_bytes(2, "big"), "little"))
        return b"".join(device.read(0, 1).to_bytes(1, "little") for _ in range(size))

    assert item(0, 4) == b"QEMU"
    assert item(1, 4) == bytes((1, 0, 0, 0))  # no DMA
    assert item(5, 2) == bytes((3, 0))
    assert item(0x19, 4) == bytes(4)
    assert item(0x7777, 2) == bytes(2)
    device.write(8, 2, 0)
    assert device.read(0, 8).to_bytes(8, "little") == b"QEMU" + bytes(4)


def test_a_gicv3_has_system_registers_that_keep_what_is_stored() -> None:
    """As Linux sets them up; MSR and MRS of other registers are not answered."""
    general = {1: 0xF0}

    def insn(place: tuple[int, ...], rt: int, *, read: bool) -> int:
        op0, op1, crn, crm, op2 = place
        return 0xD500_0000 | read << 21 | op0 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5 | rt

    gic = GicRegisters()

    def answer(place: tuple[int, ...], rt: int, *, read: bool) -> bool:
        return gic.answer(insn(place, rt, read=read), general.__getitem__, general.__setitem__)

    pmr, sre, iar1, ctlr = (3, 0, 4, 6, 0), (3, 0, 12, 12, 5), (3, 0, 12, 12, 0), (3, 0, 12, 12, 4)
    assert answer(pmr, 1, read=False)
    assert answer(pmr, 2, read=True)
    assert answer(ctlr, 31, read=False), "xzr"
    for rt, place in enumerate((sre, iar1, ctlr), 3):
        assert answer(place, rt, read=True)
    assert general == {1: 0xF0, 2: 0xF0, 3: 7, 4: 1023, 5: 0x400}
    assert not answer((3, 0, 12, 0, 0), 6, read=True), "VBAR_EL1"
    assert not gic.answer(0xD503_201F, general.__getitem__, general.__setitem__), "nop"
