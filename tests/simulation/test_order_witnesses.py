# SPDX-License-Identifier: GPL-2.0-or-later
"""Each witness of a run that follows barriers can be replayed by the rules as the explorer has them."""

from collections import Counter

import pytest

from tests.helpers.command import Cli
from tests.helpers.requirements import require
from tests.oracles.order_replay import replay
from tests.oracles.replay import read

HAZARD = 1
ALL = 100_000
"""More hazards than any of these runs has."""


def replayed(cli: Cli, *arguments: object) -> Counter[str]:
    """The kinds of the hazards of a run, each of which has a witness that leads to it."""
    found = cli("boot", *arguments, "--hazards", ALL, "--format", "witness")
    assert found.status == HAZARD
    *traces, _ = found.out.split("\n\n")
    kinds: Counter[str] = Counter()
    for text in traces:
        assert "option order" in text
        replay(text + "\n")
        kinds[read(text + "\n")[0].kind] += 1
    return kinds


@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        (("midway-arm64", "--strategy", "flush"), {"stale-read", "stale-fetch"}),
        (("midway-arm64", "--host", "bootloader-dirty"), {"stale-read", "stale-fetch"}),
        (("midway-arm64", "--host", "warm-reset"), {"stale-read", "stale-fetch"}),
        (("midway-arm32", "--strategy", "none"), {"lost-write", "stale-read", "stale-fetch"}),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, tuple) else "",
)
def test_the_witnesses_of_a_small_guest(cli: Cli, arguments: tuple[str, ...], kinds: set[str]) -> None:
    assert set(replayed(cli, "--sample", *arguments)) == kinds


@pytest.mark.long
def test_the_witnesses_of_a_whole_kernel(cli: Cli) -> None:
    """Debian's armmp kernel, to its first PSCI call: some 850 million events."""
    from testbed.packages import apt, debian, kernels

    try:
        binary = debian.current_kernel("armhf", "armmp").binary
        folder = debian.packages("armhf", [binary])[binary]
    except apt.FetchError as error:
        require(False, f"no Debian kernel for armhf: {error}")
    kernel = kernels.kernel_file(folder, kernels.release_of(binary))
    found = replayed(cli, kernel, "--memory", "256M", "--append", "quiet")
    assert found.total() > 20
