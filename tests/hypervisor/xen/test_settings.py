# SPDX-License-Identifier: GPL-2.0-or-later
"""What `coldline create` makes of a configuration file on the fake Xen: entries, affinities, shares, free memory."""

from pathlib import Path

import pytest

from coldline.cli.create import create
from coldline.cli.main import parser
from coldline.errors import ColdlineError, HypervisorError, UsageError
from coldline.hypervisor.xen import XenDomain, XenHost
from coldline.hypervisor.xen.scheduling import cpus_of, numbers_of
from coldline.samples import sample
from tests.helpers.fake_xen import FakeXen


def made(xen: FakeXen, tmp_path: Path, *lines: str, words: tuple[str, ...] = ()) -> XenDomain:
    file = tmp_path / "guest.cfg"
    kernel = sample("midway-arm64").image
    file.write_text("\n".join((f'kernel = "{kernel}"', 'name = "small"', "memory = 16", *lines)) + "\n")
    return create(parser().parse_args(["create", str(file), *words]), xen)[0]


def entry(xen: FakeXen, domain: XenDomain, path: str) -> str:
    return xen.store_is.entries[f"/local/domain/{domain.domid}/{path}"].decode()


def test_a_balloon_and_offline_vcpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    xen = FakeXen()
    domain = made(xen, tmp_path, "maxmem = 64", "vcpus = 1", "maxvcpus = 3")
    assert capsys.readouterr().err == ""
    assert entry(xen, domain, "memory/static-max") == str(64 << 10)
    assert entry(xen, domain, "memory/target") == str(16 << 10)
    online = [entry(xen, domain, f"cpu/{vcpu}/availability") for vcpu in range(3)]
    assert online == ["online", "offline", "offline"]
    assert xen.domains[domain.domid].max_vcpus == 3
    assert len(xen.domains[domain.domid].frames) == (16 << 8) + 3  # RAM and three pages for rings


def test_affinity_and_weight(tmp_path: Path) -> None:
    xen = FakeXen()
    domain = made(xen, tmp_path, 'cpus = ["0-2,^1", "all"]', "vcpus = 3", "cpu_weight = 512", "cap = 50")
    assert xen.domains[domain.domid].affinity == {0: 0b101, 1: 0b1111}
    assert xen.domains[domain.domid].share == (512, 50)
    (text,) = xen.records.texts.values()
    assert '"weight": 512,\n            "cap": 50' in text


def test_a_cpupool_by_name(tmp_path: Path) -> None:
    xen = FakeXen()
    xen.store_is.write("/local/pool/1/name", "quiet")
    assert xen.domains[made(xen, tmp_path, 'pool = "quiet"').domid].pool_number == 1
    with pytest.raises(UsageError, match="no cpupool 'other'"):
        made(xen, tmp_path, 'pool = "other"', 'name = "second"')


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('cpus = "node:0"', "names nodes"),
        ('cpus = "7"', "none of the CPUs 0 to 3"),
        ('pool = "quiet"\ncpu_weight = 2', "has no weights"),
    ],
)
def test_what_xen_cannot_give(tmp_path: Path, line: str, says: str) -> None:
    xen = FakeXen()
    xen.store_is.write("/local/pool/1/name", "quiet")
    with pytest.raises(ColdlineError, match=says):
        made(xen, tmp_path, line)
    assert (xen.domains, xen.records.texts) == ({}, {})


def test_too_little_free_memory(tmp_path: Path) -> None:
    """16 MiB of RAM, 1.6 MiB of tables (256 pages and one for each MiB and 128) and 1 MiB for rings."""
    xen = FakeXen()
    xen.free_frames = 10 << 8
    with pytest.raises(HypervisorError) as caught:
        made(xen, tmp_path)
    assert str(caught.value) == "the guest needs 19 MiB with Xen's tables for it, and Xen has 10 MiB free"
    assert xen.next == 1, "no domain was created"


def test_the_name_is_there_before_memory() -> None:
    xen = FakeXen()
    host = XenHost(xen, name="early")
    domain = host.create_domain("arm64", 1 << 20, 1)
    assert entry(xen, domain, "name") == "early"
    assert not xen.domains[domain.domid].frames
    with pytest.raises(UsageError, match="'early' exists already"):
        XenHost(xen, name="early").create_domain("arm64", 1 << 20, 1)
    assert list(xen.domains) == [domain.domid]
    host.destroy(domain)
    assert not [path for path in xen.store_is.entries if path.count("/") > 2]


def test_when_it_was_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 1795983666.476)
    xen = FakeXen()
    domain = made(xen, tmp_path)
    vm = entry(xen, domain, "vm")
    assert xen.store_is.entries[f"{vm}/start_time"] == b"1795983666.47"


@pytest.mark.parametrize(
    ("words", "cpus"),
    [("all,^0", [1, 2, 3]), ("1-9", [1, 2, 3]), ("2,2", [2]), ("^1,1", [1]), ("0-1,3", [0, 1, 3])],
)
def test_lists_of_cpus(words: str, cpus: list[int]) -> None:
    assert numbers_of(cpus_of(words, 4)) == cpus
