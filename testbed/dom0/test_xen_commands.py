# SPDX-License-Identifier: GPL-2.0-or-later
"""The commands that build guests, as a user has them in dom0."""

import json
import subprocess
import sys

import pytest

STRATEGIES = ("none", "flush", "uncached", "hypercall", "uncached-hypercall")


def coldline(*words):
    command = [sys.executable, "-m", "coldline", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def good(*words):
    done = coldline(*words)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def xl(*words):
    return subprocess.run(["xl", *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def small():
    yield ["create", "--sample", "midway-arm64", "--memory", "16", "--name", "small", "--paused", "--json"]
    coldline("destroy", "small")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_small_guest(small, strategy):
    made = json.loads(good(*small, "--strategy", strategy))
    assert made == {"domid": made["domid"], "name": "small", "state": "paused"}
    (known,) = json.loads(good("list", "small", "--json"))
    assert (known["domid"], known["state"], known["vcpus"]) == (made["domid"], "paused", 1)
    assert f"small  {made['domid']}" in " ".join(xl("list", "small").split()).replace(" ", "  ")
    good("destroy", "small")
    assert "small" not in xl("list")
