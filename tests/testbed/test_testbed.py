# SPDX-License-Identifier: GPL-2.0-or-later
"""The host's side of the testbed, without QEMU and Debian's packages."""

import io
import json
import marshal
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coldline.errors import ColdlineError
from testbed import __main__ as command
from testbed import apt, debian, foreign, image, kernels, machine, modules, qemu_command
from testbed.cache import cache_folder
from testbed.dom0 import bad_guests
from testbed.qemu_command import MachineError
from testbed.sources import ARCHITECTURES, Sources
from tests.helpers.repository import ROOT
from tests.helpers.requirements import require

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    """Stand-ins for packages, of a few files each."""
    monkeypatch.setenv("COLDLINE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "debian" / "arm64").mkdir(parents=True)
    modules_folder = tmp_path / "modules"
    for name in image._MODULES:
        path = modules_folder / "kernel" / name / f"{name}.ko"
        path.parent.mkdir(parents=True)
        path.write_text(name)
    old, new = tmp_path / "old", tmp_path / "new"
    for path, text in (
        (old / "bin" / "program", "old layout"),
        (old / "bin" / "busybox", "busybox"),
        (old / "usr" / "share" / "doc" / "old" / "copyright", "left out"),
        (new / "usr" / "lib" / "library.so.1.0", "new layout"),
        (new / "usr" / "bin" / PYTHON, "python"),
        (new / "usr" / "lib" / PYTHON / "module.py", "value = 1\n"),
        (new / "usr" / "lib" / PYTHON / "broken.py", "print 1\n"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (new / "usr" / "lib" / "library.so.1").symlink_to("library.so.1.0")
    for name in ("xen", "vmlinuz", "driver.ko"):
        (tmp_path / name).write_text(name)
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    return Sources(
        architecture="arm64",
        suite=None,
        release="6.1.0-0-arm64",
        xen_version="4.17",
        python=PYTHON,
        xen=tmp_path / "xen",
        kernel=tmp_path / "vmlinuz",
        modules=modules_folder,
        headers=tmp_path,
        common_headers=tmp_path,
        kbuild=tmp_path,
        user_space=(old, new),
        device_tools=(),
        scripts=scripts,
    )


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """A function that replaces QEMU with a stand-in, whose dom0 runs a shell script; $host is its folder."""
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def install(script: str) -> None:
        program = programs / "qemu-system-aarch64"
        words = [sys.executable, str(ROOT / "tests" / "helpers" / "fake_qemu.py"), script]
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        program.chmod(0o755)

    return install


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """The folder of the host that dom0 mounts."""
    folder = tmp_path / "host"
    folder.mkdir()
    return folder


@pytest.fixture
def initrd(tmp_path: Path) -> Path:
    """An initramfs that no machine boots."""
    path = tmp_path / "initrd"
    path.write_text("initrd")
    return path


def unpacked(archive: Path, folder: Path) -> Path:
    folder.mkdir()
    command = ["cpio", "--quiet", "-i", "-d", "--no-absolute-filenames"]
    subprocess.run(command, cwd=folder, input=archive.read_bytes(), check=True)
    return folder


def test_the_image_has_the_packages(made_up: Sources, tmp_path: Path) -> None:
    require(shutil.which("cpio"), "no cpio")
    root = unpacked(image.initrd(made_up), tmp_path / "unpacked")
    assert (root / "usr/bin/program").read_text() == "old layout"
    assert (root / "bin").readlink() == Path("usr/bin")
    assert (root / "lib/library.so.1").read_text() == "new layout"
    assert not (root / "usr/share/doc").exists()
    assert (root / "usr/bin/python3").readlink() == Path(PYTHON)
    (compiled,) = (root / "usr/lib" / PYTHON).rglob("*.pyc")
    code = marshal.loads(compiled.read_bytes()[16:])
    assert code.co_filename == f"/usr/lib/{PYTHON}/module.py"
    order = (root / "usr/lib/modules/order").read_text().split()
    assert order.index("9pnet") < order.index("9p")
    assert all((root / f"usr/lib/modules/{name}.ko").is_file() for name in order)
    assert os.access(root / "init", os.X_OK)
    for name, source in (("init", "init"), ("go-on", "go-on-init"), ("ready.py", "ready.py")):
        assert (root / name).read_bytes() == (ROOT / "testbed/dom0" / source).read_bytes()


def test_what_dom0_takes_from_the_tree(made_up: Sources, tmp_path: Path, host: Path) -> None:
    require(shutil.which("cpio"), "no cpio")
    image.tree(made_up, tmp_path / "driver.ko", host / "tree.cpio")
    root = unpacked(host / "tree.cpio", tmp_path / "unpacked")
    assert (root / "opt/coldline/xen-coldline.ko").read_text() == "driver.ko"
    assert (root / "opt/coldline/coldline/errors.py").is_file()
    assert (root / "opt/coldline/testbed/dom0/test_driver_types.py").is_file()
    assert not (root / "opt/coldline/testbed/dom0/ready.py").exists()
    assert not list(root.rglob("*init"))
    image.guest(made_up, host / "guest")
    assert (host / "guest/kernel").read_text() == "vmlinuz"
    guest = unpacked(host / "guest/initrd", tmp_path / "guest")
    assert (guest / "usr/bin/busybox").read_text() == "busybox"
    assert os.access(guest / "init", os.X_OK)


def test_a_package_that_changes_changes_the_image(made_up: Sources) -> None:
    require(shutil.which("cpio"), "no cpio")
    first = image.initrd(made_up)
    assert image.initrd(made_up) == first
    other = Sources(**{**vars(made_up), "user_space": made_up.user_space[:1]})
    assert image.initrd(other) != first


@pytest.mark.parametrize("snapshots", [False, True])
def test_a_run_that_ends(
    made_up: Sources, initrd: Path, host: Path, qemu: Callable[[str], None], snapshots: bool
) -> None:
    (host / "status").write_text("77")  # of a run before
    qemu('cat "$host/run" >"$host/output"; echo 3 >"$host/status"; echo Xen says')
    for restored in (False, snapshots):
        outcome = machine.run(made_up, initrd, host, "some command", timeout_s=20, snapshots=snapshots)
        assert outcome.status == 3
        assert outcome.restored == restored
        assert 0 < outcome.seconds < 20
        assert (host / "output").read_text() == "some command\n"
        assert (host / "console").read_text() == ("Xen says\n" if snapshots else "dom0 is ready\nXen says\n")


def test_what_pytest_is_told(made_up: Sources, initrd: Path, host: Path, qemu: Callable[[str], None]) -> None:
    qemu('cat "$host/pytest" >"$host/output"; test ! -e "$host/run"; echo $? >"$host/status"')
    (host / "run").write_text("of a run before")
    assert machine.run(made_up, initrd, host, ["-k", "a or b", "tests"], timeout_s=20).status == 0
    assert json.loads((host / "output").read_text()) == ["-k", "a or b", "tests"]


@pytest.mark.long
def test_tests_are_compiled_as_their_pytest_does(tmp_path: Path) -> None:
    """pytest uses the compiled files as its own, as long as the test's source is unchanged."""
    folder, log = tmp_path / "tests", tmp_path / "log"
    folder.mkdir()
    (folder / "conftest.py").touch()
    test = folder / "test_it.py"
    test.write_text("def test_it():\n    one = 1\n    assert one == 2\n")
    subprocess.run([sys.executable, ROOT / "testbed/rewrite.py", folder, folder], check=True)
    words = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        f"--rootdir={folder}",
        f"--debug={log}",
    ]
    for text, taken in (("1", True), ("11", False)):
        if not taken:
            test.write_text(f"def test_it():\n    one = {text}\n    assert one == 2\n")
        done = subprocess.run([*words, folder], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert f"assert {text} == 2" in done.stdout
        assert (f"found cached rewritten pyc for {test}" in log.read_text()) == taken


def snapshots_of(made_up: Sources) -> list[Path]:
    return sorted((cache_folder().parent / "testbed" / "snapshots" / made_up.architecture).glob("*"))


def run_one(made_up: Sources, initrd: Path, host: Path) -> bool:
    """Run; return whether that was from a snapshot."""
    return machine.run(made_up, initrd, host, "true", timeout_s=20).restored


@pytest.mark.long
def test_a_snapshot_is_of_what_went_in(
    made_up: Sources, initrd: Path, host: Path, qemu: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    qemu('echo 0 >"$host/status"')
    assert [run_one(made_up, initrd, host) for _ in range(2)] == [False, True]
    for path in (initrd, made_up.xen, made_up.kernel):
        path.write_text("other content")
        assert [run_one(made_up, initrd, host) for _ in range(2)] == [False, True], path
    monkeypatch.setenv("FAKE_QEMU_VERSION", "2")
    assert [run_one(made_up, initrd, host) for _ in range(2)] == [False, True]
    monkeypatch.setattr(qemu_command, "_XEN_OPTIONS", "dom0_mem=1M")
    assert [run_one(made_up, initrd, host) for _ in range(2)] == [False, True]
    # the same content elsewhere, with another folder of the host
    elsewhere = Path(shutil.copy(initrd, initrd.with_name("elsewhere")))
    other = host.with_name("other")
    other.mkdir()
    assert run_one(made_up, elsewhere, other)
    assert len(snapshots_of(made_up)) == 4, "no more are kept"


@pytest.mark.parametrize("how", ["FAKE_QEMU_DIES=saving", "FAKE_QEMU_MIGRATES=failed"])
def test_a_snapshot_that_was_interrupted_is_none(
    made_up: Sources,
    initrd: Path,
    host: Path,
    qemu: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    qemu('echo 0 >"$host/status"')
    monkeypatch.setenv(*how.split("="))
    with pytest.raises(ColdlineError):
        run_one(made_up, initrd, host)
    assert snapshots_of(made_up) == []
    monkeypatch.delenv(how.split("=")[0])
    leftover = cache_folder().parent / "testbed" / "snapshots" / "arm64" / "abc.999999999"
    leftover.write_text("half, by a process that was killed")
    assert [run_one(made_up, initrd, host) for _ in range(2)] == [False, True]
    assert not leftover.exists()


def test_a_damaged_snapshot_is_replaced(
    made_up: Sources, initrd: Path, host: Path, qemu: Callable[[str], None]
) -> None:
    qemu('echo 0 >"$host/status"')
    run_one(made_up, initrd, host)
    (path,) = snapshots_of(made_up)
    path.write_text("damaged")
    assert [run_one(made_up, initrd, host) for _ in range(2)] == [False, True]


@pytest.mark.parametrize(
    ("script", "timeout_s", "message"),
    [
        (
            "printf 'boot\\033[31m\\nPanic on CPU 0\\n'; exit 4",
            20,
            r"without a result \(QEMU's exit status 4\)",
        ),
        ("echo rubbish >$host/status; echo Panic on CPU 0", 20, "without a result"),
        ("echo Panic on CPU 0; exec sleep 60", 2, r"not done after 2 s"),
    ],
)
def test_a_run_without_a_result(
    made_up: Sources,
    initrd: Path,
    host: Path,
    qemu: Callable[[str], None],
    script: str,
    timeout_s: int,
    message: str,
) -> None:
    qemu(script)
    with pytest.raises(MachineError, match=message) as caught:
        machine.run(made_up, initrd, host, "true", timeout_s=timeout_s)
    assert str(caught.value).endswith("Panic on CPU 0")
    assert "\033" not in str(caught.value)


def test_qemu_ends_with_who_started_it(tmp_path: Path) -> None:
    """QEMU ends even if that process is killed."""
    program, ours = tmp_path / "program", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\necho $$ >{ours}.new; mv {ours}.new {ours}\nexec sleep 60\n")
    program.chmod(0o755)
    script = (
        "import sys, time\nfrom testbed import machine\n"
        "with machine._started(sys.argv[1:], open('/dev/null', 'wb'), None):\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(program)], cwd=ROOT) as starter:
        wait_for(ours.exists)
        process = Path("/proc") / ours.read_text().strip()
        assert process.exists()
        starter.kill()
    wait_for(lambda: has_ended(process))


def has_ended(process: Path) -> bool:
    try:
        return " Z " in (process / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_for(what: Callable[[], object], within_s: int = 10) -> None:
    end = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_no_qemu(made_up: Sources, tmp_path: Path, initrd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="qemu-system-aarch64 is not installed"):
        machine.run(made_up, initrd, tmp_path, "true", timeout_s=1)


def test_no_compiler(made_up: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(modules.BuildError, match="aarch64-linux-gnu-gcc is not installed"):
        modules.build(made_up)


def test_a_path_that_qemu_would_cut(
    made_up: Sources, tmp_path: Path, initrd: Path, qemu: Callable[[str], None]
) -> None:
    qemu("exit 0")
    folder = tmp_path / "a,b"
    folder.mkdir()
    with pytest.raises(MachineError, match="comma"):
        machine.run(made_up, initrd, folder, "true", timeout_s=1)


@pytest.mark.parametrize("status", [pytest.param(0, marks=pytest.mark.long), 1])
def test_the_command_keeps_results_and_tells(
    made_up: Sources,
    tmp_path: Path,
    qemu: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
) -> None:
    require(shutil.which("cpio"), "no cpio")
    monkeypatch.setattr(command, "sources", lambda *_, **__: made_up)
    monkeypatch.setattr(modules, "build", lambda used: tmp_path / "driver.ko")
    monkeypatch.setattr(modules, "build_preloaded", lambda used, folder: tmp_path / "driver.ko")
    qemu(
        f'echo "5 tests" >"$host/output"; echo "<testsuites/>" >"$host/results.xml"; echo {status} >"$host/status"'
    )
    results = tmp_path / "results"
    assert command.main(["test", "arm64", "--results", str(results)]) == status
    assert (results / "arm64" / "results.xml").read_text() == "<testsuites/>\n"
    written = capsys.readouterr()
    assert "testbed: arm64: dom0 is up after " in written.err
    assert written.out == ("5 tests\n" if status else "")
    assert ("passed" in written.err) == (status == 0)


def test_the_command_takes_both_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(architecture: str, **_: Any) -> None:
        asked.append(architecture)
        raise apt.FetchError("no more")

    monkeypatch.setattr(command, "sources", refuse)
    for arguments, first in (([], "arm64"), (["armhf"], "armhf"), (["armhf", "arm64"], "armhf")):
        asked.clear()
        assert command.main(["test", *arguments]) == 2
        assert asked == [first]
    with pytest.raises(SystemExit):
        command.main(["test", "riscv64"])


@pytest.mark.long
def test_an_architecture_without_a_xen_is_left_out_unless_named(
    made_up: Sources,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    qemu: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    require(shutil.which("cpio"), "no cpio")

    def some(architecture: str, *, suite: str, refresh: bool) -> Sources:
        assert (suite, refresh) == ("later", False)
        if architecture == "armhf":
            raise debian.MissingError("xen-system-armhf (armhf): later has no suitable package")
        return made_up

    monkeypatch.setattr(command, "sources", some)
    monkeypatch.setattr(modules, "build", lambda used: tmp_path / "driver.ko")
    monkeypatch.setattr(modules, "build_preloaded", lambda used, folder: tmp_path / "driver.ko")
    qemu('echo "5 tests" >"$host/output"; echo 0 >"$host/status"')
    assert command.main(["test", "--suite", "later"]) == 0
    written = capsys.readouterr().err
    assert "arm64: Xen 4.17 with Linux 6.1.0-0-arm64" in written
    assert "skipped: xen-system-armhf (armhf): later has no suitable package" in written
    assert command.main(["test", "armhf", "--suite", "later"]) == 2


def test_the_command_tells_of_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLDLINE_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command.main(["driver", "arm64"]) == 2
    assert "apt-get is not installed" in capsys.readouterr().err


def test_every_architecture_is_whole() -> None:
    for table in (
        qemu_command._MACHINES,
        qemu_command.PROGRAMS,
        modules.CROSS_PREFIXES,
        kernels.META_PACKAGES,
    ):
        assert set(table) == set(ARCHITECTURES)


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


@pytest.mark.parametrize("suite", ["..", "a/b", "a b", "Trixie", "-o"])
def test_what_is_no_suite(
    suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLDLINE_CACHE", str(tmp_path))
    assert command.main(["driver", f"--suite={suite}"]) == 2
    assert "invalid name of a Debian suite" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


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


LATER_LIBRARY = ["-shared", "-nostdlib", "-Wl,--version-script=map", "-Wl,-soname,libc.so.6"]


def test_programs_that_need_a_later_c_library(tmp_path: Path) -> None:
    assert foreign.can_run(Path(sys.executable))
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    assert foreign.can_run(script)
    require(shutil.which("gcc"), "no gcc")
    # a program that wants a version of a symbol that no C library has yet
    for name, source, words in (
        ("later.so", "int later(void) { return 0; }", LATER_LIBRARY),
        (
            "program",
            "int later(void); int main(void) { return later(); }",
            ["-nostdlib", "-Wl,-emain", "later.so"],
        ),
    ):
        (tmp_path / "map").write_text("GLIBC_9.99 { later; };\n")
        (tmp_path / "source.c").write_text(source)
        subprocess.run(["gcc", "-o", name, "source.c", *words], cwd=tmp_path, check=True)
    assert not foreign.can_run(tmp_path / "program")


@pytest.mark.parametrize(
    ("architecture", "prefix", "setup"),
    [
        ("arm64", "aarch64-linux-gnu-", ""),
        ("arm32", "arm-linux-gnueabihf-", ".arch armv7-a\n.arch_extension virt\n.arm\n"),
    ],
)
@pytest.mark.parametrize("name", sorted({name for name, _ in bad_guests.PROGRAMS}))
def test_the_bad_guests_code(name: str, architecture: str, prefix: str, setup: str, tmp_path: Path) -> None:
    """The words are the assembler's output for the source beside them."""
    require(shutil.which(f"{prefix}as"), f"no {prefix}as")
    lines = bad_guests.PROGRAMS[name, architecture].strip().splitlines()
    (tmp_path / "code.S").write_text(
        setup + "".join(line.strip().split(maxsplit=1)[1] + "\n" for line in lines)
    )
    subprocess.run([f"{prefix}as", "-o", tmp_path / "code.o", tmp_path / "code.S"], check=True)
    subprocess.run(
        [f"{prefix}objcopy", "-O", "binary", "-j", ".text", tmp_path / "code.o", tmp_path / "code"],
        check=True,
    )
    assert bad_guests.code_of(name, architecture).hex(" ", 4) == (tmp_path / "code").read_bytes().hex(" ", 4)
    assert len(bad_guests.image_of(name, architecture)) == 4096


@pytest.fixture
def measuring(
    made_up: Sources, qemu: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., int]:
    """`testbed bench arm64` with a dom0 in which a shell script writes the measurements."""
    require(shutil.which("cpio"), "no cpio")
    monkeypatch.setattr(command, "sources", lambda *_, **__: made_up)
    monkeypatch.setattr(modules, "build", lambda used: tmp_path / "driver.ko")
    monkeypatch.setattr(modules, "build_preloaded", lambda used, folder: tmp_path / "driver.ko")

    def measure(script: str, *words: str) -> Any:
        qemu(script)
        return command.main(["bench", "arm64", "--results", str(tmp_path / "results"), *words])

    return measure


@pytest.mark.long
def test_a_benchmark_is_a_table(
    measuring: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = {"kernel": 1 << 20, "initrd": 2 << 20, "memory": 3 << 20}
    xl = sizes | {"first": {"s": 2.0, "kib": 2048}, "again": {"s": 1.0, "kib": 2048}}
    uncached = sizes | {"first": {"s": 1.0, "kib": 4096}, "again": {"s": 0.7, "kib": 4096}}
    answers = {
        "starts": {"xl list": {"s": 0.02, "kib": 2048}},
        "xl": xl,
        "uncached": uncached,
        "flush": sizes | {"failed": "no memory"},
    }
    cases = "".join(f"*' {name} '*) echo '{json.dumps(answer)}' ;;\n" for name, answer in answers.items())
    otherwise = json.dumps(uncached)
    script = (
        f'case "$(cat "$host/run")" in\n{cases}*) echo \'{otherwise}\' ;;\nesac >"$host/bench.json"\n'
        'cat "$host/run" >>"$host/../asked"; echo 0 >"$host/status"'
    )
    assert measuring(script, "--initrd", "2", "--turns", "3") == 0
    printed = capsys.readouterr().out
    assert "| `xl list` | 10 M | 2 MiB |" in printed
    assert "kernel 1 MiB, initrd 2 MiB, memory 3 MiB:" in printed
    assert "| `xl create` | 1,000 M | 1.00 | 500 M | 1.00 | 2 MiB | 1.00 |" in printed
    assert "| `coldline create`, `uncached` | 500 M | 0.50 | 350 M | 0.70 | 4 MiB | 2.00 |" in printed
    assert "| `coldline create`, `flush` | fails | - | - | - | - | - |" in printed
    assert "| `coldline create`, `hypercall`, without the driver | 500 M |" in printed
    kept = json.loads((tmp_path / "results" / "arm64.json").read_text())
    assert kept["guests"][0]["builders"]["`xl create`"] == xl


@pytest.mark.long
def test_a_benchmark_that_fails_says_what_dom0_said(
    measuring: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert measuring('printf "Traceback\nno such thing\n" >"$host/output"; echo 1 >"$host/status"') == 2
    assert "exit status 1: no such thing\n" in capsys.readouterr().err
