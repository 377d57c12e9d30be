# SPDX-License-Identifier: GPL-2.0-or-later
"""The patches of ``driver/rfc-v2``, and how they are built, without Debian's packages."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from testbed.builds import building, rfc_v2, xen_source
from testbed.builds.modules import BuildError
from testbed.dom0 import privcmd
from testbed.packages import apt
from tests.helpers.requirements import require

PATCHES = (*rfc_v2.LINUX_PATCHES, *rfc_v2.XEN_PATCHES)
HEADER = re.compile(r"^Subject: \[RFC v2 (\d)/(\d)\] (.+(?:\n .+)*)$", re.MULTILINE)
CHANGED = re.compile(r"^diff --git a/(\S+) b/\1$", re.MULTILINE)
FIELD = re.compile(r"^\+\t(\w+) (\w+);", re.MULTILINE)
WIDTHS = {"__u16": 2, "__u32": 4, "__u64": 8, "domid_t": 2}


def added(patch: Path) -> str:
    return "\n".join(line for line in patch.read_text().splitlines() if line.startswith("+"))


def the(pattern: str) -> Path:
    (found,) = (path for path in PATCHES if re.search(pattern, path.name))
    return found


def test_the_series_is_complete() -> None:
    heads = [HEADER.search(path.read_text()) for path in PATCHES]
    assert [(int(head[1]), int(head[2])) for head in heads if head] == [
        (number, len(PATCHES)) for number in range(1, len(PATCHES) + 1)
    ]
    for path in PATCHES:
        assert re.search(r"^Signed-off-by: ", path.read_text(), re.MULTILINE), path
        assert not re.search(r"^\+.*[ \t]$", path.read_text(), re.MULTILINE), path
    cover = (rfc_v2.FOLDER / "0000-cover-letter.patch").read_text()
    for head in heads:
        assert head
        assert " ".join(head[3].split()) in cover
    changed = [name for path in PATCHES for name in CHANGED.findall(path.read_text())]
    for name in changed:
        assert name in cover


def test_what_each_patch_changes() -> None:
    assert set(CHANGED.findall(the("linux").read_text())) == {
        "drivers/xen/privcmd.c",
        "include/uapi/xen/privcmd.h",
    }
    for path in rfc_v2.XEN_PATCHES:
        assert {name.partition("/")[0] for name in CHANGED.findall(path.read_text())} <= {"tools", "docs"}


def test_the_ioctl_is_the_same_everywhere() -> None:
    interfaces = []
    for path in (the("linux"), the("foreignmemory")):
        text = added(path)
        assert re.search(r"_IOW\('P', 11, (struct )?privcmd_mmapbatch_v3(_t)?\)", text)
        types = dict(re.findall(r"define (PRIVCMD_MEMTYPE_\w+)\s+(\d+)", text))
        assert types == {
            "PRIVCMD_MEMTYPE_DEFAULT": str(privcmd.DEFAULT),
            "PRIVCMD_MEMTYPE_UNCACHED": str(privcmd.UNCACHED),
        }
        structure = text[text.index("struct privcmd_mmapbatch_v3 {") :].partition("}")[0]
        interfaces.append([(name, WIDTHS[width]) for width, name in FIELD.findall(structure)])
    tested = privcmd._BatchV3
    ours = [(name, ctypes.sizeof(width)) for name, width in tested._fields_]
    assert interfaces == [ours, ours]
    assert sum(size for _, size in ours) == ctypes.sizeof(tested) == 32, "no padding, for any compiler"
    write, size, kind, number = 1 << 30, 32 << 16, ord("P") << 8, 11  # linux include/uapi/asm-generic/ioctl.h
    assert write | size | kind | number == privcmd._MMAPBATCH_V3


def test_no_memory_type_by_its_encoding() -> None:
    assert not re.search(r"mair|0x44|0xff\b", "".join(added(path) for path in PATCHES), re.IGNORECASE)


def test_a_patch_that_does_not_apply(tmp_path: Path) -> None:
    require(shutil.which("patch"), "no patch: scripts/setup --testbed installs it")
    patch = tmp_path / "0001-change.patch"
    patch.write_text("--- a/file\n+++ b/file\n@@ -1 +1 @@\n-old\n+new\n")
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_text("old\n")
    rfc_v2.apply((patch,), tree)
    assert (tree / "file").read_text() == "new\n"
    with pytest.raises(BuildError, match=r"^0001-change.patch does not apply:\\npatching file file\\n"):
        rfc_v2.apply((patch,), tree)


def test_a_version_that_the_server_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDLINE_CACHE", str(tmp_path))
    monkeypatch.setattr(apt, "with_sources", lambda folder, *, suite: [])
    asked: list[str] = []

    def run(*command: str, check: bool = True, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        if "showsrc" in command:
            shown = "".join(f"Version: {version}\n\n" for version in ("4.17.9-1", "4.17.10-1", "4.20.1-1"))
            return subprocess.CompletedProcess(command, 0, shown, "")
        if command[0] == "tar":
            return real(*command, check=check, cwd=cwd)
        asked.append(command[-1])
        if command[-1] == "xen=4.17.10-1":
            return subprocess.CompletedProcess(command, 100, "", "E: 404  Not Found\n")
        assert cwd
        (cwd / "xen-4.17.9").mkdir()
        (cwd / "xen-4.17.9" / "Config.mk").write_text("")
        subprocess.run(["tar", "-cf", "xen_4.17.9.orig.tar.xz", "xen-4.17.9"], cwd=cwd, check=True)
        return subprocess.CompletedProcess(command, 0, "", "")

    real = apt.run
    monkeypatch.setattr(apt, "run", run)
    tree = xen_source.xen_source("4.17")
    assert asked == ["xen=4.17.10-1", "xen=4.17.9-1"], "the newest first"
    assert [path.name for path in tree.iterdir()] == ["Config.mk"]
    assert xen_source.xen_source("4.17") == tree
    assert len(asked) == 2
    with pytest.raises(apt.FetchError, match=r"^the source of xen 4\.18: no such version$"):
        xen_source.xen_source("4.18")


def test_a_build_that_fails(tmp_path: Path) -> None:
    script = tmp_path / "configure"
    script.write_text("#!/bin/sh\necho checking for yajl... no\nexit 1\n")
    script.chmod(0o755)
    with pytest.raises(BuildError, match=r"^\./configure: exit status 1\\nchecking for yajl\.\.\. no$"):
        building.run_build(["./configure", "--prefix=/usr"], tmp_path, {})
