# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls xl's own parser of configuration files, in Xen's library, if that is installed.

A NUL in a string ends the process: do not give it any.
"""

import ctypes
import ctypes.util
import functools
from typing import Any

_STRING = 0
_ANSWER = 0
"""xlu_cfg_get_* succeeded."""


@functools.cache
def library() -> Any:
    """The library, or None."""
    name = ctypes.util.find_library("xlutil")
    if name is None:
        return None
    xlu = ctypes.CDLL(name)
    for function, result in {
        "xlu_cfg_init": ctypes.c_void_p,
        "xlu_cfg_get_listitem2": ctypes.c_void_p,
        "xlu_cfg_readdata": ctypes.c_int,
    }.items():
        getattr(xlu, function).restype = result
    return xlu


def read(text: bytes, names: "list[str]") -> "dict[str, Any] | str":
    """xl's result for a file: the settings with some names, or its error message.

    A setting is a text, or a list of these.
    """
    xlu, libc = library(), ctypes.CDLL(None)
    libc.fopen.restype = libc.open_memstream.restype = ctypes.c_void_p
    said, size = ctypes.c_char_p(), ctypes.c_size_t()
    report = ctypes.c_void_p(libc.open_memstream(ctypes.byref(said), ctypes.byref(size)))
    config = ctypes.c_void_p(xlu.xlu_cfg_init(report, b"file"))
    try:
        status = xlu.xlu_cfg_readdata(config, text, len(text))
        found = {} if status else {name: _setting(config, name) for name in names}
    finally:
        xlu.xlu_cfg_destroy(config)
        libc.fclose(report)
    message = ctypes.string_at(said, size.value).decode(errors="replace")
    libc.free(said)
    return message or f"error {status}" if status else {k: v for k, v in found.items() if v is not None}


def number(text: bytes, name: str) -> "int | None":
    """xl's result for a number."""
    xlu = library()
    config = ctypes.c_void_p(xlu.xlu_cfg_init(None, b"file"))
    try:
        assert xlu.xlu_cfg_readdata(config, text, len(text)) == _ANSWER
        value = ctypes.c_long()
        wrong = xlu.xlu_cfg_get_long(config, name.encode(), ctypes.byref(value), 1)
        return None if wrong else value.value
    finally:
        xlu.xlu_cfg_destroy(config)


def _setting(config: Any, name: str) -> Any:
    xlu = library()
    text = ctypes.c_char_p()
    if xlu.xlu_cfg_get_string(config, name.encode(), ctypes.byref(text), 1) == _ANSWER:
        return text.value
    items, count = ctypes.c_void_p(), ctypes.c_int()
    if xlu.xlu_cfg_get_list(config, name.encode(), ctypes.byref(items), ctypes.byref(count), 1) == _ANSWER:
        return _list(config, items, count.value)
    return None


def _list(config: Any, items: Any, count: int) -> Any:
    return [
        _value(config, ctypes.c_void_p(library().xlu_cfg_get_listitem2(items, index)))
        for index in range(count)
    ]


def _value(config: Any, value: Any) -> Any:
    xlu = library()
    if xlu.xlu_cfg_value_type(value) == _STRING:
        text = ctypes.c_char_p()
        assert xlu.xlu_cfg_value_get_string(config, value, ctypes.byref(text), 1) == _ANSWER
        return text.value
    items = ctypes.c_void_p()
    assert xlu.xlu_cfg_value_get_list(config, value, ctypes.byref(items), 1) == _ANSWER
    count = 0
    while library().xlu_cfg_get_listitem2(items, count):
        count += 1
    return _list(config, items, count)


class _Disk(ctypes.Structure):
    """``libxl_device_disk`` of Xen 4.17, up to what is compared: libxl_types.idl. ``discard_enable`` is a defbool."""

    _fields_ = (
        ("backend_domid", ctypes.c_uint32),
        ("backend_domname", ctypes.c_char_p),
        ("pdev_path", ctypes.c_char_p),
        ("vdev", ctypes.c_char_p),
        ("backend", ctypes.c_int),
        ("format", ctypes.c_int),
        ("script", ctypes.c_char_p),
        ("removable", ctypes.c_int),
        ("readwrite", ctypes.c_int),
        ("is_cdrom", ctypes.c_int),
        ("direct_io_safe", ctypes.c_bool),
        ("discard_enable", ctypes.c_int),
        ("specification", ctypes.c_int),
        ("rest", ctypes.c_uint64 * 32),
    )


def disk(text: bytes) -> "dict[str, Any] | None":
    """xl's result for the specification of a disk; None if it refuses it."""
    xlu = library()
    libc = ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    report = ctypes.c_void_p(libc.fopen(b"/dev/null", b"w"))
    config = ctypes.c_void_p(xlu.xlu_cfg_init(report, b"file"))
    try:
        found = _Disk()
        specifications = (ctypes.c_char_p * 1)(text)
        if xlu.xlu_disk_parse(config, 1, specifications, ctypes.byref(found)):
            return None
        return {
            "target": found.pdev_path or b"",
            "vdev": found.vdev,
            "domain": found.backend_domname,
            "backend": (None, "phy", "tap", "qdisk", "standalone")[found.backend],
            "format": (None, "qcow", "qcow2", "vhd", "raw", "empty", "qed")[found.format],
            "script": found.script,
            "writable": bool(found.readwrite),
            "cdrom": bool(found.is_cdrom),
            "direct_io_safe": found.direct_io_safe,
            "specification": (None, "xen", "virtio")[found.specification],
        }
    finally:
        xlu.xlu_cfg_destroy(config)
        libc.fclose(report)
