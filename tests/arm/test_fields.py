# SPDX-License-Identifier: GPL-2.0-or-later
"""Bit fields, and the encodings of registers and operations, compared with the GNU assembler's."""

import importlib
import pkgutil
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import coldline.arm
from coldline.arm import fields
from coldline.arm.cores import Ctr
from coldline.arm.fields import (
    Descriptor,
    Field,
    FirstLevel,
    Sctlr,
    SctlrV7,
    SecondLevel,
    ShortDescriptor,
    SystemRegister,
    Tcr,
    TcrEl2,
    Ttbcr,
    Ttbr,
)
from coldline.arm.maintenance import BEYOND_COHERENCY, MAINTENANCE, TLBI_CRN
from coldline.events import Op
from tests.helpers.requirements import require

# -- one field -----------------------------------------------------------------------------------------------

bounds = st.integers(0, 63).flatmap(lambda lsb: st.tuples(st.integers(lsb, 63), st.just(lsb)))


@given(bounds, st.data())
def test_what_is_put_is_got(bits: tuple[int, int], data: st.DataObject) -> None:
    field = Field(*bits)
    value = data.draw(st.integers(0, (1 << (field.msb - field.lsb + 1)) - 1))
    register = data.draw(st.integers(0, (1 << 64) - 1))
    assert field.get(field.put(value)) == value
    assert field.get(register & ~field.mask | field.put(value)) == value
    assert field.put(value) & ~field.mask == 0


@given(bounds)
def test_a_mask_has_its_bits_and_no_others(bits: tuple[int, int]) -> None:
    msb, lsb = bits
    assert Field(msb, lsb).mask == sum(1 << bit for bit in range(lsb, msb + 1))


@given(bounds, st.integers())
def test_a_field_takes_what_fits_and_nothing_else(bits: tuple[int, int], value: int) -> None:
    field = Field(*bits)
    if 0 <= value < 1 << (field.msb - field.lsb + 1):
        assert field.put(value) == value << field.lsb
    else:
        with pytest.raises(ValueError, match=rf"does not fit bits {field.msb}:{field.lsb}"):
            field.put(value)


@pytest.mark.parametrize("value", [64, 1 << 20, -1, -(1 << 70)])
def test_an_overflow_names_the_value_and_the_bits(value: int) -> None:
    with pytest.raises(ValueError, match=f"^{value:#x} does not fit bits 21:16$"):
        Tcr.T1SZ.put(value)


# -- where fields are ----------------------------------------------------------------------------------------

# Typed from the register descriptions in the Arm ARM DDI 0487: SCTLR_EL1, TCR_EL1, CTR_EL0, and "VMSAv8-64
# descriptor formats".
FIELDS = {
    Sctlr: {"M": "0", "C": "2", "I": "12"},
    Tcr: {
        "T0SZ": "5:0",
        "EPD0": "7",
        "IRGN0": "9:8",
        "ORGN0": "11:10",
        "TG0": "15:14",
        "T1SZ": "21:16",
        "EPD1": "23",
        "IRGN1": "25:24",
        "ORGN1": "27:26",
        "TG1": "31:30",
        "IPS": "34:32",
        "DS": "59",
    },
    TcrEl2: {"PS": "18:16", "DS": "32"},
    Ctr: {"DMIN_LINE": "19:16", "CWG": "27:24", "IDC": "28", "DIC": "29"},
    Descriptor: {
        "VALID": "0",
        "TABLE": "1",
        "ATTR_INDEX": "4:2",
        "ADDRESS": "47:12",
        "LPA_ADDRESS": "15:12",
        "LPA2_ADDRESS": "49:12",
        "LPA2_TOP": "9:8",
        "PXN": "53",
        "PXN_TABLE": "59",
    },
    # From the Arm ARM DDI 0406C: SCTLR, TTBCR, TTBR0, and B3.5.1's figures.
    SctlrV7: {"V": "13", "EE": "25", "TRE": "28", "AFE": "29", "TE": "30"},
    Ttbcr: {"N": "2:0", "PD0": "4", "PD1": "5", "T0SZ": "2:0", "T1SZ": "18:16", "EAE": "31"},
    Ttbr: {"IRGN_1": "0", "RGN": "4:3", "IRGN_0": "6"},
    ShortDescriptor: {"TYPE": "1:0", "B": "2", "C": "3"},
    FirstLevel: {
        "TABLE_PXN": "2",
        "TABLE_ADDRESS": "31:10",
        "PXN": "0",
        "XN": "4",
        "DOMAIN": "8:5",
        "ACCESS_FLAG": "10",
        "TEX": "14:12",
        "SUPERSECTION": "18",
        "SECTION_ADDRESS": "31:20",
        "SUPERSECTION_ADDRESS": "31:24",
        "SUPERSECTION_35_32": "23:20",
        "SUPERSECTION_39_36": "8:5",
    },
    SecondLevel: {
        "ACCESS_FLAG": "4",
        "SMALL_XN": "0",
        "SMALL_TEX": "8:6",
        "SMALL_ADDRESS": "31:12",
        "LARGE_TEX": "14:12",
        "LARGE_XN": "15",
        "LARGE_ADDRESS": "31:16",
    },
}


@pytest.mark.parametrize("layout", list(FIELDS), ids=lambda layout: layout.__name__)
def test_fields_are_where_the_manual_has_them(layout: type[object]) -> None:
    declared = {name: field for name, field in vars(layout).items() if isinstance(field, Field)}
    typed = {
        name: Field(int(bits.split(":")[0]), int(bits.split(":")[-1]))
        for name, bits in FIELDS[layout].items()
    }
    assert declared == typed


# -- where registers are -------------------------------------------------------------------------------------


def _registers() -> dict[str, SystemRegister]:
    """Every register that a module of `coldline.arm` defines, by the assembler's name."""
    found = {}
    for info in pkgutil.iter_modules(coldline.arm.__path__):
        for name, value in vars(importlib.import_module(f"coldline.arm.{info.name}")).items():
            if isinstance(value, SystemRegister):
                found[name.lower()] = value
    return found


def _operations() -> dict[str, SystemRegister]:
    return {**MAINTENANCE, **BEYOND_COHERENCY}


def _words_of(assembly: list[str], folder: Path) -> list[int]:
    """Assemble instructions; return the 32 bits of each."""
    tools = [f"aarch64-linux-gnu-{tool}" for tool in ("as", "objcopy")]
    require(all(map(shutil.which, tools)), "no aarch64-linux-gnu-as and objcopy")
    source, binary = folder / "words.s", folder / "words.o"
    source.write_text("".join(f"{line}\n" for line in assembly))
    subprocess.run([tools[0], "-march=armv8.5-a", "-o", binary, source], check=True)
    flat = folder / "words.bin"
    subprocess.run([tools[1], "-O", "binary", "-j", ".text", binary, flat], check=True)
    content = flat.read_bytes()
    assert len(content) == 4 * len(assembly)
    return [int.from_bytes(content[at : at + 4], "little") for at in range(0, len(content), 4)]


def test_there_are_registers_to_compare() -> None:
    registers = _registers()
    assert {"sctlr_el1", "tcr_el1", "mair_el1", "ttbr0_el1", "ttbr1_el1", "hcr_el2"} <= set(registers)
    assert len(set(registers.values())) == len(registers)


def test_registers_are_where_the_assembler_has_them(tmp_path: Path) -> None:
    registers = _registers()
    reads = _words_of([f"mrs x0, {name}" for name in registers], tmp_path)
    for (name, register), word in zip(registers.items(), reads, strict=True):
        assert word >> 20 == 0xD53, name  # MRS: 1101 0101 0011
        assert (register.op0, register.op1) == (2 + (word >> 19 & 1), word >> 16 & 7), name
        assert (register.crn, register.crm, register.op2) == (
            word >> 12 & 0xF,
            word >> 8 & 0xF,
            word >> 5 & 7,
        ), name
        assert register.key == word >> 5 & 0xFFFF, name


def test_operations_are_where_the_assembler_has_them(tmp_path: Path) -> None:
    operations = _operations()
    no_address = ("ic iallu", "ic ialluis")
    words = _words_of([name if name in no_address else f"{name}, x0" for name in operations], tmp_path)
    for (name, operation), word in zip(operations.items(), words, strict=True):
        assert word >> 19 == 0xD508 >> 3, name  # SYS: 1101 0101 0000 1, op0 being 1
        assert word & 0x1F == (31 if name in no_address else 0), name
        assert operation.key == word >> 5 & 0xFFFF, name


def test_writes_are_encoded_as_reads_are(tmp_path: Path) -> None:
    writable = {name: r for name, r in _registers().items() if not name.startswith("cnt")}
    words = _words_of([f"msr {name}, x0" for name in writable], tmp_path)
    assert [word >> 20 for word in words] == [0xD51] * len(words)
    assert [word >> 5 & 0xFFFF for word in words] == [register.key for register in writable.values()]


def test_translation_invalidations_are_known_by_crn(tmp_path: Path) -> None:
    words = _words_of(["tlbi vmalle1", "tlbi vmalle1is", "tlbi vae1is, x0", "tlbi alle2"], tmp_path)
    assert {word >> 12 & 0xF for word in words} == {TLBI_CRN}


def test_every_maintenance_operation_of_a_trace_has_an_encoding() -> None:
    words = {op.words for op in Op if op.words.startswith(("dc ", "ic "))}
    assert words == set(MAINTENANCE)


@given(
    st.tuples(st.integers(0, 3), st.integers(0, 7), st.integers(0, 15), st.integers(0, 15), st.integers(0, 7))
)
def test_keys_keep_every_part(parts: tuple[int, int, int, int, int]) -> None:
    key = SystemRegister(*parts).key
    assert (key >> 14, key >> 11 & 7, key >> 7 & 15, key >> 3 & 15, key & 7) == parts


def test_the_module_of_fields_names_what_it_declares() -> None:
    assert fields.SCTLR_EL1.key == 0b11_000_0001_0000_000
