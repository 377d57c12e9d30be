# SPDX-License-Identifier: GPL-2.0-or-later
"""What every hypervisor has to do, tried on any: the simulated hosts, a real Xen, one of your own.

Each function of `CHECKS` takes a `Rig` and raises AssertionError, or the hypervisor's own error, where the protocol
is not kept.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from coldline.arm import MemoryType
from coldline.errors import HypervisorError
from coldline.guest.plan import Registers
from coldline.hypervisor.protocol import Hypervisor

RAM: Final = 0x40000000
PAGE: Final = 4096
SIZE: Final = 16 * PAGE

_IDLE: Final = {"arm64": (0xD503207F, 0x17FFFFFF), "arm32": (0xE320F003, 0xEAFFFFFD)}
"""WFI, and a branch back to it."""

_PSTATE: Final = {"arm64": 0x3C5, "arm32": 0x1D3}


class Rig(Protocol):
    """A hypervisor on a bench.

    Attributes
    ----------
    host : Hypervisor
        What is tried.
    architecture : str
        Of guests that it runs.
    types : tuple of MemoryType
        What its builder's mapping can be.
    """

    host: Hypervisor[Any]
    architecture: str
    types: tuple[MemoryType, ...]

    def read(self, domain: Any, address: int, size: int) -> bytes:
        """What is in the guest's memory."""

    def gone(self, domain: Any) -> bool:
        """Whether nothing is left of a domain, once there has been time for it to go."""


@contextmanager
def refused(start: str) -> Iterator[None]:
    """What is done in it has to fail with a HypervisorError that starts so."""
    said = None
    try:
        yield
    except HypervisorError as error:
        said = str(error)
    assert said is not None, f"no error, where there had to be {start!r}"
    assert said.startswith(start), f"{said!r} does not start with {start!r}"


@contextmanager
def _domain(rig: Rig, *, size: int = SIZE, max_memory: int = SIZE) -> Iterator[Any]:
    domain = rig.host.create_domain(rig.architecture, max_memory, 1)
    try:
        if size:
            rig.host.populate(domain, RAM, size)
        yield domain
    finally:
        try:
            rig.host.destroy(domain)
        except HypervisorError:
            if not rig.gone(domain):
                raise
    assert rig.gone(domain), f"domain {domain.domid} is left"


def _start(rig: Rig, domain: Any) -> None:
    code = b"".join(word.to_bytes(4, "little") for word in _IDLE[rig.architecture])
    with rig.host.map_foreign(domain, RAM, PAGE, rig.types[0]) as mapping:
        mapping.write(0, code)
    sctlr = 0x00C50078
    rig.host.set_registers(domain, 0, Registers(RAM, (0, 0, 0, 0), _PSTATE[rig.architecture], sctlr))
    rig.host.unpause(domain)


def bytes_arrive(rig: Rig) -> None:
    """What is written through a mapping of any type is in the guest, where it was written, and nowhere else."""
    for memory_type in rig.types:
        with _domain(rig) as domain:
            before = rig.read(domain, RAM, SIZE)
            with rig.host.map_foreign(domain, RAM + PAGE, 2 * PAGE, memory_type) as mapping:
                assert (mapping.address, mapping.size) == (RAM + PAGE, 2 * PAGE)
                assert mapping.memory_type is memory_type
                mapping.write(5, b"hello")
                mapping.write(2 * PAGE - 4, memoryview(b"\x01\x02\x03\x04").cast("I"))
                mapping.write(0, bytearray(b"first"))
            expected = bytearray(before)
            expected[PAGE : PAGE + 10] = b"firsthello"
            expected[3 * PAGE - 4 : 3 * PAGE] = b"\x01\x02\x03\x04"
            assert rig.read(domain, RAM, SIZE) == bytes(expected)


def types_are_honoured_or_refused(rig: Rig) -> None:
    """A mapping has the type that was asked for, or there is none."""
    with _domain(rig) as domain:
        for memory_type in MemoryType:
            if memory_type in rig.types:
                with rig.host.map_foreign(domain, RAM, SIZE, memory_type) as mapping:
                    assert mapping.memory_type is memory_type
            else:
                with refused(f"domain {domain.domid}: map {RAM:#x}: "):
                    rig.host.map_foreign(domain, RAM, SIZE, memory_type)


def mappings_have_bounds(rig: Rig) -> None:
    """Nothing is written or maintained outside of a mapping, and nothing for no bytes."""
    with (
        _domain(rig) as domain,
        rig.host.map_foreign(domain, RAM + PAGE, PAGE, rig.types[0]) as mapping,
    ):
        before = rig.read(domain, RAM, PAGE)
        for offset, data in ((PAGE - 1, b"ab"), (-1, b"a"), (PAGE, b"a"), (1 << 40, b"a")):
            with refused(f"domain {domain.domid}: write {RAM + PAGE + offset:#x}: "):
                mapping.write(offset, data)
        mapping.write(PAGE, b"")
        for offset, size in ((0, PAGE + 1), (-1, 1), (1, -1)):
            with refused(f"domain {domain.domid}: dc civac {RAM + PAGE + offset:#x}: "):
                mapping.clean_invalidate(offset, size)
            with refused(f"domain {domain.domid}: cacheflush {RAM + PAGE + offset:#x}: "):
                mapping.cacheflush(offset, size)
        assert rig.read(domain, RAM, PAGE) == before


def user_maintenance_is_the_architectures(rig: Rig) -> None:
    """arm64 user space has DC CIVAC and no cacheflush; arm32 the reverse."""
    with (
        _domain(rig) as domain,
        rig.host.map_foreign(domain, RAM, 2 * PAGE, rig.types[0]) as mapping,
    ):
        mapping.write(0, bytes(2 * PAGE))
        if rig.architecture == "arm64":
            mapping.clean_invalidate(0, 2 * PAGE)
            mapping.clean_invalidate(100, 1)
            with refused(f"domain {domain.domid}: cacheflush {RAM:#x}: "):
                mapping.cacheflush(0, PAGE)
        else:
            mapping.cacheflush(0, 2 * PAGE)
            mapping.cacheflush(100, 1)
            with refused(f"domain {domain.domid}: dc civac {RAM:#x}: "):
                mapping.clean_invalidate(0, PAGE)


def closed_mappings_do_nothing(rig: Rig) -> None:
    """Once closed, a mapping can be closed again, and that is all."""
    with _domain(rig) as domain:
        mapping = rig.host.map_foreign(domain, RAM, PAGE, rig.types[0])
        mapping.close()
        mapping.close()
        with refused(f"domain {domain.domid}: write {RAM:#x}: "):
            mapping.write(0, b"a")
        with refused(f"domain {domain.domid}: dc civac {RAM:#x}: "):
            mapping.clean_invalidate(0, 1)


def mappings_move(rig: Rig) -> None:
    """A mapping that is moved is where it was moved to, and no more where it was."""
    for memory_type in rig.types:
        with _domain(rig) as domain:
            before = rig.read(domain, RAM, SIZE)
            at = f"domain {domain.domid}: map "
            with rig.host.map_foreign(domain, RAM, 3 * PAGE, memory_type) as mapping:
                mapping.write(PAGE, b"here")
                mapping.move(RAM + 2 * PAGE, 3 * PAGE)
                assert (mapping.address, mapping.size) == (RAM + 2 * PAGE, 3 * PAGE)
                assert mapping.memory_type is memory_type
                mapping.write(PAGE, b"there")
                rig.host.map_foreign(domain, RAM, 2 * PAGE, memory_type).close()
                with refused(f"{at}{RAM + 4 * PAGE:#x}: "):
                    rig.host.map_foreign(domain, RAM + 4 * PAGE, PAGE, memory_type)
                mapping.move(RAM + 7 * PAGE, PAGE)
                mapping.write(0, b"and last")
                with refused(f"domain {domain.domid}: write {RAM + 8 * PAGE:#x}: "):
                    mapping.write(PAGE, b"a")
                mapping.move(RAM + 7 * PAGE, 2 * PAGE)
                mapping.write(PAGE, b"of all")
                for address, size in (
                    (RAM, 4 * PAGE),
                    (RAM + SIZE - PAGE, 2 * PAGE),
                    (RAM, 0),
                    (RAM + 1, PAGE),
                ):
                    with refused(f"{at}{address:#x}: "):
                        mapping.move(address, size)
                with (
                    rig.host.map_foreign(domain, RAM, PAGE, memory_type),
                    refused(f"{at}{RAM:#x}: "),
                ):
                    mapping.move(RAM, PAGE)
            with refused(f"{at}{RAM:#x}: "):
                mapping.move(RAM, PAGE)
            expected = bytearray(before)
            for address, data in ((1, b"here"), (3, b"there"), (7, b"and last"), (8, b"of all")):
                expected[address * PAGE : address * PAGE + len(data)] = data
            assert rig.read(domain, RAM, SIZE) == bytes(expected)


def moved_mappings_hold_what_they_map(rig: Rig) -> None:
    """A domain dies when the last mapping of it is closed, wherever that was moved to, and was before."""
    for memory_type in rig.types:
        with _domain(rig) as domain:
            mapping = rig.host.map_foreign(domain, RAM, 2 * PAGE, memory_type)
            for page in (1, 1, 4, 3, 0):
                mapping.move(RAM + page * PAGE, 2 * PAGE)
            rig.host.destroy(domain)
            assert not rig.gone(domain)
            mapping.close()
            assert rig.gone(domain)


def pages_are_mapped_once(rig: Rig) -> None:
    """A page that is mapped is not mapped again until it is unmapped."""
    with _domain(rig) as domain:
        with rig.host.map_foreign(domain, RAM, 2 * PAGE, rig.types[0]):
            with refused(f"domain {domain.domid}: map {RAM + PAGE:#x}: "):
                rig.host.map_foreign(domain, RAM + PAGE, 2 * PAGE, rig.types[-1])
            rig.host.map_foreign(domain, RAM + 2 * PAGE, PAGE, rig.types[-1]).close()
        rig.host.map_foreign(domain, RAM + PAGE, 2 * PAGE, rig.types[-1]).close()


def ranges_are_whole_pages_of_ram(rig: Rig) -> None:
    """RAM is given, mapped and maintained in whole pages, once, within the limit, and only where it is."""
    with _domain(rig, max_memory=SIZE + PAGE) as domain:
        at = f"domain {domain.domid}: "
        for address, size in (
            (RAM + SIZE + 1, PAGE),
            (RAM + SIZE, PAGE + 1),
            (RAM + SIZE, 0),
            (RAM + SIZE, -PAGE),
        ):
            for word, operation in (("populate", rig.host.populate), ("flush", rig.host.flush)):
                with refused(f"{at}{word} {address:#x}: "):
                    operation(domain, address, size)
            with refused(f"{at}map {address:#x}: "):
                rig.host.map_foreign(domain, address, size, rig.types[0])
        with refused(f"{at}populate {RAM + SIZE - PAGE:#x}: "):
            rig.host.populate(domain, RAM + SIZE - PAGE, PAGE)
        with refused(f"{at}populate {RAM + SIZE:#x}: "):
            rig.host.populate(domain, RAM + SIZE, 2 * PAGE)
        for address in (RAM + SIZE, RAM + SIZE - PAGE, RAM - PAGE):
            with refused(f"{at}map {address:#x}: "):
                rig.host.map_foreign(domain, address, 2 * PAGE, rig.types[0])
            with refused(f"{at}flush {address:#x}: "):
                rig.host.flush(domain, address, 2 * PAGE)
        rig.host.populate(domain, RAM + SIZE, PAGE)
        rig.host.flush(domain, RAM, SIZE)


def mappings_have_a_largest_size(rig: Rig) -> None:
    """A mapping has as many bytes as it may have at most, and not a page more."""
    size = min(rig.host.max_mapping, 8 << 20)
    assert size > 0
    assert size % PAGE == 0
    with _domain(rig, size=size + PAGE, max_memory=size + PAGE) as domain:
        for memory_type in rig.types:
            with rig.host.map_foreign(domain, RAM, size, memory_type) as mapping:
                mapping.write(size - 4, b"last")
        assert rig.read(domain, RAM + size - 4, 4) == b"last"
        if size == rig.host.max_mapping:
            with refused(f"domain {domain.domid}: map {RAM:#x}: "):
                rig.host.map_foreign(domain, RAM, size + PAGE, rig.types[0])


def domains_start_once(rig: Rig) -> None:
    """A domain runs once its registers are set, and then takes no more of what builds it."""
    with _domain(rig, max_memory=2 * SIZE) as domain:
        at = f"domain {domain.domid}: "
        with refused(f"{at}unpause: "):
            rig.host.unpause(domain)
        _start(rig, domain)
        with refused(f"{at}unpause: "):
            rig.host.unpause(domain)
        with refused(f"{at}set registers: "):
            rig.host.set_registers(domain, 0, Registers(RAM, (0, 0, 0, 0), 0, 0))
        with refused(f"{at}populate {RAM + SIZE:#x}: "):
            rig.host.populate(domain, RAM + SIZE, PAGE)
        with refused(f"{at}flush {RAM:#x}: "):
            rig.host.flush(domain, RAM, PAGE)
        with rig.host.map_foreign(domain, RAM + PAGE, PAGE, rig.types[0]) as mapping:
            mapping.write(0, b"while it runs")
        assert rig.read(domain, RAM + PAGE, 13) == b"while it runs"


def domains_are_destroyed_once(rig: Rig) -> None:
    """A domain that is destroyed is gone, and takes nothing any more."""
    with _domain(rig) as first, _domain(rig, size=0) as second:
        assert 0 < first.domid != second.domid > 0
        rig.host.destroy(first)
        assert rig.gone(first)
        assert not rig.gone(second)
        with refused(f"domain {first.domid}: destroy: "):
            rig.host.destroy(first)
        with refused(f"domain {first.domid}: map {RAM:#x}: "):
            rig.host.map_foreign(first, RAM, PAGE, rig.types[0])


def mapped_domains_die_when_they_are_unmapped(rig: Rig) -> None:
    """As long as the builder maps it, a domain that is destroyed is not gone, and its bytes are there."""
    with _domain(rig) as domain:
        one = rig.host.map_foreign(domain, RAM, PAGE, rig.types[0])
        two = rig.host.map_foreign(domain, RAM + PAGE, PAGE, rig.types[-1])
        rig.host.destroy(domain)
        assert not rig.gone(domain)
        two.write(0, b"still there")
        two.close()
        assert not rig.gone(domain)
        one.close()
        assert rig.gone(domain)


def nonsense_is_not_created(rig: Rig) -> None:
    """No domain of no architecture, of no memory, of no vCPU."""
    for architecture, memory, vcpus in (
        ("z80", SIZE, 1),
        (rig.architecture, 0, 1),
        (rig.architecture, SIZE, 0),
    ):
        with refused("create domain: "):
            rig.host.create_domain(architecture, memory, vcpus)


CHECKS: Final[tuple[Callable[[Rig], None], ...]] = (
    bytes_arrive,
    types_are_honoured_or_refused,
    mappings_have_bounds,
    user_maintenance_is_the_architectures,
    closed_mappings_do_nothing,
    mappings_move,
    moved_mappings_hold_what_they_map,
    pages_are_mapped_once,
    ranges_are_whole_pages_of_ram,
    mappings_have_a_largest_size,
    domains_start_once,
    domains_are_destroyed_once,
    mapped_domains_die_when_they_are_unmapped,
    nonsense_is_not_created,
)
"""All of them."""
