# SPDX-License-Identifier: GPL-2.0-or-later
"""Conformance checks of foreign mappings: bounds, memory types, maintenance, moving."""

from coldline.arm import MemoryType
from coldline.hypervisor.conformance.subject import (
    RAM_BASE,
    RAM_SIZE,
    HypervisorUnderTest,
    expect,
    expect_equal,
    refused,
    temporary_domain,
)
from coldline.support.units import PAGE_SIZE


def bytes_arrive(subject: HypervisorUnderTest) -> None:
    """Bytes written through a mapping of any memory type arrive where they were written, and nowhere else."""
    for memory_type in subject.types:
        with temporary_domain(subject) as domain:
            before = subject.read(domain, RAM_BASE, RAM_SIZE)
            with subject.host.map_foreign(
                domain, RAM_BASE + PAGE_SIZE, 2 * PAGE_SIZE, memory_type
            ) as mapping:
                expect_equal(
                    (mapping.address, mapping.size),
                    (RAM_BASE + PAGE_SIZE, 2 * PAGE_SIZE),
                    "the mapping's range",
                )
                expect_equal(mapping.memory_type, memory_type, "the mapping's memory type")
                mapping.write(5, b"hello")
                mapping.write(2 * PAGE_SIZE - 4, memoryview(b"\x01\x02\x03\x04").cast("I"))
                mapping.write(0, bytearray(b"first"))
            expected = bytearray(before)
            expected[PAGE_SIZE : PAGE_SIZE + 10] = b"firsthello"
            expected[3 * PAGE_SIZE - 4 : 3 * PAGE_SIZE] = b"\x01\x02\x03\x04"
            expect(
                subject.read(domain, RAM_BASE, RAM_SIZE) == bytes(expected),
                "guest memory does not have the bytes that were written",
            )


def types_are_honoured_or_refused(subject: HypervisorUnderTest) -> None:
    """A mapping has the memory type that was asked for, or is refused."""
    with temporary_domain(subject) as domain:
        for memory_type in MemoryType:
            if memory_type in subject.types:
                with subject.host.map_foreign(domain, RAM_BASE, RAM_SIZE, memory_type) as mapping:
                    expect_equal(mapping.memory_type, memory_type, "the mapping's memory type")
            else:
                with refused(f"domain {domain.domid}: map {RAM_BASE:#x}: "):
                    subject.host.map_foreign(domain, RAM_BASE, RAM_SIZE, memory_type)


def mappings_have_bounds(subject: HypervisorUnderTest) -> None:
    """A mapping refuses accesses and maintenance outside its bounds, and accepts empty writes."""
    with (
        temporary_domain(subject) as domain,
        subject.host.map_foreign(domain, RAM_BASE + PAGE_SIZE, PAGE_SIZE, subject.types[0]) as mapping,
    ):
        before = subject.read(domain, RAM_BASE, PAGE_SIZE)
        for offset, data in ((PAGE_SIZE - 1, b"ab"), (-1, b"a"), (PAGE_SIZE, b"a"), (1 << 40, b"a")):
            with refused(f"domain {domain.domid}: write {RAM_BASE + PAGE_SIZE + offset:#x}: "):
                mapping.write(offset, data)
        mapping.write(PAGE_SIZE, b"")
        for offset, size in ((0, PAGE_SIZE + 1), (-1, 1), (1, -1)):
            with refused(f"domain {domain.domid}: dc civac {RAM_BASE + PAGE_SIZE + offset:#x}: "):
                mapping.clean_invalidate(offset, size)
            with refused(f"domain {domain.domid}: cacheflush {RAM_BASE + PAGE_SIZE + offset:#x}: "):
                mapping.cacheflush(offset, size)
        expect(subject.read(domain, RAM_BASE, PAGE_SIZE) == before, "a refused access changed guest memory")


def user_maintenance_is_the_architectures(subject: HypervisorUnderTest) -> None:
    """arm64 user space has DC CIVAC and no cacheflush; arm32 user space has the reverse."""
    with (
        temporary_domain(subject) as domain,
        subject.host.map_foreign(domain, RAM_BASE, 2 * PAGE_SIZE, subject.types[0]) as mapping,
    ):
        mapping.write(0, bytes(2 * PAGE_SIZE))
        if subject.architecture == "arm64":
            mapping.clean_invalidate(0, 2 * PAGE_SIZE)
            mapping.clean_invalidate(100, 1)
            with refused(f"domain {domain.domid}: cacheflush {RAM_BASE:#x}: "):
                mapping.cacheflush(0, PAGE_SIZE)
        else:
            mapping.cacheflush(0, 2 * PAGE_SIZE)
            mapping.cacheflush(100, 1)
            with refused(f"domain {domain.domid}: dc civac {RAM_BASE:#x}: "):
                mapping.clean_invalidate(0, PAGE_SIZE)


def closed_mappings_do_nothing(subject: HypervisorUnderTest) -> None:
    """A closed mapping can be closed again, and refuses everything else."""
    with temporary_domain(subject) as domain:
        mapping = subject.host.map_foreign(domain, RAM_BASE, PAGE_SIZE, subject.types[0])
        mapping.close()
        mapping.close()
        with refused(f"domain {domain.domid}: write {RAM_BASE:#x}: "):
            mapping.write(0, b"a")
        with refused(f"domain {domain.domid}: dc civac {RAM_BASE:#x}: "):
            mapping.clean_invalidate(0, 1)


def mappings_move(subject: HypervisorUnderTest) -> None:
    """A moved mapping shows its new range and no longer its old one."""
    for memory_type in subject.types:
        with temporary_domain(subject) as domain:
            before = subject.read(domain, RAM_BASE, RAM_SIZE)
            at = f"domain {domain.domid}: map "
            with subject.host.map_foreign(domain, RAM_BASE, 3 * PAGE_SIZE, memory_type) as mapping:
                mapping.write(PAGE_SIZE, b"here")
                mapping.move(RAM_BASE + 2 * PAGE_SIZE, 3 * PAGE_SIZE)
                moved = (RAM_BASE + 2 * PAGE_SIZE, 3 * PAGE_SIZE)
                expect_equal((mapping.address, mapping.size), moved, "the moved mapping's range")
                expect_equal(mapping.memory_type, memory_type, "the mapping's memory type")
                mapping.write(PAGE_SIZE, b"there")
                subject.host.map_foreign(domain, RAM_BASE, 2 * PAGE_SIZE, memory_type).close()
                with refused(f"{at}{RAM_BASE + 4 * PAGE_SIZE:#x}: "):
                    subject.host.map_foreign(domain, RAM_BASE + 4 * PAGE_SIZE, PAGE_SIZE, memory_type)
                mapping.move(RAM_BASE + 7 * PAGE_SIZE, PAGE_SIZE)
                mapping.write(0, b"and last")
                with refused(f"domain {domain.domid}: write {RAM_BASE + 8 * PAGE_SIZE:#x}: "):
                    mapping.write(PAGE_SIZE, b"a")
                mapping.move(RAM_BASE + 7 * PAGE_SIZE, 2 * PAGE_SIZE)
                mapping.write(PAGE_SIZE, b"of all")
                for address, size in (
                    (RAM_BASE, 4 * PAGE_SIZE),
                    (RAM_BASE + RAM_SIZE - PAGE_SIZE, 2 * PAGE_SIZE),
                    (RAM_BASE, 0),
                    (RAM_BASE + 1, PAGE_SIZE),
                ):
                    with refused(f"{at}{address:#x}: "):
                        mapping.move(address, size)
                with (
                    subject.host.map_foreign(domain, RAM_BASE, PAGE_SIZE, memory_type),
                    refused(f"{at}{RAM_BASE:#x}: "),
                ):
                    mapping.move(RAM_BASE, PAGE_SIZE)
            with refused(f"{at}{RAM_BASE:#x}: "):
                mapping.move(RAM_BASE, PAGE_SIZE)
            expected = bytearray(before)
            for address, data in ((1, b"here"), (3, b"there"), (7, b"and last"), (8, b"of all")):
                expected[address * PAGE_SIZE : address * PAGE_SIZE + len(data)] = data
            expect(
                subject.read(domain, RAM_BASE, RAM_SIZE) == bytes(expected),
                "guest memory does not have the bytes that were written",
            )


def moved_mappings_hold_what_they_map(subject: HypervisorUnderTest) -> None:
    """A destroyed domain stays until its last mapping is closed, also one that was moved."""
    for memory_type in subject.types:
        with temporary_domain(subject) as domain:
            mapping = subject.host.map_foreign(domain, RAM_BASE, 2 * PAGE_SIZE, memory_type)
            for page in (1, 1, 4, 3, 0):
                mapping.move(RAM_BASE + page * PAGE_SIZE, 2 * PAGE_SIZE)
            subject.host.destroy(domain)
            expect(not subject.gone(domain), "the domain is gone, though it is still mapped")
            mapping.close()
            expect(subject.gone(domain), "the domain is not gone, though nothing maps it")


def pages_are_mapped_once(subject: HypervisorUnderTest) -> None:
    """A mapped page cannot be mapped again until it is unmapped."""
    with temporary_domain(subject) as domain:
        with subject.host.map_foreign(domain, RAM_BASE, 2 * PAGE_SIZE, subject.types[0]):
            with refused(f"domain {domain.domid}: map {RAM_BASE + PAGE_SIZE:#x}: "):
                subject.host.map_foreign(domain, RAM_BASE + PAGE_SIZE, 2 * PAGE_SIZE, subject.types[-1])
            subject.host.map_foreign(domain, RAM_BASE + 2 * PAGE_SIZE, PAGE_SIZE, subject.types[-1]).close()
        subject.host.map_foreign(domain, RAM_BASE + PAGE_SIZE, 2 * PAGE_SIZE, subject.types[-1]).close()


def mappings_have_a_largest_size(subject: HypervisorUnderTest) -> None:
    """A mapping of `max_mapping` bytes works, and one page more is refused."""
    size = min(subject.host.max_mapping, 8 << 20)
    expect(size > 0, f"max_mapping is {size}")
    expect(size % PAGE_SIZE == 0, f"max_mapping of {size:#x} bytes is not in whole pages")
    with temporary_domain(subject, size=size + PAGE_SIZE, max_memory=size + PAGE_SIZE) as domain:
        for memory_type in subject.types:
            with subject.host.map_foreign(domain, RAM_BASE, size, memory_type) as mapping:
                mapping.write(size - 4, b"last")
        expect_equal(subject.read(domain, RAM_BASE + size - 4, 4), b"last", "the mapping's end")
        if size == subject.host.max_mapping:
            with refused(f"domain {domain.domid}: map {RAM_BASE:#x}: "):
                subject.host.map_foreign(domain, RAM_BASE, size + PAGE_SIZE, subject.types[0])
