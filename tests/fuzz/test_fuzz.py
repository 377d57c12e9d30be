# SPDX-License-Identifier: GPL-2.0-or-later
"""A short run of every fuzzer, and all inputs that a fuzzer ever found; ``scripts/fuzz`` does the long runs."""

import random
import time
from pathlib import Path

import pytest

from coldline.errors import ColdlineError, PlanError
from tests.fuzz import mutate
from tests.fuzz.bounds import checked
from tests.fuzz.target import MOST_BYTES
from tests.fuzz.targets import TARGETS
from tests.helpers.requirements import require

RUNS = 1000
"""The runs of a target with the usual weight."""

RUNS_OF_SEEDS = 40

CRASHES = Path(__file__).parent / "crashes"


@pytest.mark.parametrize("name", TARGETS)
def test_broken_files_end_in_typed_errors(name: str) -> None:
    target = TARGETS[name]
    seeds = target.seeds()
    require(seeds, f"no tool is installed that makes seeds for {name}")
    run, source = checked(target.run), random.Random(name)
    for data in seeds[:RUNS_OF_SEEDS]:
        run(data)
    for _ in range(RUNS * min(target.weight, 100) // 100):
        run(mutate.mutant(seeds, source, target.most_bytes))


@pytest.mark.parametrize("name", TARGETS)
def test_a_good_part_of_the_seeds_is_good(name: str) -> None:
    """Otherwise a fuzzer would never get past the first check."""
    seeds = TARGETS[name].seeds()
    require(seeds, f"no tool is installed that makes seeds for {name}")
    good = 0
    for data in seeds[:RUNS_OF_SEEDS]:
        try:
            TARGETS[name].run(data)
        except PlanError:
            pass  # read, and found to be for arm32, say
        except ColdlineError:
            continue
        good += 1
    assert good


def test_what_was_found_once() -> None:
    for path in sorted(CRASHES.glob("*")):
        name = max((each for each in TARGETS if path.name.startswith(f"{each}-")), key=len)
        checked(TARGETS[name].run)(path.read_bytes())


def test_a_fuzzer_sees_what_is_wrong() -> None:
    class TwoLinesError(ColdlineError):
        def __str__(self) -> str:
            return "two\nlines"

    def lines(data: bytes) -> None:
        raise TwoLinesError("")

    def slow(data: bytes) -> None:
        end = time.process_time() + 1.05
        while time.process_time() < end:
            pass

    checked(lambda data: None)(b"")
    with pytest.raises(AssertionError):
        checked(lines)(b"")
    with pytest.raises(AssertionError, match="took"):
        checked(slow)(b"a")

    def second(data: bytes) -> None:
        data[1]

    with pytest.raises(IndexError):
        checked(second)(b"")


def test_mutants_differ_and_are_the_same_again() -> None:
    seeds = [bytes(range(200)), b"abc"]
    first = [mutate.mutant(seeds, random.Random(number)) for number in range(300)]
    assert first == [mutate.mutant(seeds, random.Random(number)) for number in range(300)]
    assert len(set(first)) > 250
    assert all(len(each) <= MOST_BYTES for each in first)
