# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels that are ELF files.

Source: System V gABI, chapters 4 and 5; the layouts are pyelftools'. Sections are ignored.
"""

import itertools
from typing import Any

from coldline.image.content import Content
from coldline.image.foreign_formats import identify
from coldline.image.kernel import Kernel, KernelPiece
from coldline.image.optional_imports import import_library
from coldline.image.raw import ADDRESS_SPACE_SIZE
from coldline.image.vmlinux import relocate_vmlinux

_MAGIC = b"\x7fELF"
_CLASS_AT, _ORDER_AT = 4, 5
_IDENT_SIZE = 16
_CLASSES = {1: 32, 2: 64}
_LITTLE, _BIG = 1, 2

_ARCHITECTURES = {("EM_ARM", 32): "arm32", ("EM_AARCH64", 64): "arm64"}

_MAX_HEADERS = 256
"""The most program headers; a kernel has a handful."""


def is_elf(data: memoryview) -> bool:
    """Return whether `data` starts like an ELF file."""
    return data[:4] == _MAGIC


def parse_elf(content: Content) -> Kernel:
    """Check the headers of an ELF file and find its segments.

    Segments have their physical addresses (p_paddr), except for a vmlinux, which is relocated. The entry is taken as
    a virtual address if a segment contains it, otherwise as a physical one.

    A segment without bytes in the file, such as a linker's copy of secure code's BSS, only reserves memory. Where it
    overlaps other segments, their bytes stay.

    Raises
    ------
    ImageError
        If the file is truncated, is not a program for little-endian arm, has segments outside the file, past the
        last address or overlapping with bytes in the file, or an entry outside every segment.
    MissingDependencyError
        If pyelftools is not installed.
    """
    data = content.data
    if len(data) < _IDENT_SIZE:
        raise content.error(f"is a truncated ELF file: it has {len(data)} bytes")
    if data[_CLASS_AT] not in _CLASSES:
        raise content.error(f"is an ELF file of unknown class {data[_CLASS_AT]} (at byte 4)")
    if data[_ORDER_AT] not in (_LITTLE, _BIG):
        raise content.error(f"is an ELF file of unknown byte order {data[_ORDER_AT]} (at byte 5)")
    bits = _CLASSES[data[_CLASS_AT]]
    structs = import_library(content, "elftools.elf.structs", "an ELF file").ELFStructs(
        little_endian=data[_ORDER_AT] == _LITTLE, elfclass=bits
    )
    structs.create_basic_structs()
    header = _parse(content, structs.Elf_Ehdr, 0, "its header")
    structs.create_advanced_structs()
    architecture = _ARCHITECTURES.get((header.e_machine, bits))
    if architecture is None:
        raise content.error(f"is {identify(data)}")
    if data[_ORDER_AT] == _BIG:
        raise content.error("is a big-endian ELF file (byte 5): coldline supports little-endian only")
    if header.e_type not in ("ET_EXEC", "ET_DYN"):
        raise content.error(f"is an ELF file of type {header.e_type} (at byte 16), not a program")
    segments = _segments(content, structs, header)
    pieces = _pieces(content, segments, architecture)
    kernel = Kernel(
        path=content.path,
        architecture=architecture,
        format="ELF",
        layers=content.layers,
        pieces=pieces,
        entry=_entry(content, header.e_entry, segments, architecture),
        fixed=True,
    )
    return relocate_vmlinux(content, kernel)


def _parse(content: Content, layout: Any, offset: int, what: str) -> Any:
    size = layout.sizeof()
    found = content.data[offset : offset + size]
    if len(found) < size:
        raise content.error(
            f"is a truncated ELF file: {what} ({size} bytes at byte {offset}) passes its {len(content.data)} bytes"
        )
    return layout.parse(bytes(found))


def _segments(content: Content, structs: Any, header: Any) -> list[Any]:
    """Return the program headers of the PT_LOAD segments, each with a description of its place for messages."""
    count, size = header.e_phnum, structs.Elf_Phdr.sizeof()
    if count > _MAX_HEADERS:
        raise content.error(f"is an ELF file with {count} program headers; the limit is {_MAX_HEADERS}")
    if count and header.e_phentsize != size:
        raise content.error(
            f"is an ELF file whose program headers have {header.e_phentsize} bytes, not {size}"
        )
    found = []
    for number in range(count):
        offset = header.e_phoff + number * size
        segment = _parse(content, structs.Elf_Phdr, offset, f"program header {number}")
        if segment.p_type == "PT_INTERP":
            raise content.error(
                f"is an ELF program that needs an interpreter (program header {number}), not a kernel"
            )
        if segment.p_type == "PT_LOAD" and segment.p_memsz:
            segment.where = f"segment {number} (program header at byte {offset})"
            found.append(segment)
    if not found:
        raise content.error("is an ELF file with nothing to load: it has no PT_LOAD segment")
    return found


def _pieces(content: Content, segments: list[Any], architecture: str) -> tuple[KernelPiece, ...]:
    for each in segments:
        if each.p_filesz > each.p_memsz:
            raise content.error(
                f"its {each.where} has {each.p_filesz} bytes in the file but {each.p_memsz} in memory"
            )
        if each.p_offset + each.p_filesz > len(content.data):
            raise content.error(
                f"is a truncated ELF file: its {each.where} is {each.p_filesz} bytes from byte {each.p_offset} on, "
                f"past its {len(content.data)} bytes"
            )
        if max(each.p_paddr, each.p_vaddr) + each.p_memsz > ADDRESS_SPACE_SIZE[architecture]:
            raise content.error(
                f"its {each.where}, {each.p_memsz} bytes at {each.p_paddr:#x}, passes the last address"
            )
    loaded = sum(each.p_filesz for each in segments)
    if loaded > len(content.data):
        raise content.error(
            f"its segments have {loaded} bytes in all, more than its {len(content.data)}: they overlap in the file"
        )
    ordered = sorted((each for each in segments if each.p_filesz), key=lambda segment: segment.p_paddr)
    for lower, upper in itertools.pairwise(ordered):
        if upper.p_paddr < lower.p_paddr + lower.p_memsz:
            raise content.error(
                f"its {upper.where} starts at {upper.p_paddr:#x}, inside its {lower.where}, "
                f"{lower.p_paddr:#x}-{lower.p_paddr + lower.p_memsz:#x}"
            )
    pieces = [
        KernelPiece(each.p_paddr, content.data[each.p_offset : each.p_offset + each.p_filesz], each.p_memsz)
        for each in ordered
    ]
    for each in segments:
        if not each.p_filesz:
            pieces += _free_parts(each.p_paddr, each.p_paddr + each.p_memsz, pieces, content.data[:0])
            pieces.sort(key=lambda piece: piece.address)
    return tuple(pieces)


def _free_parts(start: int, end: int, pieces: list[KernelPiece], nothing: memoryview) -> list[KernelPiece]:
    """Return the parts of an address range that no piece fills, as pieces without bytes; `pieces` are sorted."""
    found = []
    for piece in pieces:
        if start < min(piece.address, end):
            found.append(KernelPiece(start, nothing, min(piece.address, end) - start))
        start = max(start, piece.end)
    if start < end:
        found.append(KernelPiece(start, nothing, end - start))
    return found


def _entry(content: Content, entry: int, segments: list[Any], architecture: str) -> int:
    """Return the entry's physical address."""
    if entry % 4 and (architecture == "arm64" or not entry & 1):
        raise content.error(f"its entry {entry:#x} (at byte 24) is not word-aligned")
    for each in segments:
        if each.p_vaddr <= entry < each.p_vaddr + each.p_memsz:
            return int(each.p_paddr + entry - each.p_vaddr)
    for each in segments:
        if each.p_paddr <= entry < each.p_paddr + each.p_memsz:
            return int(entry)
    raise content.error(f"its entry {entry:#x} (at byte 24) is outside every segment")
