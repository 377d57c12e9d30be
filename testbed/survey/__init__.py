# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs ``coldline boot`` on every image for Arm that Debian's packages have, and writes a table of the verdicts.

From a shell, ``scripts/survey``; see `testbed.survey.command`.
"""
