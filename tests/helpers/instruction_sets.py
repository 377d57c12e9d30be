# SPDX-License-Identifier: GPL-2.0-or-later
"""One interface to all instruction sets: the same small guests, in each one's instructions and tables.

A test describes a guest once (its accesses, operations, pages and their types); the expected
events are the same for all, except for walks. The encodings of memory types are those of the Arm ARM's tables.
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import tests.helpers.tiny_guests as a64
import tests.helpers.tiny_guests_a32 as a32
from coldline.frontends.unicorn import Until
from coldline.guest.plan import Registers
from tests.helpers.guest_runs import LEVEL1, LEVEL2, LEVEL3, NEVER, WINDOW, Ran, run_loaded, tables
from tests.helpers.tiny_guests import RAM, Code, Insn, code

M, C, I = a64.M, a64.C, a64.I  # noqa: E741


class Page(NamedTuple):
    """A page of the window: its address, its type, and whether fetches are forbidden."""

    address: int
    kind: str
    never: bool = True


class InstructionSet(ABC):
    """The instructions for a test's guest. `prepare` and `sctlr` use register 1, `tlbi` register 7."""

    name: ClassVar[str]
    descriptor: ClassVar[int] = 8
    """Bytes of one."""

    @abstractmethod
    def mov(self, rd: int, value: int) -> Code: ...

    @abstractmethod
    def load(self, rt: int, rn: int, size: int = 4) -> Insn: ...

    @abstractmethod
    def store(self, rt: int, rn: int, size: int = 4) -> Insn: ...

    @abstractmethod
    def maintain(self, op: str, rn: int = 0) -> Insn: ...

    @abstractmethod
    def sctlr(self, bits: int) -> Code:
        """Set M, C and I to those in `bits`."""

    @abstractmethod
    def prepare(self, walks: str = "normal-wb") -> Code:
        """Set the registers of translation; `walks` is the type of reads of the tables."""

    @abstractmethod
    def tlbi(self, address: int | None = None) -> Code:
        """Invalidate the whole TLB, or its entries for an address."""

    @abstractmethod
    def call(self, register: int) -> Insn:
        """A call of the code at the address in a register."""

    @abstractmethod
    def off(self, result: int = 0) -> Code: ...

    @abstractmethod
    def ret(self) -> Insn: ...

    @abstractmethod
    def image(self, program: Code, data: Mapping[int, bytes]) -> bytes: ...

    @abstractmethod
    def run(
        self, program: Code, data: Mapping[int, bytes], until: Until | None = None, *, orders: bool = False
    ) -> Ran: ...

    @abstractmethod
    def page(self, page: Page) -> int:
        """The descriptor of a page."""

    def tables(self, pages: Mapping[int, Page]) -> dict[int, bytes]:
        """2 MiB of write-back memory for code at the start of RAM, and the window's pages above, by number."""
        return tables({index: self.page(each) for index, each in pages.items()})

    def entry(self, index: int) -> int:
        """The address of the descriptor of a page of the window."""
        return RAM + LEVEL3 + 8 * index

    def write_entry(self, index: int, value: int) -> Code:
        """Store a descriptor of a page of the window, at once; changes registers 2, 4 and 5."""
        return code(self.mov(2, self.entry(index)), self.mov(4, value), self.store(4, 2, self.descriptor))

    def walk(self, address: int, kind: str = "normal-wb") -> list[str]:
        """The walk to an address of the code or of the window."""
        at = [LEVEL1 + 8 * (address >> 30), LEVEL2 + 8 * (address >> 21 & 511)]
        at += [LEVEL3 + 8 * (address >> 12 & 511)] if address >= WINDOW else []
        return [f"guest walk {RAM + each:#x} 8 {kind}" for each in at]


class A64(InstructionSet):
    name = "a64"
    _LOADS: ClassVar = {1: a64.ldrb, 2: a64.ldrh, 4: a64.ldr_w, 8: a64.ldr}
    _STORES: ClassVar = {1: a64.strb, 2: a64.strh, 4: a64.store_w, 8: a64.store}
    _TYPES: ClassVar = {"normal-wb": a64.WB, "normal-wt": a64.WT, "normal-nc": a64.NC, "device": a64.DEVICE}

    def mov(self, rd: int, value: int) -> Code:
        return a64.mov(rd, value)

    def load(self, rt: int, rn: int, size: int = 4) -> Insn:
        return self._LOADS[size](rt, rn)

    def store(self, rt: int, rn: int, size: int = 4) -> Insn:
        return self._STORES[size](rt, rn)

    def maintain(self, op: str, rn: int = 0) -> Insn:
        return a64.sys(op, None if op in a64.NO_OPERAND else rn)

    def sctlr(self, bits: int) -> Code:
        return code(a64.mov(1, a64.SCTLR_OFF | bits), a64.msr("sctlr_el1", 1), a64.ISB)

    def prepare(self, walks: str = "normal-wb") -> Code:
        cacheability = {"normal-nc": 0, "normal-wb": 1, "normal-wt": 2}[walks]
        return code(
            a64.mov(1, a64.MAIR),
            a64.msr("mair_el1", 1),
            a64.mov(1, a64.tcr(inner=cacheability, outer=cacheability)),
            a64.msr("tcr_el1", 1),
            a64.mov(1, RAM + LEVEL1),
            a64.msr("ttbr0_el1", 1),
            a64.ISB,
        )

    def tlbi(self, address: int | None = None) -> Code:
        if address is None:
            return code(a64.sys("tlbi vmalle1"), a64.DSB, a64.ISB)
        return code(a64.mov(7, address >> 12), a64.sys("tlbi vae1", 7), a64.DSB, a64.ISB)

    def call(self, register: int) -> Insn:
        return a64.blr(register)

    def off(self, result: int = 0) -> Code:
        return a64.off(result)

    def ret(self) -> Insn:
        return a64.RET

    def image(self, program: Code, data: Mapping[int, bytes]) -> bytes:
        return a64.image(program, data, size=0x20000)

    def run(
        self, program: Code, data: Mapping[int, bytes], until: Until | None = None, *, orders: bool = False
    ) -> Ran:
        registers = Registers(pc=RAM, general=(0, 0, 0, 0), pstate=0x3C5, sctlr=0x00C5_0078)
        return run_loaded(self.image(program, data), registers, core="armv8-a", until=until, orders=orders)

    def page(self, page: Page) -> int:
        return a64.page(page.address, self._TYPES[page.kind], NEVER if page.never else 0)


class A32(InstructionSet):
    """AArch32 with either format of tables."""

    off_bits: ClassVar[int] = a32.SCTLR_OFF

    def mov(self, rd: int, value: int) -> Code:
        return a32.mov(rd, value)

    def load(self, rt: int, rn: int, size: int = 4) -> Insn:
        return a32.load(rt, rn, 0, size)

    def store(self, rt: int, rn: int, size: int = 4) -> Insn:
        return a32.store(rt, rn, 0, size)

    def maintain(self, op: str, rn: int = 0) -> Insn:
        return a32.mcr(op, rn)

    def sctlr(self, bits: int) -> Code:
        return code(a32.mov(1, self.off_bits | bits), a32.mcr("sctlr", 1), a32.ISB)

    def tlbi(self, address: int | None = None) -> Code:
        if address is None:
            return code(a32.mcr("tlbiall"), a32.DSB, a32.ISB)
        return code(a32.mov(7, address), a32.mcr("tlbimva", 7), a32.DSB, a32.ISB)

    def call(self, register: int) -> Insn:
        return a32.blx(register)

    def off(self, result: int = 0) -> Code:
        return a32.off(result)

    def ret(self) -> Insn:
        return a32.bx(14)

    def image(self, program: Code, data: Mapping[int, bytes]) -> bytes:
        return a32.image(program, data)

    def run(
        self, program: Code, data: Mapping[int, bytes], until: Until | None = None, *, orders: bool = False
    ) -> Ran:
        registers = Registers(pc=RAM, general=(0, 0, 0, 0), pstate=0x1D3, sctlr=a32.SCTLR_OFF)
        return run_loaded(self.image(program, data), registers, core="cortex-a15", until=until, orders=orders)


class A32Lpae(A32):
    """Long descriptors: TTBCR.EAE is set, and tables are like those of AArch64 (DDI 0406C B3.6)."""

    name = "a32-lpae"

    def prepare(self, walks: str = "normal-wb") -> Code:
        cacheability = {"normal-nc": 0, "normal-wb": 1, "normal-wt": 2}[walks]
        return code(
            a32.mov(1, a32.EAE | cacheability << 10 | cacheability << 8),
            a32.mcr("ttbcr", 1),
            a32.mov(1, a64.MAIR & 0xFFFF_FFFF),
            a32.mcr("prrr", 1),
            a32.mov(1, 0),
            a32.mcr("nmrr", 1),
            a32.mov(7, RAM + LEVEL1),
            a32.mcrr(7, 1, 2, 0),
            a32.ISB,
        )

    def page(self, page: Page) -> int:
        return A64().page(page)

    def write_entry(self, index: int, value: int) -> Code:
        pair = code(self.mov(4, value & 0xFFFF_FFFF), self.mov(5, value >> 32))
        return code(self.mov(2, self.entry(index)), pair, self.store(4, 2, 8))


class A32Short(A32):
    """Short descriptors, types by TEX, C and B (DDI 0406C B3.8.2, 'C, B, and TEX[2:0] encodings without remap')."""

    name = "a32-short"
    descriptor = 4
    types: ClassVar = {
        "normal-wb": (1, 1, 1),
        "normal-wt": (0, 1, 0),
        "normal-nc": (1, 0, 0),
        "device": (0, 0, 1),
    }
    _FIRST, _SECOND = 0x10000, 0x14000

    def prepare(self, walks: str = "normal-wb") -> Code:
        # TTBR0: RGN is in bits 4:3, IRGN[1] is bit 0 and IRGN[0] bit 6 (B4.1.154)
        cacheability = {"normal-nc": 0, "normal-wb": 1 << 3 | 1 << 6, "normal-wt": 2 << 3 | 1}[walks]
        return code(
            a32.mov(1, 0),
            a32.mcr("ttbcr", 1),
            self._remap(),
            a32.mov(1, RAM + self._FIRST | cacheability),
            a32.mcr("ttbr0", 1),
            a32.ISB,
        )

    def _remap(self) -> Code:
        return []

    def _section(self, page: Page) -> int:
        tex, c, b = self.types[page.kind]
        return page.address | tex << 12 | 3 << 10 | page.never << 4 | c << 3 | b << 2 | 2

    def page(self, page: Page) -> int:
        tex, c, b = self.types[page.kind]
        return page.address | tex << 6 | 3 << 4 | c << 3 | b << 2 | 2 | page.never

    def tables(self, pages: Mapping[int, Page]) -> dict[int, bytes]:
        first = bytearray(0x4000)
        for number, entry in {
            a64.UART >> 20: self._section(Page(a64.UART, "device")),
            RAM >> 20: self._section(Page(RAM, "normal-wb", never=False)),
            (RAM >> 20) + 1: self._section(Page(RAM + (1 << 20), "normal-wb", never=False)),
            WINDOW >> 20: RAM + self._SECOND | 1,
        }.items():
            struct.pack_into("<I", first, 4 * number, entry)
        second = bytearray(0x400)
        for index, page in pages.items():
            struct.pack_into("<I", second, 4 * index, self.page(page))
        return {self._FIRST: bytes(first), self._SECOND: bytes(second)}

    def entry(self, index: int) -> int:
        return RAM + self._SECOND + 4 * index

    def walk(self, address: int, kind: str = "normal-wb") -> list[str]:
        at = [self._FIRST + 4 * (address >> 20)]
        at += [self._SECOND + 4 * (address >> 12 & 255)] if address >= WINDOW else []
        return [f"guest walk {RAM + each:#x} 4 {kind}" for each in at]


class A32ShortRemapped(A32Short):
    """The same with SCTLR.TRE set, and Linux's PRRR and NMRR (linux arch/arm/mm/proc-v7-2level.S, 6.1)."""

    name = "a32-short-tre"
    off_bits = a32.SCTLR_OFF | a32.TRE
    # n is TEX[0], C, B: 7 write-back write-allocate, 2 write-through, 1 non-cacheable, 4 device
    types: ClassVar = {
        "normal-wb": (1, 1, 1),
        "normal-wt": (0, 1, 0),
        "normal-nc": (0, 0, 1),
        "device": (1, 0, 0),
    }

    def _remap(self) -> Code:
        return code(a32.mov(1, 0xFF0A_81A8), a32.mcr("prrr", 1), a32.mov(1, 0x40E0_40E0), a32.mcr("nmrr", 1))


INSTRUCTION_SETS = {each.name: each() for each in (A64, A32Short, A32ShortRemapped, A32Lpae)}
