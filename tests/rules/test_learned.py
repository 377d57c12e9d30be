# SPDX-License-Identifier: GPL-2.0-or-later
"""What was worked out of an automaton of order is kept in the cache folder, and says the same as the rules."""

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from coldline.rules.order import machine
from coldline.rules.order.alphabet import CHECKED, Act, OrderedLetter, Possible
from coldline.rules.order.learned import AnyStep, Learned
from coldline.rules.order.machine import OrderMachine, order_machine
from coldline.rules.order.microstate import OrderedMicrostate
from coldline.rules.profile import Profile
from coldline.support import process_end
from tests.helpers.broken_copies import broken_copies
from tests.helpers.checking import check_text

PROFILE = Profile()

LETTERS: list[AnyStep] = [
    Possible(data=True),
    Possible(fetch=True, fetch_elsewhere=True),
    *(OrderedLetter(act, 0) for act in (Act.READ, Act.WRITE_NC, Act.FETCH)),
    *(OrderedLetter(act, 0) for act in (Act.CACHEABLE_IVAC, Act.DC_CIVAC, Act.IC, Act.DMB)),
    *(OrderedLetter(act, 1) for act in (Act.READ, Act.WRITE)),
    OrderedLetter(Act.READ, 0, (Act.READ_NC,)),
]
_DSB = OrderedLetter(Act.DSB, 0)


def walk(automaton: OrderMachine, seed: int, letters: int = 18) -> list[str]:
    """What an automaton says on a random way: the microstates of each state, and the hazards of a read there."""
    draw = random.Random(seed)
    state = automaton.start([OrderedMicrostate()])
    said = []
    for number, drawn in enumerate(draw.choices(LETTERS, k=letters)):
        letter = _DSB if number % 3 == 2 else drawn
        if isinstance(letter, OrderedLetter) and letter.act in CHECKED:
            said.append(str(automaton.hazards(state, letter)))
        state = automaton.step(state, letter)
        said.append(str(sorted(map(repr, automaton.microstates(state)))))
        said.append(str(sorted(automaton.barriers_that_change(state))))
    return said


def worked_out(seed: int) -> Learned:
    learned = Learned()
    walk(OrderMachine(PROFILE, barriers=True, learned=learned), seed)
    return learned


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache folder of this test's commands."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    yield tmp_path / "coldline"
    process_end.end_command()
    order_machine.cache_clear()


def command(do: Callable[[OrderMachine], Any]) -> Any:
    """Let the automaton of a command's process do something."""
    order_machine.cache_clear()
    process_end.begin_command()
    done = do(order_machine(PROFILE, barriers=True))
    process_end.end_command()
    order_machine.cache_clear()
    return done


# -- the bytes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_what_was_written_is_read(seed: int) -> None:
    learned = worked_out(seed)
    again = Learned.from_bytes(learned.to_bytes())
    assert vars(again) == vars(learned)
    assert len(learned.states) > 5
    assert learned.hazards
    assert [type(part) for m in again.microstates for part in (m.line, *(p for _, p in m.pending))] == [
        type(part) for m in learned.microstates for part in (m.line, *(p for _, p in m.pending))
    ]


def leaves(part: Any, path: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """The places of all values in a JSON document of lists."""
    if isinstance(part, list):
        for index, each in enumerate(part):
            yield from leaves(each, (*path, index))
    yield path


def replaced(document: Any, path: tuple[int, ...], value: Any) -> Any:
    if not path:
        return value
    copied = list(document)
    copied[path[0]] = replaced(copied[path[0]], path[1:], value)
    return copied


def test_other_bytes_are_refused_or_have_only_what_there_is() -> None:
    document = json.loads(worked_out(1).to_bytes())
    places = list(leaves(document))
    draw = random.Random(1)
    refused = 0
    for _ in range(150):
        value: Any = draw.choice([None, True, -1, 1 << 40, 0.5, "x", [], [[]], {"a": 1}, 3])
        data = json.dumps(replaced(document, draw.choice(places), value)).encode()
        try:
            found = Learned.from_bytes(data)
        except ValueError:
            refused += 1
            continue
        every, states = range(len(found.microstates)), range(len(found.states))
        assert all(number in every for _, members in found.states for number in members)
        assert all(state in states and after in states for (state, _), after in found.steps.items())
        assert all(state in states for state, _ in found.hazards)
        assert all(state in states for state in found.barriers)
    assert refused > 75


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"7", b"\xff", b"[" * 100_000, b"[[],[],[],[],[],[],[],[],[]]", b"[1,2,3,4,5,6,7,8]"],
)
def test_what_is_nothing_of_the_kind_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not the states of an automaton"):
        Learned.from_bytes(data)


# -- the folder ------------------------------------------------------------------------------------------------


def test_a_command_goes_on_where_the_last_one_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = command(partial(walk, seed=5))
    assert [path.name[:6] for path in folder.iterdir()] == ["order-"]
    for name in ("_image", "_worked_out"):
        monkeypatch.setattr(OrderMachine, name, lambda *_: pytest.fail("it is known already"))
    assert command(partial(walk, seed=5)) == said


@pytest.mark.parametrize("seed", range(3))
def test_what_others_have_met_does_not_matter(seed: int, folder: Path) -> None:
    for other in (7, 8):
        command(partial(walk, seed=other))
    assert command(partial(walk, seed=seed)) == walk(OrderMachine(PROFILE, barriers=True), seed)


def test_a_program_that_uses_the_package_keeps_nothing(folder: Path) -> None:
    order_machine.cache_clear()
    walk(order_machine(PROFILE, barriers=True), 1)
    process_end.end_command()
    assert not folder.exists()


def test_nothing_is_written_where_nothing_is_new(folder: Path) -> None:
    command(partial(walk, seed=1))
    (file,) = folder.iterdir()
    before = file.stat()
    command(partial(walk, seed=1))
    assert file.stat().st_ino == before.st_ino


@pytest.mark.parametrize("fault", [*broken_copies(bytes(1000)), "a folder"])
def test_what_was_damaged_is_worked_out_anew(fault: str, folder: Path) -> None:
    said = command(partial(walk, seed=2))
    (file,) = folder.iterdir()
    kept = file.read_bytes()
    if fault == "a folder":
        file.unlink()
        file.mkdir()
    else:
        file.write_bytes(broken_copies(kept)[fault])
    assert command(partial(walk, seed=2)) == said
    assert file.is_dir() if fault == "a folder" else file.read_bytes() == kept
    assert [path.name[:6] for path in folder.iterdir()] == ["order-"], "a draft was left"


def test_a_folder_that_cannot_be_written_is_no_fault(folder: Path) -> None:
    folder.write_text("a file is in its place")
    assert command(partial(walk, seed=2)) == walk(OrderMachine(PROFILE, barriers=True), 2)
    assert folder.is_file()


def test_of_two_commands_at_once_the_last_one_is_kept(folder: Path) -> None:
    """Each writes whole files, so that a third one reads what one of them has learned, or the other."""
    process_end.begin_command()
    order_machine.cache_clear()
    walk(order_machine(PROFILE, barriers=True), 3)
    order_machine.cache_clear()
    walk(order_machine(PROFILE, barriers=True), 4)
    process_end.end_command()
    (file,) = folder.iterdir()
    states = len(Learned.from_bytes(file.read_bytes()[32:]).states)
    assert states == len(worked_out(4).states)


def test_too_much_is_not_kept_and_a_full_file_is_begun_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "MOST_KEPT_NUMBERS", worked_out(1).size)
    command(partial(walk, seed=1))
    (file,) = folder.iterdir()
    command(partial(walk, seed=1))
    assert file.exists()
    command(partial(walk, seed=2))
    assert not file.exists()
    monkeypatch.setattr(machine, "MOST_KEPT_NUMBERS", 10)
    command(partial(walk, seed=1))
    assert not file.exists()


def test_a_check_says_the_same_with_what_was_kept(folder: Path) -> None:
    """The states have other numbers then; and the check begins with other ones."""
    text = """\
        version 2
        option order
        core cpu0 guest
        guest mmu off
        guest fetch 0x1000 4
        guest map 0x1000 0x1000 normal-wb exec
        guest mmu on
        guest write 0x1000 8
        guest isb
        guest read 0x1000 8
    """
    found = check_text(text)
    for seed in (1, 2):
        command(partial(walk, seed=seed))
    assert command(lambda _: check_text(text)) == found
    assert command(lambda _: check_text(text)) == found
