# SPDX-License-Identifier: GPL-2.0-or-later
"""Takes the plugin's records from the ring, and hands their events over."""

import ctypes
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from coldline.arm.cp15 import CP15_MAINTENANCE
from coldline.arm.maintenance import BEYOND_COHERENCY, MAINTENANCE
from coldline.errors import QemuError
from coldline.events.batch import INSTRUCTION_SIZE, Batch
from coldline.events.event import Event
from coldline.events.layout import EVENT_SIZE
from coldline.events.op import Op
from coldline.events.source import Sink
from coldline.events.words import Buffers
from coldline.frontends.qemu.agents import LOADER, agents_of_core
from coldline.frontends.qemu.command_line import CommandLine
from coldline.frontends.qemu.guests import Guests
from coldline.frontends.qemu.outcome import Watched
from coldline.frontends.qemu.records import CAPACITY, RECORD_SIZE, Head, PluginState, RecordKind
from coldline.frontends.qemu.registers import Vcpus
from coldline.frontends.qemu.session import Session
from coldline.frontends.qemu.shadow import Shadow, beside
from coldline.frontends.qemu.state import (
    AARCH32,
    CP15,
    NEW_VIEW,
    REGISTERS_CHANGED,
    ROWS,
    ROWS_FULL,
    SPARE_ROWS,
    MachineState,
)

_PIECE: Final = 1 << 14
"""Records after which the plugin is told that they were taken."""

_NAP_S: Final = 0.0002
_MASK: Final = CAPACITY - 1
_POINTER, _NUMBER = ctypes.c_void_p, ctypes.c_int64
_OPERATION: Final = (1 << 14) - 1


class Reader:
    """Takes the records, and hands the events over."""

    def __init__(
        self,
        machine: CommandLine,
        session: Session,
        code: dict[str, int],
        sink: Sink,
        *,
        instructions: bool,
        names: Mapping[int, str] | None = None,
        clean: bool = False,
    ) -> None:
        self._ring, self._ram, self._qemu, self._sink = session.ring, session.ram, session.qemu, sink
        self._shadow = Shadow(machine.ram_base, machine.ram_size)
        self.machine = MachineState(
            [(machine.ram_base, memoryview(self._shadow.memory)), *beside(machine)], instructions=instructions
        )
        self._agents = [LOADER, *(name for vcpu in range(machine.vcpus) for name in agents_of_core(vcpu))]
        self._guests = Guests(self.machine, code, self._add_agents, names or {})
        self._vcpus = Vcpus(self.machine, code, self._guests, clean=clean)
        self._rows = Buffers((ROWS + SPARE_ROWS) * EVENT_SIZE)
        self._instructions = Buffers((ROWS + SPARE_ROWS) * INSTRUCTION_SIZE) if instructions else None
        operations = bytearray(CP15 + _OPERATION + 1)
        for words, encoding in (MAINTENANCE | BEYOND_COHERENCY).items():
            op = Op.DC_CVAC if words in BEYOND_COHERENCY else Op[words.replace(" ", "_").upper()]
            operations[encoding.key & _OPERATION] = 1 + op
        for words, place in CP15_MAINTENANCE.items():
            operations[CP15 + place.key] = 1 + Op[words.replace(" ", "_").upper()]
        self.machine.use("maintenance", operations)
        self._consume = ctypes.CFUNCTYPE(_NUMBER, _POINTER, _POINTER, ctypes.c_uint64, _NUMBER)(
            code["consume"]
        )
        self._leave = ctypes.CFUNCTYPE(None, _POINTER)(code["leave"])
        self._gather = ctypes.CFUNCTYPE(None, _POINTER, _POINTER)(code["gather"])
        self._words = (ctypes.c_uint64 * (CAPACITY * RECORD_SIZE // 8)).from_address(self._ring.records)
        self._taken = 0
        self._begins_guest = False
        self._refused = False
        self._take_buffers()

    def _add_agents(self, names: Sequence[str]) -> int:
        """Give agents numbers, and return the first; earlier batches keep their names."""
        self._agents = [*self._agents, *names]
        return len(self._agents) - len(names)

    def _take_buffers(self) -> None:
        self._filled = self._rows.take()
        self.machine.use("rows", self._filled)
        self._filled_instructions = self._instructions.take() if self._instructions is not None else None
        self.machine.use("instruction_rows", self._filled_instructions)
        self.machine["count"] = 0

    def _hand_over(self) -> None:
        count = self.machine["count"]
        if not count:
            return
        rows, at = self._filled, self._filled_instructions

        def give_back() -> None:
            self._rows.give_back(rows)
            if at is not None and self._instructions is not None:
                self._instructions.give_back(at)

        places = None if at is None else memoryview(at)[: count * INSTRUCTION_SIZE]
        batch = Batch(
            self._agents,
            memoryview(rows)[: count * EVENT_SIZE],
            give_back,
            instructions=places,
            begins_guest=self._begins_guest,
        )
        self._begins_guest = False
        self._refused = True  # until the sink returns
        self._sink(batch)
        self._refused = False
        if not batch.kept:
            batch.release()
        self._take_buffers()

    def read(
        self,
        before: Callable[[Sequence[tuple[int, int]]], list[Event]],
        progress: Callable[[int, int], None],
    ) -> None:
        """Read to the end of a machine that is about to execute its first instruction."""
        self._shadow.copy(self._ram)
        self._ring.go()
        events = before(self._shadow.loaded)
        if events:
            self._sink(Batch.of(events))
        try:
            self._read_all(progress)
        finally:
            # Also after an interrupt, so that what there is can be judged.
            if not self._refused:
                self._leave(self.machine.pointer)
                self._hand_over()

    def _read_all(self, progress: Callable[[int, int], None]) -> None:
        while True:
            ended = self._qemu.status is not None
            written = self._ring.written
            if written == self._taken:
                if ended:
                    break
                self._hand_over_if_waiting()
                time.sleep(_NAP_S)
                continue
            while self._taken < written:
                self._step(min(written - self._taken, _PIECE))
            progress(self._ring.instructions, self._ring.accesses)

    def _hand_over_if_waiting(self) -> None:
        """Nothing to do: if the machine waits, let what there is be judged meanwhile."""
        if self.machine["count"] > ROWS // 2:
            self._hand_over()

    def _step(self, count: int) -> None:
        self._taken += self._consume(self.machine.pointer, self._ring.records, self._taken, count)
        reason = self.machine["reason"]
        if reason == REGISTERS_CHANGED:
            self._follow_registers()
        elif reason == NEW_VIEW:
            vcpu, level = self._head(Head.VCPU.lsb, 0xFF), max(self._head(Head.LEVEL.lsb, 7), 1)
            self._leave(self.machine.pointer)
            view = self._vcpus.enter(vcpu, level)
            if self._guests.began:
                self._hand_over()
                self._begins_guest, self._guests.began = True, False
            self._gather(self.machine.pointer, view.pointer)
        elif reason == ROWS_FULL:
            self._hand_over()
        elif reason == AARCH32:
            raise QemuError(
                f"cpu{self._head(Head.VCPU.lsb, 0xFF)} executes AArch32 code above EL0, which is not followed"
                " on a core that has AArch64, too"
            )
        if self.machine["overflow"]:
            raise QemuError(
                "tables changed in more places at once than there is room for: watch fewer ranges"
            )
        self._ring.take(self._taken)

    def _head(self, lsb: int, ones: int) -> int:
        return int(self._words[(self._taken & _MASK) * (RECORD_SIZE // 8)]) >> lsb & ones

    def _follow_registers(self) -> None:
        """Take all records of registers that come next, for one vCPU."""
        vcpu = self._head(Head.VCPU.lsb, 0xFF)
        changed: dict[int, int] = {}
        resumed = bool(self._head(Head.SIZE.lsb, 1))
        while self._taken < self._ring.written and self._head(0, 0xFFFF) == RecordKind.REGISTER | vcpu << 8:
            index = self._head(Head.INDEX.lsb, 0xFFFF)
            changed[index] = int(self._words[(self._taken & _MASK) * (RECORD_SIZE // 8) + 1])
            self._taken += 1
        self.machine["generation"] += 1
        self._vcpus.write(vcpu, changed, resumed=resumed)

    def describe(self, outcome: Watched) -> None:
        """Say how far the machine came."""
        outcome.instructions, outcome.accesses = self._ring.instructions, self._ring.accesses
        for name in ("maintained", "unknown", "unknown_at"):
            setattr(outcome, name, self.machine[name])
        outcome.lost, outcome.waits = self._guests.lost, self._ring.waits
        outcome.guests = self._guests.names_seen
        outcome.loaded = self._shadow.loaded
        status = self._qemu.status
        if status is not None and status < 0:
            outcome.failure = f"QEMU was ended by signal {-status}"
        elif status is not None and self._ring.state != PluginState.ENDED:
            outcome.failure = f"QEMU ended with status {status}, and not by its plugin's leave"
