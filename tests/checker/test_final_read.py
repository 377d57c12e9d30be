# SPDX-License-Identifier: GPL-2.0-or-later
"""The final read tells bytes that were loaded from those that the guest wrote, and from the rest."""

import io

import pytest

from coldline.checker.final_read import Provenance, Region
from coldline.checker.written import Written
from coldline.events import Event, Op
from coldline.events.agent_names import agents_of, is_vcpu, vcpu_name
from coldline.events.batch import Batch
from coldline.events.source import Sink
from coldline.first_pass import check
from coldline.rules import Profile
from coldline.trace.text import TextReader
from coldline.verdict import Judgement, Verdict, Watcher, judge

BASE, PAGE, LINE = 0x40000000, 0x1000, 64
REGION = Region("kernel", BASE, 3 * PAGE, PAGE + 16)
"""A page and 16 bytes were loaded."""

WITH_DIRECTMAP = f"""
xen   map {BASE:#x} {REGION.size:#x} normal-wb
dom0  map {BASE:#x} {REGION.size:#x} %s
dom0  write {BASE:#x} {REGION.loaded}
"""
FLUSHED = WITH_DIRECTMAP % "normal-wb" + f"dom0 dc civac {BASE:#x} {REGION.loaded}\nguest mmu off\n"
UNCACHED = WITH_DIRECTMAP % "normal-nc" + "guest mmu off\n"


class Events:
    """A source of a trace's events."""

    def __init__(self, text: str) -> None:
        self._events = [event for _, event in TextReader(io.StringIO(text))]

    @property
    def repeatable(self) -> bool:
        return True

    def run(self, sink: Sink, *, instructions: bool = False) -> None:
        for event in self._events:
            sink(Batch.of([event]))


def judged(text: str, stories: int = 10) -> Judgement:
    source = Events(text)
    return judge(check(source, Profile()), source, most=stories, stories=stories, regions=[REGION])


def ranges(judgement: Judgement) -> list[tuple[Provenance, int, int, tuple[str, ...]]]:
    found = [each.found for each in judgement.unread]
    return [(each.content, each.address - BASE, each.size, each.kinds) for each in found]


def test_what_the_guest_wrote_is_no_hazard() -> None:
    """Above clean lines that Xen's map filled, each store to memory leaves an old copy: of its own bytes only."""
    judgement = judged(
        FLUSHED
        + f"guest write {BASE + 0x100:#x} 4\n"
        + f"guest write {BASE + PAGE + 12:#x} 8\n"  # over the end of what was loaded
        + f"guest write {BASE + 2 * PAGE:#x} 128\n"
        + f"guest read {BASE:#x} 8\n"
    )
    stale = ("stale-read",)
    assert ranges(judgement) == [
        (Provenance.WRITTEN, 0x100, 4, stale),
        (Provenance.WRITTEN, PAGE + 12, 8, stale),
        (Provenance.WRITTEN, 2 * PAGE, 128, stale),
    ]
    assert judgement.verdict is Verdict.COHERENT
    assert judgement.all_kinds == []


def test_what_was_loaded_is_a_hazard_also_beside_what_the_guest_wrote() -> None:
    """Xen's map filled lines before the uncached stores: each byte of them can be old, whoever wrote it last."""
    judgement = judged(UNCACHED + f"guest write {BASE + 0x104:#x} 4\nguest read {BASE:#x} 8\n")
    stale = ("stale-read",)
    assert ranges(judgement) == [
        (Provenance.LOADED, 0, REGION.loaded, stale),
        (Provenance.WRITTEN, 0x104, 4, stale),
    ]
    assert judgement.unread[0].found.lines == PAGE // LINE + 1
    assert judgement.verdict is Verdict.HAZARD
    assert judgement.all_kinds == ["stale-read"]
    assert judgement.found == 0


def test_the_rest_of_a_segment() -> None:
    """Bytes after those that were loaded, which somebody else wrote past the caches."""
    text = UNCACHED.replace(f" {REGION.loaded}\n", " 16\n", 1)
    judgement = judged(text + f"dom0 write {BASE + 2 * PAGE:#x} 32\nguest read {BASE:#x} 8\n")
    assert ranges(judgement) == [
        (Provenance.LOADED, 0, 16, ("stale-read",)),
        (Provenance.REST, 2 * PAGE, 32, ("stale-read",)),
    ]


def test_lines_of_other_kinds_are_other_ranges() -> None:
    """A store through caches beside old bytes: once the line is written back, no copy has what was loaded."""
    text = f"guest map {BASE:#x} {REGION.size:#x} normal-wb\nguest mmu on\nguest write {BASE + 0x80:#x} 8\n"
    loaded = [each for each in ranges(judged(UNCACHED + text)) if each[0] is Provenance.LOADED]
    assert loaded == [
        (Provenance.LOADED, 0, 0x80, ("stale-read",)),
        (Provenance.LOADED, 0x88, 0x38, ("lost-write", "stale-read")),
        (Provenance.LOADED, 0xC0, REGION.loaded - 0xC0, ("stale-read",)),
    ]


def test_each_range_has_a_story_that_ends_with_the_look() -> None:
    judgement = judged(UNCACHED + f"guest write {BASE + 2 * PAGE:#x} 8\n")
    assert len(judgement.unread) == 2
    for found, hazard in judgement.unread:
        assert hazard is not None
        assert hazard.entry.address == found.address
        *_, mapped, read = [step.line_event for step in hazard.story if step.line_event is not None]
        assert str(mapped.event) == f"look map {BASE:#x} {REGION.size:#x} normal-wb"
        line = found.address - found.address % LINE
        assert str(read.event) == f"look read {line:#x} {LINE}"
        assert not hazard.story[-1].state.fresh1
    assert [each.hazard for each in judged(UNCACHED, stories=0).unread] == [None]


class Interrupted(Watcher):
    """Interrupts a second pass after its first batch, or at its second story."""

    def __init__(self, *, telling: bool) -> None:
        self._telling = telling

    def repeated(self, events: int) -> None:
        if not self._telling:
            raise KeyboardInterrupt

    def telling(self, story: int, stories: int) -> None:
        if story == 2:
            raise KeyboardInterrupt


def judged_until(watcher: Watcher, text: str, *, interruptible: bool = True) -> Judgement:
    source = Events(text)
    return judge(
        check(source, Profile()),
        source,
        most=10,
        stories=10,
        regions=[REGION],
        watcher=watcher,
        interruptible=interruptible,
    )


def test_an_interrupt_before_it_is_known_whose_bytes_were_found() -> None:
    """Nothing is known of the stale lines: they may be the guest's own."""
    text = UNCACHED + f"guest read {BASE:#x} 8\n"
    judgement = judged_until(Interrupted(telling=False), text)
    assert judgement.interrupted
    assert judgement.final_read[0].stale
    assert judgement.unread == []
    assert judgement.verdict is Verdict.INCONCLUSIVE


def test_an_interrupt_between_stories_of_what_the_final_read_found() -> None:
    text = UNCACHED + f"guest write {BASE + 2 * PAGE:#x} 8\nguest read {BASE:#x} 8\n"
    judgement = judged_until(Interrupted(telling=True), text)
    assert judgement.interrupted
    assert ranges(judgement) == ranges(judged(text))
    assert [each.hazard is not None for each in judgement.unread] == [True, False]
    assert judgement.verdict is Verdict.HAZARD


@pytest.mark.parametrize("telling", [False, True])
def test_an_interrupt_is_raised_where_nobody_asked_for_what_is_left(telling: bool) -> None:
    text = UNCACHED + f"guest write {BASE + 2 * PAGE:#x} 8\nguest read {BASE:#x} 8\n"
    with pytest.raises(KeyboardInterrupt):
        judged_until(Interrupted(telling=telling), text, interruptible=False)


def test_what_counts_as_written_by_the_guest() -> None:
    """Stores and DC ZVA of any vCPU, through any of its agents, and joined; nothing of others."""
    written = Written(BASE, BASE + PAGE)
    written.feed(
        Batch.of(
            [
                Event("dom0", Op.WRITE, BASE, 64),
                Event("guest", Op.WRITE, BASE + 8, 8),
                Event("guest", Op.READ, BASE + 100, 8),
                Event("guest1-nc", Op.WRITE, BASE + 16, 4),
                Event("guest", Op.DC_ZVA, BASE + 0x208, 8),
                Event("guest", Op.WRITE, BASE + PAGE - 4, 8),
                Event("guest", Op.WRITE, BASE + 2 * PAGE, 8),
            ]
        )
    )
    written.feed(Batch.of([Event("guest", Op.WRITE, BASE + 12, 6), Event("guest", Op.WRITE, BASE + 4, 4)]))
    of_page = [(low - BASE, high - BASE) for low, high in written.within(BASE, BASE + PAGE)]
    assert of_page == [(4, 20), (0x200, 0x240), (PAGE - 4, PAGE)]
    assert written.within(BASE + 0x220, BASE + 0x300) == [(BASE + 0x220, BASE + 0x240)]
    assert written.within(BASE + 20, BASE + 0x200) == []


@pytest.mark.parametrize("vcpu", [0, 1, 12])
def test_agents_of_vcpus(vcpu: int) -> None:
    assert all(is_vcpu(name) for name in agents_of(vcpu_name(vcpu)))


@pytest.mark.parametrize(
    "agent", ["dom0", "xen", "look", "guests", "guest-look", "guest1x", "kernel-linear", ""]
)
def test_others_are_no_vcpus(agent: str) -> None:
    assert not is_vcpu(agent)
