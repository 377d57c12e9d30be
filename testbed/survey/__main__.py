# SPDX-License-Identifier: GPL-2.0-or-later
"""Entry point of ``python -m testbed.survey``."""

import sys

from testbed.survey.command import main

sys.exit(main())
