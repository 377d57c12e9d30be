# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands of dom0, as a user gives them."""

import subprocess

COLDLINE = ("coldline",)


def coldline(*words, **options):
    return subprocess.run([*COLDLINE, *words], capture_output=True, text=True, check=False, **options)


def good(*words):
    done = coldline(*words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def xl(*words):
    return subprocess.run(["xl", *words], capture_output=True, text=True, check=True).stdout
