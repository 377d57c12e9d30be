# SPDX-License-Identifier: GPL-2.0-or-later
"""Firmware on QEMU's machine: the machine, its devices, and Debian's U-Boot and EDK2 running on it.

The machine is compared with the device tree of QEMU's machine, and the flash with the command set's manual.
"""

import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import libfdt
import pytest

import tests.helpers.tiny_guests as a64
from coldline.errors import PlanError, UsageError
from coldline.frontends.unicorn.devices import Flash, Pl011, Pl031
from coldline.guest import GuestOptions, Plan, machine_layout, make_plan
from coldline.image import Kernel, KernelPiece, RawPlacement, load_kernel
from tests.helpers.command import Cli
from tests.helpers.requirements import require

MIB = 1 << 20
VIRT = machine_layout("virt")
UART = 0x0900_0000
RAM = 0x4000_0000
COHERENT, HAZARD, ERROR, INCONCLUSIVE = 0, 1, 2, 3


def firmware(content: bytes = bytes(64)) -> Kernel:
    piece = KernelPiece(0, memoryview(content), len(content))
    return Kernel(path="fw.bin", architecture="arm64", format="raw", pieces=(piece,), entry=0, fixed=True)


def plan(content: Kernel | None = None, **options: Any) -> Plan:
    return make_plan(
        content or firmware(), GuestOptions(memory=128 * MIB, layout=VIRT, in_flash=True, **options)
    )


# -- the machine -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[2, 3], ids=["gicv2", "gicv3"])
def trees(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """coldline's tree of the machine, and QEMU's."""
    require(shutil.which("qemu-system-aarch64"), "no qemu-system-aarch64 to ask for its machine's tree")
    path = tmp_path_factory.mktemp("qemu") / "virt.dtb"
    machine = f"virt,gic-version={request.param},dumpdtb={path}"
    subprocess.run(
        [
            "qemu-system-aarch64",
            "-machine",
            machine,
            "-cpu",
            "cortex-a53",
            "-m",
            "128",
            "-nodefaults",
            "-display",
            "none",
        ],
        check=True,
        capture_output=True,
    )
    ours = plan(gic_version=request.param).segments[1].data
    return libfdt.Fdt(bytes(ours[:])), libfdt.Fdt(path.read_bytes())


def node_of(tree: Any, compatible: str) -> int:
    """The node below the root with that `compatible`."""
    node = int(tree.first_subnode(0))
    while True:
        found = tree.getprop(node, "compatible", quiet=(libfdt.NOTFOUND,))
        if not isinstance(found, int) and compatible.encode() in bytes(found).split(b"\0"):
            return node
        node = int(tree.next_subnode(node))


@pytest.mark.parametrize("compatible", ["arm,pl011", "arm,pl031"])
def test_a_device_is_where_qemu_has_it(trees: tuple[Any, Any], compatible: str) -> None:
    for name in ("compatible", "reg", "interrupts", "clock-names"):
        said = [bytes(tree.getprop(node_of(tree, compatible), name)) for tree in trees]
        assert said[0] == said[1], name


def test_the_interrupt_controller_is_where_qemu_has_it(trees: tuple[Any, Any]) -> None:
    registers = []
    for tree in trees:
        parent = int.from_bytes(bytes(tree.getprop(0, "interrupt-parent")), "big")
        node = tree.node_offset_by_phandle(parent)
        registers.append(
            (bytes(tree.getprop(node, "reg"))[:32], bytes(tree.getprop(node, "#interrupt-cells")))
        )
    assert registers[0] == registers[1]


def test_ram_and_root_are_qemus(trees: tuple[Any, Any]) -> None:
    ours, theirs = (
        (
            bytes(tree.getprop(tree.path_offset("/memory@40000000"), "reg")),
            bytes(tree.getprop(0, "compatible")),
        )
        for tree in trees
    )
    assert ours == theirs


def test_the_second_flash_is_qemus(trees: tuple[Any, Any]) -> None:
    """QEMU's tree has both; the firmware runs from the first, which coldline's tree leaves out."""
    ours, theirs = (bytes(tree.getprop(node_of(tree, "cfi-flash"), "reg")) for tree in trees)
    both = struct.unpack(">QQQQ", theirs)
    assert (VIRT.firmware, VIRT.variables) == (both[:2], both[2:])
    assert struct.unpack(">QQ", ours) == both[2:]
    widths = [bytes(tree.getprop(node_of(tree, "cfi-flash"), "bank-width")) for tree in trees]
    assert widths[0] == widths[1]


def test_a_plan_of_firmware_starts_in_flash_with_its_tree_at_the_start_of_ram() -> None:
    made = plan()
    assert [(bank.base, bank.size, bank.flash) for bank in made.banks] == [
        (0, 64 * MIB, True),
        (RAM, 128 * MIB, False),
    ]
    assert [(each.name, each.address) for each in made.segments] == [("firmware", 0), ("dtb", RAM)]
    assert (made.registers.pc, made.registers.general) == (0, (0, 0, 0, 0))


def test_firmware_fills_the_flash_and_no_more() -> None:
    full = firmware(bytes(64 * MIB))
    assert plan(full).segments[0].size == 64 * MIB
    with pytest.raises(
        PlanError, match=r"fw.bin: 67108868 bytes at 0x0 do not fit into the flash \(0x0-0x4000000\)"
    ):
        plan(firmware(bytes(64 * MIB + 4)))


def test_no_flash_no_firmware() -> None:
    with pytest.raises(PlanError, match="machine xenvm has no flash for firmware"):
        make_plan(firmware(), GuestOptions(memory=128 * MIB, in_flash=True))
    with pytest.raises(UsageError, match="no machine 'q35'; choose from: xenvm, virt, raspi3b, raspi4b"):
        machine_layout("q35")


@pytest.mark.parametrize(("gic", "most"), [(2, 8), (3, 123)])
def test_as_many_vcpus_as_qemu_takes(gic: int, most: int) -> None:
    plan(gic_version=gic, vcpus=most)
    with pytest.raises(PlanError, match=f"{most + 1} vCPUs: a GICv{gic} supports 1 to {most}"):
        plan(gic_version=gic, vcpus=most + 1)


def test_a_kernel_for_qemus_machine_finds_its_devices() -> None:
    kernel = Kernel(
        path="Image",
        architecture="arm64",
        format="Image",
        pieces=(KernelPiece(0, memoryview(bytes(64)), 4 * MIB),),
        entry=0,
        fixed=False,
    )
    made = make_plan(kernel, GuestOptions(memory=512 * MIB, layout=VIRT))
    tree = libfdt.Fdt(bytes(made.segments[-1].data[:]))
    assert struct.unpack(">QQ", bytes(tree.getprop(node_of(tree, "arm,pl011"), "reg"))) == (UART, 0x1000)
    assert node_of(tree, "arm,cortex-a15-gic") > 0
    assert [bank.flash for bank in made.banks] == [False]


# -- devices ---------------------------------------------------------------------------------------------------

BLOCK = 256 << 10


def both(value: int) -> int:
    """The answer of two 16-bit chips side by side."""
    return value << 16 | value


@pytest.fixture
def flash() -> Flash:
    return Flash(0x0400_0000, 64 * MIB)


def test_an_erased_flash_reads_as_ones(flash: Flash) -> None:
    assert [flash.read(12, size) for size in (1, 2, 4, 8)] == [0xFF, 0xFFFF, 0xFFFF_FFFF, (1 << 64) - 1]


def test_the_query_is_of_intels_command_set(flash: Flash) -> None:
    """CFI publication 100: "QRY" from 0x10, the command set (1: Intel's) at 0x13, the chip's size at 0x27."""
    flash.write(0x55 * 4, 4, both(0x98))
    assert [flash.read(4 * (0x10 + index), 4) for index in range(4)] == [both(code) for code in (*b"QRY", 1)]
    assert flash.read(4 * 0x27, 4) == both(25), "two chips of 2^25 bytes"
    regions = flash.read(4 * 0x2C, 4)
    blocks, size = (
        (flash.read(4 * (at + 1), 4) & 0xFF) << 8 | flash.read(4 * at, 4) & 0xFF for at in (0x2D, 0x2F)
    )
    assert (regions, (blocks + 1) * size * 256 * 2) == (both(1), 64 * MIB)
    flash.write(0, 4, both(0xFF))
    assert flash.read(0x40, 4) == 0xFFFF_FFFF


def test_programming_clears_bits_and_erasing_sets_them(flash: Flash) -> None:
    for value in (0xFFFF_0FF0, 0x0FFF_FFFF):
        flash.write(BLOCK, 4, both(0x40))
        flash.write(BLOCK, 4, value)
        assert flash.read(BLOCK, 4) == both(0x80), "ready"
    flash.write(BLOCK, 4, both(0xFF))
    assert flash.read(BLOCK, 4) == 0x0FFF_0FF0
    assert flash.read(BLOCK + 4, 4) == 0xFFFF_FFFF
    for command in (0x20, 0xD0):
        flash.write(BLOCK, 4, both(command))
    flash.write(BLOCK, 4, both(0xFF))
    assert flash.read(BLOCK, 4) == 0xFFFF_FFFF


def test_a_buffer_is_programmed_word_by_word(flash: Flash) -> None:
    flash.write(0, 4, both(0xE8))
    assert flash.read(0, 4) == both(0x80)
    flash.write(0, 4, both(1))  # two words
    for offset, value in ((8, 0x1234_5678), (12, 0x9ABC_DEF0)):
        flash.write(offset, 4, value)
    flash.write(0, 4, both(0xD0))
    flash.write(0, 4, both(0xFF))
    assert flash.read(8, 8) == 0x9ABC_DEF0_1234_5678
    assert flash.read(10, 2) == 0x1234


def test_identification_locking_and_status(flash: Flash) -> None:
    flash.write(0, 4, both(0x90))
    assert (flash.read(0, 4), flash.read(4, 4)) == (both(0x89), both(0x18)), "Intel's J3"
    for command in (0x60, 0xD0):  # unlock
        flash.write(0, 4, both(command))
    flash.write(0, 4, both(0x70))
    assert flash.read(0, 4) == both(0x80)


def test_the_console_says_what_it_is() -> None:
    """Arm DDI 0183, 3.3.15 and 3.3.16: a PL011 of revision r1p4 is 0x00_1_41_011."""
    printed: list[int] = []
    uart = Pl011(UART, printed.append)
    identity = sum((uart.read(0xFE0 + 4 * index, 4) & 0xFF) << 8 * index for index in range(4))
    assert (identity & 0xFFF, identity >> 12 & 0xFF) == (0x011, 0x41)
    assert [uart.read(0xFF0 + 4 * index, 4) for index in range(4)] == [0x0D, 0xF0, 0x05, 0xB1]
    uart.write(0x30, 4, 0x301)
    uart.write(0x00, 4, ord("x"))
    assert (uart.read(0x30, 4), uart.read(0x18, 4), printed) == (0x301, 0x90, [ord("x")])


def test_the_clock_stands_where_it_was_set() -> None:
    clock = Pl031(0x0901_0000)
    assert (clock.read(0, 4), clock.read(0xC, 4)) == (0, 1)
    clock.write(8, 4, 1_000_000_000)
    assert clock.read(0, 4) == 1_000_000_000
    assert [clock.read(0xFE0 + 4 * index, 4) for index in range(2)] == [0x31, 0x10]


# -- small firmware --------------------------------------------------------------------------------------------


def boot(cli: Cli, path: Path, *arguments: object, status: int = INCONCLUSIVE) -> Any:
    """Boot firmware that never turns its caches on."""
    found = cli("boot", "--bios", path, "--memory", "16M", "--json", *arguments)
    assert (found.status, found.err) == (status, "")
    return json.loads(found.out)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def put(program: a64.Code) -> Path:
        path = tmp_path / "firmware.bin"
        path.write_bytes(a64.bytes_of(program))
        return path

    return put


def test_it_stops_once_the_console_has_printed_a_text(cli: Cli, write: Any) -> None:
    path = write(a64.code(a64.say(b"no: ye, yes!", UART), a64.b(0)))
    document = boot(cli, path, "--until", "console:yes")
    assert (document["end"], document["console"]) == ("console", "no: ye, yes")
    assert [each["name"] for each in document["segments"]] == ["firmware", "dtb"]
    shown = cli("boot", "--bios", path, "--memory", "16M", "--until", "console:yes")
    assert "the guest printed 'yes' after" in shown.out


def test_a_text_that_never_comes_is_inconclusive(cli: Cli, write: Any) -> None:
    path = write(a64.code(a64.say(b"no", UART), a64.b(0)))
    document = boot(cli, path, "--max-instructions", 1000, "--until", "console:a\x1bb")
    assert document["end"] == "instructions"
    assert document["inconclusive_because"][1] == r"the run ended before the guest printed 'a\x1bb'"


def test_a_store_to_the_flash_it_runs_from_changes_nothing(cli: Cli, write: Any, tmp_path: Path) -> None:
    """EDK2 does this: its modules run in place, and some store to their variables there."""
    program = a64.code(
        a64.mov(1, 0x2000),
        a64.mov(3, 0xFFF0_0000),
        a64.store_w(3, 1),
        a64.ldr_w(2, 1),
        a64.mov(4, UART),
        a64.add(2, 2, ord("0")),
        a64.store_w(2, 4),
        a64.off(),
    )
    trace = tmp_path / "a.trace"
    assert boot(cli, write(program), "--trace", trace)["console"] == "0"
    lines = trace.read_text().splitlines()
    assert "guest read 0x2000 4" in lines
    assert not any(line.startswith("guest write 0x2000") for line in lines)


def test_a_command_for_the_flash_it_runs_from_is_a_fault(cli: Cli, write: Any) -> None:
    document = boot(cli, write(a64.code(a64.mov(1, 0x154), a64.mov(3, 0x98), a64.strb(3, 1))))
    assert document["end"] == "fault"
    assert document["fault"] == (
        "the guest gave the flash that it was loaded to the command 0x98, at 0x154 by 0x8: "
        "that flash is only read here"
    )


def test_the_second_flash_and_the_clock_are_there(cli: Cli, write: Any) -> None:
    program = a64.code(
        a64.mov(4, UART),
        a64.mov(1, VIRT.variables.base if VIRT.variables else 0),
        a64.mov(3, 0x90),
        a64.store_w(3, 1),
        a64.ldrb(2, 1),  # Intel's number, 0x89
        a64.subs(2, 2, 0x89 - ord("A")),
        a64.store_w(2, 4),
        a64.mov(1, 0x0901_0000),
        a64.ldr_w(2, 1, 0xFE0),  # the part, 0x31: "1"
        a64.store_w(2, 4),
        a64.off(),
    )
    assert boot(cli, write(program))["console"] == "A1"


# Where firmware of one line goes wrong: it runs from flash, with its MMU and caches off.
@pytest.mark.parametrize(
    ("strategy", "kinds"),
    [("none", {"stale-fetch"}), ("flush", set()), ("uncached", set()), ("hypercall", set())],
)
def test_what_was_loaded_to_flash_is_checked_as_ram_is(
    cli: Cli, write: Any, strategy: str, kinds: set[str]
) -> None:
    status = HAZARD if kinds else INCONCLUSIVE
    document = boot(cli, write(a64.off()), "--host", "rfc", "--strategy", strategy, status=status)
    assert {hazard["kind"] for hazard in document["hazards"]} == kinds
    assert document["hazards"][:1] == [] or document["hazards"][0]["address"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--machine", "xenvm"], "--bios: machine xenvm has no flash to start from; virt has"),
        (["--machine", "q35"], "no machine 'q35'; choose from: xenvm, virt, raspi3b, raspi4b"),
        (["--append", "quiet"], "--append is for a kernel and cannot be used with --bios"),
        (["--initrd", "x"], "--initrd is for a kernel and cannot be used with --bios"),
        (["--load", "0x0"], "--load is for a kernel and cannot be used with --bios"),
        (["--sample", "midway-arm64"], "give one of IMAGE, --sample NAME and --bios FILE, not more"),
        (["--until", "console:"], "--until console:TEXT takes a TEXT of 1 to 1000 characters"),
        (
            ["--until", "consol:x"],
            "--until takes mmu, psci, off, console:TEXT or a number of instructions, not 'consol:x'",
        ),
    ],
)
def test_what_cannot_be_is_said(cli: Cli, write: Any, arguments: list[str], message: str) -> None:
    found = cli("boot", "--bios", write(a64.off()), *arguments)
    assert (found.status, found.out, found.err) == (ERROR, "", f"coldline: {message}\n")


# -- Debian's ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "architecture"),
    [(0x1400_000A, "arm64"), (0xEA00_00B8, "arm32"), (0xD503_201F, "arm64"), (0x0A00_00B8, "arm64")],
    ids=["b of A64", "b of A32", "nop of A64", "beq of A32"],
)
def test_firmware_is_for_whose_branch_it_begins_with(
    cli: Cli, tmp_path: Path, first: int, architecture: str
) -> None:
    path = tmp_path / "firmware.bin"
    path.write_bytes(struct.pack("<16I", first, *[0] * 15))
    found = cli("plan", "--bios", path)
    assert (found.status, found.err) == (COHERENT, "")
    made = load_kernel(path, raw=RawPlacement(None, 0, 0))
    assert made.architecture == architecture
    assert load_kernel(path, raw=RawPlacement("arm32", 0, 0)).architecture == "arm32"


def test_u_boot_turns_its_mmu_on(cli: Cli, debian_u_boot: Path) -> None:
    """U-Boot first relocates itself to the end of RAM, and invalidates only by set/way. Its caches are off then."""
    path = debian_u_boot / "qemu_arm64" / "u-boot.bin"
    found = cli("boot", "--bios", path, "--until", "mmu", "--host", "rfc", "--no-order", "--json")
    document = json.loads(found.out)
    assert (found.status, document["end"], document["verdict"]) == (INCONCLUSIVE, "mmu", "inconclusive")
    assert "U-Boot 20" in document["console"]
    assert document["accesses"] > 100_000


@pytest.mark.parametrize(
    ("host", "kinds"), [(None, {"lost-write"}), ("warm-reset", {"lost-write"}), ("clean-reset", set())]
)
def test_u_boot_needs_a_reset_that_invalidates(
    cli: Cli, debian_u_boot: Path, host: str | None, kinds: set[str]
) -> None:
    """It writes to RAM with its MMU off, with no maintenance before: docs/findings/u-boot-relocation.md."""
    path = debian_u_boot / "qemu_arm64" / "u-boot.bin"
    named = ("--host", host) if host is not None else ()
    found = cli("boot", "--bios", path, "--until", 100_000, *named, "--json", "--hazards", 1)
    document = json.loads(found.out)
    assert (document["host"], document["host_by_default"]) == (host or "warm-reset", host is None)
    assert {hazard["kind"] for hazard in document["hazards"]} == kinds


def test_edk2_prints_its_banner(cli: Cli, debian_edk2_arm64: Path) -> None:
    """Its MMU and caches are on before it first writes to RAM, so junk of a warm reset does not matter."""
    found = cli("boot", "--bios", debian_edk2_arm64, "--until", "console:UEFI firmware (version", "--json")
    document = json.loads(found.out)
    assert (found.status, document["end"], document["verdict"]) == (COHERENT, "console", "coherent")
    assert document["host"] == "warm-reset"


@pytest.mark.long
def test_u_boot_relocates_past_the_caches(cli: Cli, debian_u_boot: Path) -> None:
    """Xen's map of all RAM may fill caches above the copy; set/way is trapped only later.

    See docs/findings/u-boot-relocation.md.
    """
    path = debian_u_boot / "qemu_arm64" / "u-boot.bin"
    host = ("--strategy", "hypercall", "--host", "xen-4.17-arm64", "--no-order")
    found = cli("boot", "--bios", path, "--until", "mmu", *host, "--json")
    document = json.loads(found.out)
    assert (found.status, document["hazards_found"]) == (HAZARD, 8)
    assert {hazard["kind"] for hazard in document["hazards"]} == {"stale-fetch"}
    first = document["hazards"][0]
    copy = 0x4FEF_7000
    assert (first["pc"], first["address"]) == (copy + 0x1930, copy + 0x1930)
    told = [item.get("event") for item in first["witness"]]
    assert told.index("guest ic ialluis") < told.index("guest icache on")
    assert f"guest write {copy + 0x1930:#x} 8" in told


def test_edk2_on_arm32_keeps_its_stack_below_the_caches(cli: Cli, debian_edk2_arm32: Path) -> None:
    """See docs/findings/edk2-arm32-temporary-ram.md.

    The stories come from a second run, which is identical to the first, also in Thumb code.
    """
    host = ("--strategy", "hypercall", "--host", "xen-4.17-arm32")
    run = ("--until", 195_000, *host, "--json")
    found = cli("boot", "--bios", debian_edk2_arm32, *run)
    document = json.loads(found.out)
    assert (found.status, found.err) == (HAZARD, "")
    first = document["hazards"][0]
    assert (first["kind"], first["pc"]) == ("stale-read", 0xC264)
    assert all(0x4007_C000 <= hazard["address"] < 0x4008_0000 for hazard in document["hazards"])


def by_vcpus(cli: Cli, path: Path, tree: Path, *arguments: object) -> list[Any]:
    """What a run says that depends neither on the number of vCPUs nor on how long it took; all get the same tree."""
    data = plan(vcpus=2).segments[1].data
    assert isinstance(data, memoryview)
    tree.write_bytes(data)
    told = []
    for vcpus in (1, 2):
        machine = ("--machine", "virt", "--dtb-only", tree, "--vcpus", vcpus)
        document = json.loads(cli("boot", "--bios", path, *machine, *arguments, "--json").out)
        kept = (
            "verdict",
            "end",
            "pc",
            "instructions",
            "events",
            "console",
            "hazards",
            "hazards_by_kind",
            "coverage",
        )
        told.append({key: document[key] for key in kept})
    return told


@pytest.mark.long
def test_u_boot_is_the_same_with_a_second_core(cli: Cli, debian_u_boot: Path, tmp_path: Path) -> None:
    """It starts no other core. 4 million instructions: past the point where its caches are on."""
    path = debian_u_boot / "qemu_arm64" / "u-boot.bin"
    one, two = by_vcpus(cli, path, tmp_path / "dtb", "--until", 4_000_000, "--host", "clean-reset")
    assert one == two
    assert (one["coverage"]["turns"], one["end"]) == ([1], "instructions")
    assert one["coverage"]["caches_on"] < 4_000_000
    assert "U-Boot 20" in one["console"]


@pytest.mark.long
def test_u_boot_gets_to_its_prompt_with_a_second_core(cli: Cli, debian_u_boot: Path, tmp_path: Path) -> None:
    path = debian_u_boot / "qemu_arm64" / "u-boot.bin"
    one, two = by_vcpus(cli, path, tmp_path / "dtb", "--until", "console:=> ", "--hazards", 2)
    assert one == two
    assert (one["end"], one["verdict"]) == ("console", "hazard")


def test_edk2_is_the_same_with_a_second_core(cli: Cli, debian_edk2_arm64: Path, tmp_path: Path) -> None:
    run = ("--until", "console:UEFI firmware (version")
    one, two = by_vcpus(cli, debian_edk2_arm64, tmp_path / "dtb", *run)
    assert one == two
    assert (one["end"], one["verdict"]) == ("console", "coherent")


@pytest.mark.long
def test_edk2_goes_on_as_with_one_core(cli: Cli, debian_edk2_arm64: Path, tmp_path: Path) -> None:
    one, two = by_vcpus(cli, debian_edk2_arm64, tmp_path / "dtb", "--until", 200_000_000, "--hazards", 1)
    assert one == two
