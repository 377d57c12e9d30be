# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of a vCPU that differs between instruction sets: registers, calls and exceptions."""

import abc
import ctypes
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import unicorn
from unicorn import unicorn_const as const
from unicorn.unicorn_py3 import unicorn as unicorn_module

from coldline.frontends.unicorn.callbacks import Callbacks
from coldline.frontends.unicorn.state import State
from coldline.mmu.registers import Changes

if TYPE_CHECKING:
    from coldline.events import Op
    from coldline.guest.plan import Registers

_SHARED_HOOKS: tuple[tuple[int, str, tuple[int, ...]], ...] = (
    (const.UC_HOOK_MEM_READ, "on_read", ()),
    (const.UC_HOOK_MEM_WRITE, "on_write", ()),
    (const.UC_HOOK_BLOCK, "on_block", ()),
    (const.UC_HOOK_TLB_FILL, "on_tlb_fill", ()),
)


class CoreState(abc.ABC):
    """The emulated core of one instruction set.

    Parameters
    ----------
    model : str
        The emulator's core model.
    exception_level : int
        The one that it starts at, 1 to 3, and the highest that it has.

    Attributes
    ----------
    emulator : unicorn.Uc
        The emulator, without memory.
    """

    ARCHITECTURE: ClassVar[int]
    """The emulator's number for the instruction set."""

    MODELS: ClassVar[Mapping[str, int]]
    """The emulator's core models."""

    PROGRAM: ClassVar[str]
    """The folder of its callbacks in `coldline.frontends.unicorn`."""

    HOOKS: ClassVar[tuple[tuple[int, str, tuple[int, ...]], ...]]
    """Its own callbacks: the kind, the function and the emulator's further arguments."""

    OPERATIONS: ClassVar[Mapping[int, "Op"]]
    """The operations that maintain caches, by the key of their encoding in 14 bits."""

    BARRIERS: ClassVar[Mapping[int, "Op"]] = {}
    """The operations that are barriers, likewise, apart from instructions of their own."""

    REMAPS: ClassVar[int] = 0
    """The bits of SCTLR that decide the types of mapped memory."""

    PC: ClassVar[int]
    """The emulator's number for the program counter."""

    ARGUMENTS: ClassVar[tuple[int, ...]]
    """Its numbers for the registers of a call: the function, three arguments; the first gets the result."""

    CALLS: ClassVar[frozenset[int]]
    """The emulator's numbers for the exceptions of HVC and SMC, which are calls to a higher exception level."""

    def __init__(self, model: str, exception_level: int) -> None:
        self.exception_level = exception_level
        self.emulator = unicorn.Uc(self.ARCHITECTURE, unicorn.UC_MODE_ARM)
        self.emulator.ctl_set_page_size(4096)
        self.emulator.ctl_set_cpu_model(self.MODELS[model])
        self.emulator.ctl_exits_enabled(True)
        self.emulator.ctl_set_exits([])  # no address ends a run
        self.emulator.ctl_set_tlb_mode(const.UC_TLB_VIRTUAL)
        self._handles: list[Any] = []

    def bind(self, state: State, code: Callbacks) -> None:
        """Register the callbacks, with `state` as their argument."""
        self.state, self.code = state, code
        state["pc_register"] = self.PC
        for kind, name, instruction in (*_SHARED_HOOKS, *self.HOOKS):
            self.hook(kind, name, *instruction)

    def hook(self, kind: int, name: str, *instruction: int, at: int | None = None) -> None:
        """Register one callback: everywhere, or at one address."""
        handle = ctypes.c_size_t()
        begin, end = (1, 0) if at is None else (at, at)
        status = unicorn_module.uclib.uc_hook_add(
            self.emulator._uch,
            ctypes.byref(handle),
            ctypes.c_int(kind),
            ctypes.c_void_p(self.code.addresses[name]),
            ctypes.c_void_p(self.state.pointer),
            ctypes.c_uint64(begin),
            ctypes.c_uint64(end),
            *(ctypes.c_int(number) for number in instruction),
        )
        if status != const.UC_ERR_OK:
            raise unicorn.UcError(status)
        self._handles.append(handle)

    def offer_granules(self, granules: frozenset[int]) -> None:  # noqa: B027
        """Let the guest see that the core has these translation granules, in bytes, if the core can tell it."""

    @property
    @abc.abstractmethod
    def instruction_set(self) -> str:
        """The instruction set in use: ``arm64``, ``arm32`` or ``thumb``."""

    @property
    def pc(self) -> int:
        """The program counter."""
        return int(self.emulator.reg_read(self.PC))

    @abc.abstractmethod
    def reset(self, registers: "Registers") -> None:
        """Give the core its first registers."""

    @abc.abstractmethod
    def registers_at(self, entry: int, context: int, first: "Registers") -> "Registers":
        """Return the registers of a core that PSCI turns on: as at its reset, but for the entry and the context.

        Parameters
        ----------
        entry, context : int
            As CPU_ON has them.
        first : Registers
            The first registers of the first core.
        """

    @abc.abstractmethod
    def resume_at(self) -> int:
        """Return the address to start the emulator at; called before each start."""

    @abc.abstractmethod
    def learn_registers(self) -> Changes:
        """Read the registers that decide accesses' types, after the guest has written one; return the changes."""

    def add_places(self) -> None:
        """Register a callback at each place in the code that was noted."""
        raise NotImplementedError

    @abc.abstractmethod
    def enters_vectors(self, number: int) -> bool:
        """Take an exception to the guest's own vectors, if the emulator can; return whether it can."""

    @abc.abstractmethod
    def culprit(self, number: int) -> int:
        """The address of the instruction that caused an exception."""

    @abc.abstractmethod
    def all_registers(self) -> tuple[int, ...]:
        """Return all registers that instructions compute with."""

    def instructions_in(self, size: int) -> int:
        """The number of instructions of the block of code that is being entered, from its size in bytes."""
        return size >> 2

    def enters_abort_vector(self, address: int, level: int, *, fetch: bool, write: bool) -> bool:
        """Take a translation fault to the guest's own vectors, if possible.

        Parameters
        ----------
        address : int
            The virtual address that has no translation, of an access as that of its page.
        level : int
            The level of the translation table whose descriptor is invalid.
        fetch, write : bool
            Whether the access was an instruction fetch, or a store.
        """
        return False

    def is_semihosting(self, number: int) -> bool:
        """Whether the exception with this number is a semihosting call."""
        return False

    def add_gic(self) -> None:  # noqa: B027
        """Add a GICv3's system registers, if the instruction set's core has them here."""

    def answers_register(self, number: int) -> bool:
        """Whether the exception with this number is an access to a register that only coldline has; if so, do it."""
        return False

    def skip_semihosting(self) -> None:
        """Continue after a semihosting call: by default, the program counter is after it already."""
        return

    def skips_hint(self) -> bool:
        """Whether the emulator took a hint, such as WFE, for an instruction that it does not know; if so, skip it."""
        return False

    def takes_call(self) -> bool:
        """Whether an instruction that the emulator does not know is a call; if so, skip it."""
        return False
