# SPDX-License-Identifier: GPL-2.0-or-later
"""xl guest configuration files."""

import os

from coldline.guest.config import config_from_text, looks_like_config
from tests.fuzz import config_seeds
from tests.fuzz.target import Target


def _config(data: bytes) -> None:
    """An input is a file and, after a NUL, settings as `xl create` takes them after the file."""
    text, *assignments = [os.fsdecode(each) for each in data.split(b"\0", 3)]
    looks_like_config(data)
    config = config_from_text(text, "fuzz", assignments=assignments)
    assert config.name
    assert 0 < config.memory <= config.maxmem
    assert 0 < config.vcpus <= config.maxvcpus
    assert len(config.cpus) <= config.maxvcpus
    for each in config.remarks:
        assert str(each).isprintable()


TARGETS = {"config": Target(_config, config_seeds.configs, words=config_seeds.WORDS)}
