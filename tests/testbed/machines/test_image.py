# SPDX-License-Identifier: GPL-2.0-or-later
"""dom0's file system."""

import marshal
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from testbed.machines import image
from testbed.packages.sources import Sources
from tests.helpers.repository import ROOT
from tests.helpers.requirements import require


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
    assert (root / "usr/bin/python3").readlink() == Path(made_up.python)
    (compiled,) = (root / "usr/lib" / made_up.python).rglob("*.pyc")
    code = marshal.loads(compiled.read_bytes()[16:])
    assert code.co_filename == f"/usr/lib/{made_up.python}/module.py"
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


@pytest.mark.long
def test_tests_are_compiled_as_their_pytest_does(tmp_path: Path) -> None:
    """pytest uses the compiled files as its own, as long as the test's source is unchanged."""
    folder, log = tmp_path / "tests", tmp_path / "log"
    folder.mkdir()
    (folder / "conftest.py").touch()
    test = folder / "test_it.py"
    test.write_text("def test_it():\n    one = 1\n    assert one == 2\n")
    subprocess.run([sys.executable, ROOT / "testbed/machines/compiled_tests.py", folder, folder], check=True)
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
