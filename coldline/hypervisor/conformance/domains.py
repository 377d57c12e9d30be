# SPDX-License-Identifier: GPL-2.0-or-later
"""Conformance checks of domains: RAM, start and destruction."""

from coldline.guest.plan import Registers
from coldline.hypervisor.conformance.subject import (
    RAM_BASE,
    RAM_SIZE,
    HypervisorUnderTest,
    expect,
    expect_equal,
    refused,
    start_idle,
    temporary_domain,
)
from coldline.support.units import PAGE_SIZE


def ranges_are_whole_pages_of_ram(subject: HypervisorUnderTest) -> None:
    """Ranges must be whole pages of RAM; RAM is populated once, and within the domain's limit."""
    with temporary_domain(subject, max_memory=RAM_SIZE + PAGE_SIZE) as domain:
        at = f"domain {domain.domid}: "
        for address, size in (
            (RAM_BASE + RAM_SIZE + 1, PAGE_SIZE),
            (RAM_BASE + RAM_SIZE, PAGE_SIZE + 1),
            (RAM_BASE + RAM_SIZE, 0),
            (RAM_BASE + RAM_SIZE, -PAGE_SIZE),
        ):
            for word, operation in (("populate", subject.host.populate), ("flush", subject.host.flush)):
                with refused(f"{at}{word} {address:#x}: "):
                    operation(domain, address, size)
            with refused(f"{at}map {address:#x}: "):
                subject.host.map_foreign(domain, address, size, subject.types[0])
        with refused(f"{at}populate {RAM_BASE + RAM_SIZE - PAGE_SIZE:#x}: "):
            subject.host.populate(domain, RAM_BASE + RAM_SIZE - PAGE_SIZE, PAGE_SIZE)
        with refused(f"{at}populate {RAM_BASE + RAM_SIZE:#x}: "):
            subject.host.populate(domain, RAM_BASE + RAM_SIZE, 2 * PAGE_SIZE)
        for address in (RAM_BASE + RAM_SIZE, RAM_BASE + RAM_SIZE - PAGE_SIZE, RAM_BASE - PAGE_SIZE):
            with refused(f"{at}map {address:#x}: "):
                subject.host.map_foreign(domain, address, 2 * PAGE_SIZE, subject.types[0])
            with refused(f"{at}flush {address:#x}: "):
                subject.host.flush(domain, address, 2 * PAGE_SIZE)
        subject.host.populate(domain, RAM_BASE + RAM_SIZE, PAGE_SIZE)
        subject.host.flush(domain, RAM_BASE, RAM_SIZE)


def domains_start_once(subject: HypervisorUnderTest) -> None:
    """A domain starts once its registers are set, and then refuses to be built further."""
    with temporary_domain(subject, max_memory=2 * RAM_SIZE) as domain:
        at = f"domain {domain.domid}: "
        with refused(f"{at}unpause: "):
            subject.host.unpause(domain)
        start_idle(subject, domain)
        with refused(f"{at}unpause: "):
            subject.host.unpause(domain)
        with refused(f"{at}set registers: "):
            subject.host.set_registers(domain, 0, Registers(RAM_BASE, (0, 0, 0, 0), 0, 0))
        with refused(f"{at}populate {RAM_BASE + RAM_SIZE:#x}: "):
            subject.host.populate(domain, RAM_BASE + RAM_SIZE, PAGE_SIZE)
        with refused(f"{at}flush {RAM_BASE:#x}: "):
            subject.host.flush(domain, RAM_BASE, PAGE_SIZE)
        with subject.host.map_foreign(domain, RAM_BASE + PAGE_SIZE, PAGE_SIZE, subject.types[0]) as mapping:
            mapping.write(0, b"while it runs")
        written = subject.read(domain, RAM_BASE + PAGE_SIZE, 13)
        expect_equal(written, b"while it runs", "memory that was written while the domain runs")


def domains_are_destroyed_once(subject: HypervisorUnderTest) -> None:
    """A destroyed domain is gone and refuses everything."""
    with temporary_domain(subject) as first, temporary_domain(subject, size=0) as second:
        expect(0 < first.domid != second.domid > 0, f"numbers {first.domid} and {second.domid} for domains")
        subject.host.destroy(first)
        expect(subject.gone(first), "the destroyed domain is not gone")
        expect(not subject.gone(second), "the other domain is gone")
        with refused(f"domain {first.domid}: destroy: "):
            subject.host.destroy(first)
        with refused(f"domain {first.domid}: map {RAM_BASE:#x}: "):
            subject.host.map_foreign(first, RAM_BASE, PAGE_SIZE, subject.types[0])


def mapped_domains_die_when_they_are_unmapped(subject: HypervisorUnderTest) -> None:
    """A destroyed domain that is still mapped keeps its memory until it is unmapped."""
    with temporary_domain(subject) as domain:
        one = subject.host.map_foreign(domain, RAM_BASE, PAGE_SIZE, subject.types[0])
        two = subject.host.map_foreign(domain, RAM_BASE + PAGE_SIZE, PAGE_SIZE, subject.types[-1])
        subject.host.destroy(domain)
        expect(not subject.gone(domain), "the domain is gone, though it is still mapped")
        two.write(0, b"still there")
        two.close()
        expect(not subject.gone(domain), "the domain is gone, though it is still mapped")
        one.close()
        expect(subject.gone(domain), "the domain is not gone, though nothing maps it")


def invalid_domains_are_refused(subject: HypervisorUnderTest) -> None:
    """A domain without a known architecture, memory or a vCPU is refused."""
    for architecture, memory, vcpus in (
        ("z80", RAM_SIZE, 1),
        (subject.architecture, 0, 1),
        (subject.architecture, RAM_SIZE, 0),
    ):
        with refused("create domain: "):
            subject.host.create_domain(architecture, memory, vcpus)
