# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's packages, with stand-ins for apt's programs."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from testbed.packages import apt, debian, kernels


def test_an_unpacked_package_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages that were fetched before are returned without using the network."""
    monkeypatch.setenv("COLDLINE_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    trees = tmp_path / "debian" / "arm64" / "trees"
    (trees / "libx1_1.2-3_arm64").mkdir(parents=True)
    (trees / "libx1").symlink_to("libx1_1.2-3_arm64")
    (tmp_path / "debian" / "arm64" / "meta.current").write_text("libx1")
    assert debian.packages("arm64", ["libx1"]) == {"libx1": trees / "libx1_1.2-3_arm64"}
    assert debian.current("arm64", "meta", "libx.*") == "libx1"
    with pytest.raises(apt.FetchError, match="apt-get is not installed"):
        debian.packages("arm64", ["libx1", "liby1"])


def test_a_package_by_either_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDLINE_CACHE", str(tmp_path))
    trees = tmp_path / "debian" / "arm64-later" / "trees"
    (trees / "libx1t64_1.2-3_arm64").mkdir(parents=True)
    (trees / "libx1t64").symlink_to("libx1t64_1.2-3_arm64")
    wanted = "libx1t64 | libx1"
    assert debian.packages("arm64", [wanted], suite="later") == {wanted: trees / "libx1t64_1.2-3_arm64"}


def as_apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depends: dict[str, str]) -> None:
    """Let apt-cache say what packages depend on, and dpkg-deb unpack what `tmp_path` has of them."""
    monkeypatch.setenv("COLDLINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name, text in depends.items():
        (tmp_path / f"{name}.depends").write_text(
            f"{name}\n" + "".join(f"  Depends: {each}\n" for each in text.split())
        )
    scripts = {
        "apt-cache": f'for last; do :; done; cat "{tmp_path}/$last.depends"',
        "apt-get": f'for last; do :; done; case $last in update) ;; *) cp "{tmp_path}/$last.tar" "$last.deb" ;; esac',
        "dpkg-deb": 'cat "$2"',
    }
    for name, script in scripts.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    for architecture in ("arm64", "arm64-later", "armhf-later"):
        lists = tmp_path / "cache" / "debian" / architecture / "apt" / "lists"
        lists.mkdir(parents=True)
        (lists / "server_Packages").touch()
    monkeypatch.setattr(apt, "_debian_server", lambda: "http://server")


def tar(path: Path, member: str, content: bytes) -> None:
    with tarfile.open(path, "w") as archive:
        entry = tarfile.TarInfo(f"./{member}")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))


def test_a_kernel_in_its_image_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Debian 12 and 13."""
    as_apt(
        tmp_path,
        monkeypatch,
        {"linux-image-arm64": "linux-image-6.1.0-arm64", "linux-image-6.1.0-arm64": "kmod"},
    )
    tar(tmp_path / "linux-image-6.1.0-arm64.tar", "boot/vmlinuz-6.1.0-arm64", b"kernel")
    path = kernels.kernel("arm64")
    assert (path.name, path.read_bytes()) == ("vmlinuz-6.1.0-arm64", b"kernel")
    name = "linux-image-6.1.0-arm64"
    assert debian.current_kernel("arm64", "arm64") == (name, name, name)


def test_a_kernel_in_a_package_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Debian's unstable: linux-image-RELEASE has no files but depends on those that do (linux 7.2.13-1)."""
    release = "7.2.13+deb14-arm64"
    needs = {
        "linux-image-arm64": f"linux-base-arm64 linux-image-{release}",
        f"linux-image-{release}": f"linux-base-{release} linux-binary-{release} linux-modules-{release}",
    }
    as_apt(tmp_path, monkeypatch, needs)
    tar(tmp_path / f"linux-binary-{release}.tar", f"usr/lib/modules/{release}/vmlinuz", b"kernel")
    path = kernels.kernel("arm64", suite="later")
    assert (path.parent.name, path.name, path.read_bytes()) == (
        "arm64-later",
        f"vmlinuz-{release}",
        b"kernel",
    )
    assert debian.current_kernel("arm64", "arm64", suite="later") == (
        f"linux-image-{release}",
        f"linux-binary-{release}",
        f"linux-modules-{release}",
    )
    package = tmp_path / "package"
    with pytest.raises(apt.FetchError) as caught:
        kernels.kernel_file(package, release)
    assert (
        str(caught.value)
        == f"{package}: no file boot/vmlinuz-{release} nor usr/lib/modules/{release}/vmlinuz"
    )
    (package / "usr/lib/modules" / release).mkdir(parents=True)
    (package / "usr/lib/modules" / release / "vmlinuz").touch()
    assert kernels.kernel_file(package, release).is_file()
    with pytest.raises(apt.FetchError, match=r"later has neither linux-image-armmp-lpae nor .* for armhf"):
        kernels.kernel("armhf", suite="later")


def test_what_installing_would_bring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of alternatives the first is taken; virtual packages are left out; each package comes once."""
    monkeypatch.setenv("COLDLINE_CACHE", str(tmp_path / "cache"))
    lists = tmp_path / "cache" / "debian" / "arm64" / "apt" / "lists"
    lists.mkdir(parents=True)
    (lists / "server_Packages").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in ("apt-get", "apt-cache", "dpkg-deb"):
        (tmp_path / name).write_text(f"#!/bin/sh\ncat <<'END'\n{APT_DEPENDS}END\n")
        (tmp_path / name).chmod(0o755)
    found = debian.dependencies("arm64", ["make", "headers"])
    assert sorted(found) == ["compiler", "headers", "libc6", "libgcc", "make"]
    found = debian.dependencies("arm64", ["make", "headers"], there=["libc6"])
    assert sorted(found) == ["compiler", "headers", "make"]
    with pytest.raises(debian.MissingError, match=r"^none \(arm64\): no such package$"):
        debian.dependencies("arm64", ["make", "none"])


APT_DEPENDS = """\
make
  Depends: libc6
headers
  PreDepends: libc6
 |Depends: compiler
 |Depends: compiler-of-old
  Depends: <compiler-of-any-kind>
    compiler
    other-compiler
libc6
  Depends: libgcc
libgcc
  Depends: libc6
compiler
compiler-of-old
  Depends: unwanted
other-compiler
"""

FAKE_APT = """#!/bin/sh
case "$*" in *indextargets*) echo "Debian stable http://nowhere/debian"; exit;; esac
echo "W: GPG error: NO_PUBKEY 0123" >&2
echo "E: The repository is not signed." >&2
echo "E: Some index files failed to download." >&2
exit 100
"""


def test_what_apt_does_not_trust_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLDLINE_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in ("apt-get", "apt-cache", "dpkg-deb"):
        (tmp_path / name).write_text(FAKE_APT)
        (tmp_path / name).chmod(0o755)
    with pytest.raises(apt.FetchError) as caught:
        debian.packages("arm64", ["libx1"], suite="later")
    assert str(caught.value) == (
        "later (arm64): The repository is not signed.; a later debian-archive-keyring may have its key"
    )
    (sources,) = (tmp_path / "debian" / "arm64-later").glob("*.list")
    assert sources.read_text() == "deb http://nowhere/debian later main\n"
