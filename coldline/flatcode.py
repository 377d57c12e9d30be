# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes what Numba compiled into machine code that needs nothing outside of itself.

Numba compiles each function by itself and ties them to one another, and to what raises exceptions in Python,
by addresses that a loader fills in. Linked into one program in which only the entries can be seen from outside,
the compiler inlines across all of them and finds that nothing is ever raised; what is left calls only itself.
Imported only to compile.
"""

import re
import struct
from collections.abc import Mapping
from typing import Any

from llvmlite import binding

_ATTRIBUTES = re.compile(r"^(attributes #\d+ = \{)(.*)\}$", re.MULTILINE)
_ROUNDS = 2
"""Of optimisation: the first inlines what can raise, the second drops what is never raised."""

_NEEDED = (b".rela.text", b".rel.text", b".text.", b".rodata", b".data", b".bss")
"""Sections of a program that needs more than its code; names begin so."""

_SYMBOL = struct.Struct("<IBBHQQ")
"""Elf64_Sym: name, info, other, section, value, size (System V ABI, 'Symbol Table')."""


def flatten(exports: Mapping[str, Any]) -> tuple[bytes, dict[str, int]] | None:
    """One piece of machine code that can be mapped anywhere.

    Parameters
    ----------
    exports : mapping of str to function
        The entries, compiled with `numba.cfunc`.

    Returns
    -------
    code : bytes
        The machine code.
    entries : dict of str to int
        Where in it each function begins.

    None where the code needs more than itself: constants in memory, functions of others.
    """
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        codemodel="small",
    )
    program = _optimised(_linked(exports), {each._wrapper_name for each in exports.values()}, machine)
    built = machine.emit_object(program)
    listed = binding.object_file.ObjectFileRef.from_data(built).sections()
    sections = {section.name() or b"": section.data() for section in listed if section.size()}
    if any(name.startswith(_NEEDED) for name in sections):
        return None
    code, symbols, names = sections[b".text"], sections[b".symtab"], sections[b".strtab"]
    values = {_name(names, name): value for name, _, _, _, value, _ in _SYMBOL.iter_unpack(symbols)}
    return code, {name: values[each._wrapper_name.encode()] for name, each in exports.items()}


def _name(names: bytes, at: int) -> bytes:
    return names[at : names.index(b"\0", at)]


def _linked(exports: Mapping[str, Any]) -> binding.ModuleRef:
    program = binding.parse_assembly("")
    for function in exports.values():
        program.link_in(binding.parse_bitcode(function._library._final_module.as_bitcode()))
    return binding.parse_assembly(_ATTRIBUTES.sub(_attributes, str(program)))


def _attributes(group: re.Match[str]) -> str:
    """Without jump tables, which would be data outside of the code; and an entry need not call its function."""
    return f'{group[1]} "no-jump-tables"="true"{group[2].replace(" noinline ", " ")}}}'


def _optimised(
    program: binding.ModuleRef, entries: set[str], machine: binding.TargetMachine
) -> binding.ModuleRef:
    for each in (*program.functions, *program.global_variables):
        if not each.is_declaration and each.name not in entries:
            each.linkage = "internal"
    tuning = binding.create_pipeline_tuning_options(speed_level=3)
    # Vectors need constants in memory; our loops have nothing for them.
    tuning.loop_vectorization = tuning.slp_vectorization = False
    builder = binding.create_pass_builder(machine, tuning)
    for _ in range(_ROUNDS):
        builder.getModulePassManager().run(program, builder)
    return program
