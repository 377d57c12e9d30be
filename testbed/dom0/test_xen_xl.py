# SPDX-License-Identifier: GPL-2.0-or-later
"""xl's subcommands say the same of a guest that coldline built and of one that xl built, and have the same status."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.dom0 import domains
from testbed.dom0.commands import coldline, good, xl
from testbed.dom0.domains import Xen
from testbed.dom0.xl_subcommands import COMMANDS

pytestmark = pytest.mark.one_xen

GUEST = Path("/host/guest")
LOGS = Path("/var/log/xen/console")
NAMES = {"xl": "theirs", "coldline": "ourown"}
WITHIN_S = 300
RECORD = Path("/host/subcommands.json")
"""What each subcommand said; testbed/xl_subcommands.py makes a table of it."""

LEAST_NUMBER = 70
"""Of a guest: xl prints no such number for anything else, so that the guests' numbers can be left out."""

CHANGING = (
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID"),
    (r"\b\d+:\d\d:\d\d\b", "H:M:S"),
    (r"[rb-][b-][p-]---|[rb-]{2}[p-]|[r-]--|-b-", "STATE"),  # an emulated processor decides whether it runs
    (r"\b\d+\.\d\b", "SECONDS"),
    (r"  +", "  "),
    (r"\bproc(ess)? \d+|\[\d+\]", "PROCESS"),
    (r" 0  0  STATE| 0  -  STATE", " 0  CPU  STATE"),
)


def log_of(builder: str) -> Path:
    """The log of a guest's console."""
    return LOGS / f"guest-{NAMES[builder]}.log"


def create(builder: str, folder: Path) -> int:
    """Build a Linux guest from one configuration; return its number."""
    name = NAMES[builder]
    log_of(builder).unlink(missing_ok=True)  # of an earlier guest of this name
    file = folder / f"{name}.cfg"
    file.write_text(
        f'name = "{name}"\nmemory = 64\nvcpus = 2\nkernel = "{GUEST}/kernel"\nramdisk = "{GUEST}/initrd"\n'
        'extra = "console=hvc0 loglevel=4 rdinit=/init"\non_poweroff = "preserve"\n'
    )
    if builder == "xl":
        xl("create", "-q", str(file))
    else:
        good("create", str(file))
    return int(xl("domid", name))


def booted(builder: str, times: int = 1) -> bool:
    log, end = log_of(builder), time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        if log.exists() and log.read_text(errors="replace").count("guest: in user space") >= times:
            return True
        time.sleep(0.5)
    return False


def use_up_a_number(xen: Xen) -> int:
    """Create and destroy a domain; return its number, which the next one will not have."""
    domain = xen.create(1)
    domain.destroy()
    return domain.number


@pytest.fixture(scope="module")
def both(xen: Xen, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """Two Linux guests in their user space, one of each builder, and their numbers."""
    while use_up_a_number(xen) < LEAST_NUMBER:
        pass
    folder = tmp_path_factory.mktemp("both")
    numbers = {builder: create(builder, folder) for builder in NAMES}
    assert all(booted(builder) for builder in NAMES)
    yield numbers
    for name in NAMES.values():
        subprocess.run(["xl", "destroy", name], check=False, capture_output=True)


def said(command: str, builder: str, number: int) -> tuple[int, str]:
    """What a subcommand says, with what changes from guest to guest left out, and its status."""
    name = NAMES[builder]
    words = [word.replace("NAME", name).replace("ID", str(number)) for word in command.split()]
    done = subprocess.run(
        ["xl", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
        stdin=subprocess.DEVNULL,
    )
    text = (done.stdout + done.stderr).replace(name, "NAME")
    text = re.sub(rf"(?<![.\d]){number}(?![.\d])", "ID", text)  # and no part of 3.1
    for pattern, word in CHANGING:
        text = re.sub(pattern, word, text)
    return done.returncode, text.strip()


def test_every_subcommand(both: dict[str, int]) -> None:
    rows = []
    for command in COMMANDS:
        (status, theirs), (ours_status, ours) = (said(command, builder, both[builder]) for builder in NAMES)
        rows.append({"command": command, "xl": [status, theirs], "coldline": [ours_status, ours]})
        if command.startswith("reboot"):
            for builder in NAMES:
                assert booted(builder, 2), f"the guest of {builder} is not back"
                both[builder] = int(xl("domid", NAMES[builder]))
    RECORD.write_text(json.dumps(rows, indent=1))
    different = [row for row in rows if row["xl"] != row["coldline"]]
    assert not different, json.dumps(different, indent=1)


def test_a_killed_build_has_its_name(xen: Xen) -> None:
    from coldline.hypervisor.xen import XenHost

    host = XenHost(xen.bindings, name="early")
    domain = host.create_domain(domains.ARCHITECTURE, 16 << 20, 1)
    try:
        assert xl("list", "early").split()[-6:-4] == ["early", str(domain.domid)]
        assert "(null)" not in xl("list")
    finally:
        host.destroy(domain)


def test_settings_of_a_file(driver: None, tmp_path: Path) -> None:
    file = tmp_path / "set.cfg"
    file.write_text(
        f'name = "set"\nmemory = 64\nmaxmem = 128\nvcpus = 1\nmaxvcpus = 2\nkernel = "{GUEST}/kernel"\n'
        'cpus = ["0"]\ncpu_weight = 777\npool = "Pool-0"\non_crash = "preserve"\n'
    )
    done = coldline("create", "-p", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    try:
        (known,) = json.loads(xl("list", "-l", "set"))
        built = known["config"]["b_info"]
        assert (built["max_memkb"], built["target_memkb"]) == (128 << 10, 64 << 10)
        assert (built["max_vcpus"], built["avail_vcpus"]) == (2, [0])
        assert built["sched_params"]["weight"] == 777
        assert built["vcpu_hard_affinity"] == [[0]]  # the machine has one CPU: xl shows "all" for it
        assert known["config"]["on_crash"] == "preserve"
    finally:
        good("destroy", "set")


def test_too_little_memory_is_told_first(driver: None) -> None:
    refused = coldline(
        "create", "--sample", f"midway-{domains.ARCHITECTURE}", "--memory", "8G", "--name", "large"
    )
    assert refused.returncode == 2
    assert re.fullmatch(
        r"coldline: the guest needs \d+ MiB with Xen's tables for it, and Xen has \d+ MiB free\n",
        refused.stderr,
    )
