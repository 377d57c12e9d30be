# SPDX-License-Identifier: GPL-2.0-or-later
"""The Promela model of order, run by Spin: on traces worked out by hand, and beside the checker on random ones."""

import random
from collections.abc import Iterator

import pytest

from coldline.errors import TraceError
from tests.checker.test_mappings import CORES, DESCRIPTORS, PREPARED, WALKS
from tests.checker.test_words import trace
from tests.helpers.checking import check_text
from tests.helpers.effort import ASKED, examples
from tests.helpers.requirements import require
from tests.oracles.promela_model import Hazard, Spin, in_order
from tests.oracles.promela_order import CHECKED, MOST_PIECES, explore, order_spin, read

NO_SPIN = "no spin (Debian's package spin) or no gcc"
FIRST_SEED = 0 if ASKED is None else random.SystemRandom().randrange(1 << 40)
PAGE = "0x1000 0x1000"
PLACES = ("0x1000 8", "0x1008 8", "0x1000 16")
TYPES = ("normal-wb", "normal-nc", "device")
OPERATIONS = ("cvac", "civac", "ivac", "cvau")
MOST_PENDING = 3
"""Data cache operations of a core between its barriers, for the model."""


@pytest.fixture(scope="module")
def spin(tmp_path_factory: pytest.TempPathFactory) -> Spin:
    require(Spin.is_here(), NO_SPIN)
    return order_spin(tmp_path_factory.mktemp("order"))


def by_checker(text: str) -> list[Hazard]:
    """The checker's hazards but `bbm`, which the model has none of."""
    return in_order(Hazard(*found) for found in check_text(text) if found.kind != "bbm")


def is_said(text: str) -> bool:
    """Whether the model says all that a trace does, and anything is checked."""
    try:
        _, events = read(text)
    except ValueError:
        return False
    return any(event.what in CHECKED for event in events)


BY_HAND = [
    *(trace(CORES, text, order=True) for _, text, _ in DESCRIPTORS),
    *(trace(CORES, PREPARED, text, order=True) for _, text, _ in WALKS),
]


def test_traces_worked_out_by_hand(spin: Spin) -> None:
    texts = list(filter(is_said, BY_HAND))
    assert len(texts) > 15
    for text, found in zip(texts, explore(spin, texts), strict=True):
        assert found == by_checker(text), text


def drawn(seed: int) -> str:
    """A random trace that the model says; events that cannot be are left out."""
    rng = random.Random(seed)
    cores = rng.choice((("a b", "c"), ("a", "b", "c"), ("a b c",), ("a c", "b")))
    core_of = {agent: at for at, agents in enumerate(cores) for agent in agents.split()}
    lines = ["version 2", "option order", *(f"core c{at} {agents}" for at, agents in enumerate(cores))]
    lines += [f"{agent} mmu off" for agent in "abc" if rng.random() < 0.25]
    lines += [f"{agent} map {PAGE} {rng.choice(TYPES[:2])}" for agent in "abc" if rng.random() < 0.7]
    pending = dict.fromkeys(core_of.values(), 0)
    for event in _events(rng, rng.randint(5, 12)):
        core, op = core_of[event[0]], event.split()[1]
        if op == "dc" and pending[core] == MOST_PENDING:
            continue
        try:
            check_text("".join(f"{line}\n" for line in [*lines, event]))
        except TraceError:
            continue
        lines.append(event)
        pending[core] = 0 if op == "dsb" else pending[core] + (op == "dc")
    return "".join(f"{line}\n" for line in lines)


def _events(rng: random.Random, count: int) -> Iterator[str]:
    words = (
        "read",
        "read",
        "write",
        "write",
        "dc",
        "dc",
        "dsb",
        "dsb",
        "walk",
        "map",
        "unmap",
        "descriptor",
        "tlbi",
    )
    for _ in range(count):
        agent, word = rng.choice("abc"), rng.choice(words)
        place = rng.choice(PLACES)
        if word in ("read", "write"):
            yield f"{agent} {word} {place}"
        elif word == "dc":
            yield f"{agent} dc {rng.choice(OPERATIONS)} {place}"
        elif word == "walk":
            yield f"{agent} walk {place} {rng.choice(('normal-wb', 'normal-wb', 'normal-nc'))}"
        elif word == "map":
            yield f"{agent} map {PAGE} {rng.choice(TYPES)}"
        elif word == "unmap":
            yield f"{agent} unmap {PAGE}"
        elif word == "descriptor":
            yield f"{agent} descriptor {PAGE} {rng.choice(('invalid', *TYPES))}"
        elif word == "tlbi":
            yield f"{agent} tlbi {rng.choice((PAGE, 'all'))}"
        else:
            yield f"{agent} dsb"


def test_the_checker_finds_what_spin_finds(spin: Spin) -> None:
    texts = [drawn(seed) for seed in range(FIRST_SEED, FIRST_SEED + examples(150))]
    texts = [text for text in texts if " read " in text or " walk " in text]
    hazardous = 0
    for text, found in zip(texts, explore(spin, texts), strict=True):
        assert found == by_checker(text), text
        hazardous += bool(found)
    assert len(texts) > hazardous > len(texts) // 20


def test_a_trace_that_the_model_does_not_say_is_refused(spin: Spin) -> None:
    for text in ("core c a; a fetch 0x1000 4", f"core c a; a map {PAGE} normal-wt; a read 0x1000 8"):
        with pytest.raises(ValueError, match="not in the model"):
            explore(spin, [trace(text, order=True)])
    pieces = "; ".join(f"a read {address:#x} 8" for address in range(0x1000, 0x1000 + 16 * MOST_PIECES, 16))
    with pytest.raises(ValueError, match="pieces"):
        explore(spin, [trace(f"core c a; a map {PAGE} normal-wb; {pieces}", order=True)])
