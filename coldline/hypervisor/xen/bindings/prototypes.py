# SPDX-License-Identifier: GPL-2.0-or-later
"""Loads C functions by their C prototypes, which tests compile against the real headers."""

import ctypes
import errno
from collections.abc import Callable
from typing import Any

from coldline.errors import MissingDependencyError

Function = Callable[..., Any]

_TYPES: dict[str, Any] = {
    "void": None,
    "bool": ctypes.c_bool,
    "int": ctypes.c_int,
    "long": ctypes.c_long,
    "unsigned": ctypes.c_uint,
    "unsigned int": ctypes.c_uint,
    "unsigned long": ctypes.c_ulong,
    "size_t": ctypes.c_size_t,
    "off64_t": ctypes.c_int64,
    "uint16_t": ctypes.c_uint16,
    "domid_t": ctypes.c_uint16,
    "xs_transaction_t": ctypes.c_uint32,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "evtchn_port_t": ctypes.c_uint32,
    "xenevtchn_port_or_error_t": ctypes.c_int,
    "const char *": ctypes.c_char_p,
}
"""ctypes by the names of C types; any other pointer is an address."""


def functions(library: str, package: str, prototypes: str) -> dict[str, Function]:
    """Return the functions of a shared library, by name, ready to be called.

    Parameters
    ----------
    library : str
        Its file name for the dynamic linker; empty for libraries that are loaded already, such as the C library.
    package : str
        Debian's package of it, for the message.
    prototypes : str
        C prototypes, one in each line, without parameter names: ``int xencall_close(xencall_handle *);``.

    Raises
    ------
    MissingDependencyError
        If the library or one of the functions is missing.
    """
    try:
        loaded = ctypes.CDLL(library or None, use_errno=True)
    except OSError as error:
        raise MissingDependencyError(f"no {library}: install what Debian calls {package}") from error
    found = {}
    for line in prototypes.strip().splitlines():
        head, _, tail = line.partition("(")
        start = max(head.rfind(" "), head.rfind("*")) + 1
        name, result = head[start:], head[:start].strip()
        try:
            function = getattr(loaded, name)
        except AttributeError as error:
            raise MissingDependencyError(f"{library} has no {name}: it is too old") from error
        function.restype = _type(result)
        parameters = [word.strip() for word in tail.rstrip(";").removesuffix(")").split(",")]
        function.argtypes = [_type(word) for word in parameters if word != "..."]
        found[name] = function
    return found


def _type(name: str) -> Any:
    return _TYPES[name] if name in _TYPES or not name.endswith("*") else ctypes.c_void_p


def failed(what: str) -> OSError:
    """Return the error that the last call of a C function left in ``errno``."""
    return OSError(ctypes.get_errno() or errno.EIO, what)
