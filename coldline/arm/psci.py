# SPDX-License-Identifier: GPL-2.0-or-later
"""The numbers of the Power State Coordination Interface (Arm DEN 0022)."""

VERSION = 0x84000000
CPU_OFF = 0x84000002
CPU_ON = 0x84000003
AFFINITY_INFO = 0x84000004
SYSTEM_OFF = 0x84000008
SYSTEM_RESET = 0x84000009
FEATURES = 0x8400000A
MIGRATE_INFO_TYPE = 0x84000006
SYSTEM_RESET2 = 0x84000012

ENDS = frozenset({SYSTEM_OFF, SYSTEM_RESET, SYSTEM_RESET2, 0xC4000012})
"""Calls that do not return."""

QUESTIONS = frozenset({VERSION, FEATURES, MIGRATE_INFO_TYPE, CPU_ON, AFFINITY_INFO})
"""Calls after which a program goes on as before."""

RETURNED, NOT_SUPPORTED, INVALID_PARAMETERS, ALREADY_ON = 0, -1, -2, -4
VERSION_1_0 = 0x10000
NO_TRUSTED_OS = 2
IS_ON, IS_OFF = 0, 1
"""AFFINITY_INFO's answers."""

_64_BIT = 0x4000_0000
_NUMBER = 0xFFFF_FFFF

_NAMES = {
    VERSION: "PSCI_VERSION",
    0x84000001: "CPU_SUSPEND",
    CPU_OFF: "CPU_OFF",
    CPU_ON: "CPU_ON",
    0xC4000003: "CPU_ON",
    AFFINITY_INFO: "AFFINITY_INFO",
    0xC4000004: "AFFINITY_INFO",
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


def number_of(function: int) -> int:
    """The function of x0, in its 32-bit form where it has one."""
    function &= _NUMBER
    return function & ~_64_BIT if is_call(function) else function
