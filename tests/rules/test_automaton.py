# SPDX-License-Identifier: GPL-2.0-or-later
"""The automaton of a byte, compared with a second construction of it."""

from functools import lru_cache
from itertools import product
from pathlib import Path

import pytest

from coldline.rules import automaton as module
from coldline.rules.alphabet import Letter
from coldline.rules.automaton import LETTERS, READS, Automaton, automaton, build_automaton
from coldline.rules.line_rules import Hazard, microstates
from coldline.rules.profile import Profile
from tests.helpers.broken_copies import broken_copies
from tests.helpers.profiles import profile_with
from tests.oracles import byte_machine
from tests.oracles.explorer import CHECKED


@lru_cache
def built(profile: Profile) -> Automaton:
    return build_automaton(profile)


# -- how many states ---------------------------------------------------------------------------------------

SIZES = {
    # (idc, dic): reachable, minimal; nc-may-hit changes what reads say but parts no states
    (False, False): (2494, 311),
    (True, False): (2031, 101),
    (False, True): (355, 31),
    (True, True): (355, 22),
}
EFFECTIVE_SIZES = {
    # The same where dc csw, cisw and isw certainly reach the line: no page counts on these.
    (False, False): (942, 259),
    (True, False): (683, 85),
    (False, True): (215, 27),
    (True, True): (215, 20),
}
SWITCHES = [
    {"nc_may_hit": nc, "idc": idc, "dic": dic, "setway_effective": effective}
    for nc, idc, dic, effective in product((False, True), repeat=4)
]


def named(switches: dict[str, bool]) -> str:
    return "-".join(name for name, on in switches.items() if on) or "none"


@lru_cache
def again(**switches: bool) -> byte_machine.Machine:
    return byte_machine.determined(**switches)


@pytest.mark.parametrize("switches", SWITCHES, ids=named)
def test_sizes(switches: dict[str, bool]) -> None:
    machine = built(profile_with(**switches))
    sizes = EFFECTIVE_SIZES if switches["setway_effective"] else SIZES
    assert (machine.reachable, len(machine.step)) == sizes[switches["idc"], switches["dic"]]


FEW = ("idc", "idc-dic", "dic")
FEW_SWITCHES = [pytest.param(each, marks=() if named(each) in FEW else pytest.mark.long) for each in SWITCHES]


@pytest.mark.parametrize("switches", FEW_SWITCHES, ids=named)
def test_sizes_are_those_of_a_second_construction(switches: dict[str, bool]) -> None:
    machine, second = built(profile_with(**switches)), again(**switches)
    assert len(second.step) == machine.reachable
    assert len(byte_machine.hopcroft(second)) == len(machine.step)


@pytest.mark.parametrize("switches", FEW_SWITCHES, ids=named)
def test_a_second_construction_says_the_same_of_every_trace(switches: dict[str, bool]) -> None:
    """Both are walked at once: each of its states corresponds to one of ours, with the same hazards."""
    machine, second = built(profile_with(**switches)), again(**switches)
    partner, todo = {0: machine.start}, [0]
    for state in todo:
        ours = partner[state]
        flags = [Hazard(each) for each in machine.bad[ours]]
        assert second.output[state] == tuple((Hazard.STALE in each, Hazard.LOST in each) for each in flags)
        for target, our_target in zip(second.step[state], machine.step[ours], strict=True):
            if target not in partner:
                partner[target] = our_target
                todo.append(target)
            assert partner[target] == our_target
    assert len(partner) == len(second.step)
    assert set(partner.values()) == set(range(len(machine.step)))


def test_the_second_construction_has_our_letters_and_reads() -> None:
    def words(letter: Letter) -> str:
        return letter.name.lower().replace("_", " ")

    assert list(byte_machine.LETTERS) == [words(letter) for letter in LETTERS]
    reads = [
        next(name for name, event in byte_machine.EVENTS.items() if event[0] == action) for action in CHECKED
    ]
    assert reads == [words(letter) for letter in READS]


def test_nc_may_hit_is_seen_in_what_reads_say() -> None:
    for idc, dic in SIZES:
        plain, hits = built(Profile(idc=idc, dic=dic)), built(Profile(idc=idc, dic=dic, nc_may_hit=True))
        assert plain.bad != hits.bad
        assert plain.step == hits.step


@pytest.mark.parametrize("switches", SWITCHES, ids=named)
def test_an_automaton_is_complete(switches: dict[str, bool]) -> None:
    machine = built(profile_with(**switches))
    states = range(len(machine.step))
    assert machine.start in states
    assert len(machine.bad) == len(machine.step)
    assert all(len(row) == len(LETTERS) for row in machine.step)
    assert all(len(row) == len(READS) for row in machine.bad)
    assert all(type(target) is int and target in states for row in machine.step for target in row)


@pytest.mark.parametrize("switches", SWITCHES, ids=named)
def test_states_are_numbered_by_the_shortest_traces_that_lead_to_them(switches: dict[str, bool]) -> None:
    machine = built(profile_with(**switches))
    met = [machine.start]
    for state in met:
        met += [target for target in dict.fromkeys(machine.step[state]) if target not in met]
    assert met == list(range(len(machine.step)))


def test_a_cold_byte_reads_well_in_every_way() -> None:
    machine = built(Profile())
    assert machine.bad[machine.start] == (0,) * len(READS)


def test_there_are_a_hundred_and_fifty_microstates() -> None:
    listed = microstates()
    # 1 + 2 + 2 ways for each level of data cache, 1 + 2 for the instruction cache, 2 for memory
    assert len(listed) == len(set(listed)) == 5 * 5 * 3 * 2


# -- built once ----------------------------------------------------------------------------------------------


def test_an_automaton_is_built_once_for_all_that_a_byte_does_not_know() -> None:
    first = automaton(Profile(idc=True, dic=True))
    assert automaton(Profile(idc=True, dic=True, line=2048, setway_effective=True)) is first
    assert automaton(Profile(dic=True)) != first


@pytest.mark.parametrize("switches", SWITCHES[:2], ids=named)
def test_what_was_built_is_kept_and_is_the_same(
    switches: dict[str, bool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    profile = profile_with(**(switches | {"setway_effective": False}))
    module._known.cache_clear()
    assert automaton(profile) == built(profile)
    (file,) = (tmp_path / "coldline").iterdir()
    assert file.name.startswith("automaton-")
    module._known.cache_clear()
    monkeypatch.setattr(module, "build_automaton", lambda _: pytest.fail("it is there already"))
    assert automaton(profile) == built(profile)
    module._known.cache_clear()


@pytest.mark.parametrize("fault", broken_copies(bytes(1000)))
def test_an_automaton_that_was_damaged_is_built_anew(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    profile = Profile(idc=True, dic=True)
    module._known.cache_clear()
    automaton(profile)
    (file,) = (tmp_path / "coldline").iterdir()
    kept = file.read_bytes()
    file.write_bytes(broken_copies(kept)[fault])
    module._known.cache_clear()
    assert automaton(profile) == built(profile)
    assert file.read_bytes() == kept
    module._known.cache_clear()
