# SPDX-License-Identifier: GPL-2.0-or-later
"""Links functions that Numba compiled into self-contained machine code.

Numba compiles each function separately. Its calls of other functions, and of functions that raise Python's
exceptions, have addresses that a loader fills in. Here all functions are linked into one program in which only the
entries are visible from outside. The compiler then inlines across all of them and finds that nothing is ever raised,
so the remaining code calls only itself. If it has constants, they are placed after the code; on a processor other
than x86-64, LLVM's loader has to do that. Imported only to compile.
"""

import os
import re
import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from llvmlite import binding
from numba.core import config

_ATTRIBUTES = re.compile(r"^(attributes #\d+ = \{)(.*)\}$", re.MULTILINE)
_ROUNDS = 2
"""Passes of optimisation: the first inlines functions that can raise, the second drops what is never raised."""

_IS_X86_64 = os.uname().machine == "x86_64"
_CODE = b".text"
_CONSTANTS = b".rodata"
"""Prefixes of the names of sections with constants."""

_ELSEWHERE = (b".text.", b".data", b".bss", b".tdata", b".tbss")
"""Prefixes of the names of sections that a program of only code and constants does not have."""

_ALIGNMENT = 64
"""The greatest alignment of a constant, in bytes."""

_SYMBOL = struct.Struct("<IBBHQQ")
"""Elf64_Sym: name, info, other, section, value, size (System V ABI, 'Symbol Table')."""

_RELOCATION = struct.Struct("<QQq")
"""Elf64_Rela: offset, symbol << 32 | type, addend (System V ABI, 'Relocation')."""

_X86_64_PC32, _X86_64_PLT32 = 2, 4
"""Symbol + addend - place, in four bytes (System V ABI, AMD64 supplement, 'Relocation Types')."""


class Flat(NamedTuple):
    """A program.

    Attributes
    ----------
    code : bytes
        Machine code that can be mapped anywhere; or an object file, if that is not possible.
    entries : dict of str to int, or of str to str
        The offset of each function in the code; or each function's symbol in the object file.
    """

    code: bytes
    entries: dict[str, int] | dict[str, str]


def flatten(exports: Mapping[str, Any]) -> Flat:
    """Link functions, and all functions that they call, into one program.

    Parameters
    ----------
    exports : mapping of str to function
        The entries, compiled with `numba.cfunc`.
    """
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=config.CPU_NAME or binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten()
        if config.CPU_FEATURES is None
        else config.CPU_FEATURES,
        opt=3,
        reloc="pic",
        codemodel="small",
    )
    symbols = {name: each._wrapper_name for name, each in exports.items()}
    built = machine.emit_object(_optimised(_linked(exports), set(symbols.values()), machine))
    listed = binding.object_file.ObjectFileRef.from_data(built).sections()
    sections = [(section.name() or b"", section.data() if section.size() else b"") for section in listed]
    flat = _flat(sections)
    if flat is None:
        return Flat(built, symbols)
    code, places = flat
    return Flat(code, {name: places[symbol.encode()] for name, symbol in symbols.items()})


def _flat(sections: list[tuple[bytes, bytes]]) -> tuple[bytes, dict[bytes, int]] | None:
    """The code followed by its constants, and each symbol's offset in it; None if the program has other sections.

    `sections` are the names and contents of sections, by their numbers in the object file.
    """
    if any(data and name.startswith(_ELSEWHERE) for name, data in sections):
        return None
    flat, starts = bytearray(), {}
    for index, (name, data) in enumerate(sections):
        if name == _CODE or name.startswith(_CONSTANTS):
            flat += bytes(-len(flat) % _ALIGNMENT)
            starts[index] = len(flat)
            flat += data
    contents = dict(sections)
    symbols = list(_SYMBOL.iter_unpack(contents[b".symtab"]))
    code_at = next(start for index, start in starts.items() if sections[index][0] == _CODE)
    for offset, info, addend in _RELOCATION.iter_unpack(contents.get(b".rela" + _CODE, b"")):
        _, _, _, section, value, _ = symbols[info >> 32]
        if info & 0xFFFFFFFF not in (_X86_64_PC32, _X86_64_PLT32) or section not in starts or not _IS_X86_64:
            return None
        place = code_at + offset
        flat[place : place + 4] = (starts[section] + value + addend - place).to_bytes(
            4, "little", signed=True
        )
    names = contents[b".strtab"]
    return bytes(flat), {
        names[name : names.index(b"\0", name)]: starts[section] + value
        for name, _, _, section, value, _ in symbols
        if section in starts
    }


def _linked(exports: Mapping[str, Any]) -> binding.ModuleRef:
    program = binding.parse_assembly("")
    for function in exports.values():
        program.link_in(binding.parse_bitcode(function._library._final_module.as_bitcode()))
    return binding.parse_assembly(_ATTRIBUTES.sub(_attributes, str(program)))


def _attributes(group: re.Match[str]) -> str:
    """Disable jump tables, which would be data outside of the code, and let entries inline their functions."""
    return f'{group[1]} "no-jump-tables"="true"{group[2].replace(" noinline ", " ")}}}'


def _optimised(
    program: binding.ModuleRef, entries: set[str], machine: binding.TargetMachine
) -> binding.ModuleRef:
    for each in (*program.functions, *program.global_variables):
        if not each.is_declaration and each.name not in entries:
            each.linkage = "internal"
    tuning = binding.create_pipeline_tuning_options(speed_level=3)
    # It would need constants outside of the code, and gains nothing.
    tuning.loop_vectorization = tuning.slp_vectorization = False
    builder = binding.create_pass_builder(machine, tuning)
    for _ in range(_ROUNDS):
        builder.getModulePassManager().run(program, builder)
    return program
