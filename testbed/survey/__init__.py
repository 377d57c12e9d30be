# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes a plan for ``coldline survey`` of every image for Arm in Debian's packages, and a page of the results.

From a shell, ``scripts/survey``; see `testbed.survey.command`.
"""
