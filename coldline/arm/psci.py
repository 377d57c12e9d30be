# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of the Power State Coordination Interface that a first vCPU uses (Arm DEN 0022)."""

VERSION = 0x84000000
SYSTEM_OFF = 0x84000008
SYSTEM_RESET = 0x84000009
FEATURES = 0x8400000A
MIGRATE_INFO_TYPE = 0x84000006
SYSTEM_RESET2 = 0x84000012

ENDS = frozenset({SYSTEM_OFF, SYSTEM_RESET, SYSTEM_RESET2, 0xC4000012})
"""Calls that do not return."""

NOT_SUPPORTED = -1
_VERSION_1_0 = 0x10000
_NO_TRUSTED_OS = 2

_NAMES = {
    VERSION: "PSCI_VERSION",
    0x84000001: "CPU_SUSPEND",
    0x84000002: "CPU_OFF",
    0x84000003: "CPU_ON",
    0xC4000003: "CPU_ON",
    0x84000004: "AFFINITY_INFO",
    MIGRATE_INFO_TYPE: "MIGRATE_INFO_TYPE",
    SYSTEM_OFF: "SYSTEM_OFF",
    SYSTEM_RESET: "SYSTEM_RESET",
    FEATURES: "PSCI_FEATURES",
    SYSTEM_RESET2: "SYSTEM_RESET2",
    0xC4000012: "SYSTEM_RESET2",
}


def is_call(function: int) -> bool:
    """Whether x0 names a function of PSCI's range, in its 32-bit or 64-bit form (Arm DEN 0022, 5.1)."""
    return function & 0xBFFFFFE0 == VERSION


def name(function: int) -> str:
    """The name of a function identifier (x0); its number if it is not a PSCI function."""
    return _NAMES.get(function & 0xFFFFFFFF, f"{function & 0xFFFFFFFF:#x}")


def answer(function: int) -> int:
    """The value of x0 that PSCI 1.0 firmware with one vCPU returns, for a call that returns."""
    answers = {VERSION: _VERSION_1_0, MIGRATE_INFO_TYPE: _NO_TRUSTED_OS}
    return answers.get(function & 0xFFFFFFFF, NOT_SUPPORTED)
