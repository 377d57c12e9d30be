# SPDX-License-Identifier: GPL-2.0-or-later
"""The structures and prototypes for Xen and its libraries, compared with their own headers by compilers."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from coldline.hypervisor.xen import hypercalls, machine_structures, structures
from coldline.hypervisor.xen.bindings import driver, events, libraries, maintenance, protocols, store
from coldline.hypervisor.xen.bindings.prototypes import functions
from coldline.hypervisor.xen.interface import INTERFACES, Interface
from testbed.packages import debian
from tests.helpers.requirements import LATER, packages_of, require

SUITES = (None, LATER)
COMPILERS = ("aarch64-linux-gnu-gcc", "arm-linux-gnueabihf-gcc")
# What the public headers take from C's library, so that a compiler for another architecture does not need it.
STAND_INS = {
    "stdint.h": """
        typedef __UINT8_TYPE__ uint8_t; typedef __UINT16_TYPE__ uint16_t; typedef __UINT32_TYPE__ uint32_t;
        typedef __UINT64_TYPE__ uint64_t; typedef __INT8_TYPE__ int8_t; typedef __INT16_TYPE__ int16_t;
        typedef __INT32_TYPE__ int32_t; typedef __INT64_TYPE__ int64_t;
        typedef __UINTPTR_TYPE__ uintptr_t; typedef __INTPTR_TYPE__ intptr_t;
    """,
    "inttypes.h": "#include <stdint.h>\n",
    "stdlib.h": "#include <stddef.h>\n",
    "string.h": "#include <stddef.h>\n",
    "sys/types.h": "#include <stddef.h>\ntypedef __INT64_TYPE__ off64_t;\n",
    "limits.h": "#define CHAR_BIT 8\n",
}
INCLUDES = ("xen.h", "domctl.h", "sysctl.h", "memory.h", "event_channel.h", "grant_table.h", "hvm/hvm_op.h",
            "hvm/params.h", "version.h", "sched.h", "version.h")  # fmt: skip
STRUCTURES = {
    "xen_arch_domainconfig": structures.ArchDomainConfig,
    "xen_domctl_max_mem": structures.MaxMem,
    "xen_domctl_max_vcpus": structures.MaxVcpus,
    "xen_domctl_address_size": structures.AddressSize,
    "xen_domctl_paging_mempool": structures.PagingMempool,
    "xen_domctl_setdomainhandle": structures.DomainHandle,
    "xen_domctl_vcpuaffinity": machine_structures.VcpuAffinity,
    "xenctl_bitmap": machine_structures.Bitmap,
    "xen_sysctl_physinfo": machine_structures.PhysInfo,
    "xen_sysctl_cpupool_op": machine_structures.CpupoolOp,
    "xen_domctl_cacheflush": structures.CacheFlush,
    "xen_domctl_vcpucontext": structures.VcpuContext,
    "xen_domctl_vuart_op": structures.VuartOp,
    "xen_sysctl_getdomaininfolist": structures.GetDomainInfoList,
    "xen_memory_reservation": structures.MemoryReservation,
    "evtchn_alloc_unbound": structures.AllocUnbound,
    "xen_hvm_param": structures.HvmParam,
    "grant_entry_v1": structures.GrantEntry,
}
HEADERS_OF_UNIONS = {"xen_domctl": structures.DomctlHeader, "xen_sysctl": structures.SysctlHeader}


def compile_(compiler: str, text: str, folder: Path, *options: Any) -> CompletedProcess[str]:
    include = folder / "include"
    for name, content in STAND_INS.items():
        (include / name).parent.mkdir(parents=True, exist_ok=True)
        (include / name).write_text(content)
    source = folder / "abi.c"
    source.write_text(text)
    return subprocess.run(
        [
            compiler,
            "-std=gnu11",
            "-fsyntax-only",
            "-ffreestanding",
            "-Wall",
            "-Werror",
            "-I",
            include,
            *options,
            source,
        ],
        capture_output=True,
        text=True,
        check=False,
    )


def include(suite: str | None) -> Path:
    """The folder of the headers of libxen-dev: the host's, or those of a suite of Debian."""
    if suite is None:
        folder = Path("/usr/include")
        require((folder / "xen").is_dir(), "no public headers of Xen: libxen-dev has them")
        return folder
    with packages_of(suite):
        return debian.packages("arm64", ["libxen-dev"], suite=suite)["libxen-dev"] / "usr" / "include"


def interface_version(name: str, text: str) -> int:
    found = re.search(rf"define XEN_{name}_INTERFACE_VERSION (\S+)", text)
    assert found is not None, f"no version of {name}"
    return int(found[1], 16)


def headers(folder: Path, suite: str | None = None) -> tuple[Path, list[Interface]]:
    """A folder with Xen's headers as ``xen`` and no other headers of the host, and the interfaces of that Xen."""
    public = include(suite) / "xen"
    (folder / "public").mkdir()
    (folder / "public" / "xen").symlink_to(public)
    numbers = {
        name: interface_version(name, (public / f"{name.lower()}.h").read_text())
        for name in ("DOMCTL", "SYSCTL")
    }
    known = [
        known
        for known in INTERFACES.values()
        if known.domctl == numbers["DOMCTL"] and known.sysctls[0] == numbers["SYSCTL"]
    ]
    assert known, f"headers of a Xen that is not known: {numbers}"
    return folder / "public", known


def layout(name: str, structure: Any) -> list[str]:
    """Assertions that a structure of C has the layout of one of ours."""
    lines = [f'_Static_assert(sizeof(struct {name}) == {ctypes.sizeof(structure)}, "size of {name}");']
    for member, kind in structure._fields_:
        offset = getattr(structure, member).offset
        lines.append(
            f"_Static_assert(__builtin_offsetof(struct {name}, {member}) == {offset} && "
            f'sizeof(((struct {name} *)0)->{member}) == {ctypes.sizeof(kind)}, "{name}.{member}");'
        )
    return lines


def assertions(known: Interface) -> str:
    changing = {
        "xen_domctl_createdomain": known.create,
        "xen_domctl_getdomaininfo": known.info,
        "vcpu_guest_context": known.context,
        "vcpu_guest_core_regs": dict(known.context._fields_)["user_regs"],
    }
    lines = [line for name, structure in (STRUCTURES | changing).items() for line in layout(name, structure)]
    for name, structure in HEADERS_OF_UNIONS.items():
        offset = ctypes.sizeof(structure)
        lines.append(f'_Static_assert(__builtin_offsetof(struct {name}, u) == {offset}, "{name}.u");')
        size = offset + structures.UNION_BYTES
        lines.append(f'_Static_assert(sizeof(struct {name}) == {size}, "size of {name}");')
        lines += layout(name, structure)[1:]
    numbers = {
        "XEN_DOMCTL_INTERFACE_VERSION": known.domctl,
        "XEN_SYSCTL_INTERFACE_VERSION": known.sysctls[0],
        **hypercalls.HYPERCALL_NUMBERS,
        "HVM_PARAM_CALLBACK_IRQ": 0,
        "HVM_PARAM_STORE_PFN": 1,
        "HVM_PARAM_STORE_EVTCHN": 2,
        "HVM_PARAM_CONSOLE_PFN": 17,
        "HVM_PARAM_CONSOLE_EVTCHN": 18,
        "HVM_PARAM_MONITOR_RING_PFN": 28,
        "GNTTAB_RESERVED_CONSOLE": 0,
        "GNTTAB_RESERVED_XENSTORE": 1,
        "GTF_permit_access": 1,
        "XENMEM_resource_grant_table": libraries.RESOURCE_GRANT_TABLE,
        "VGCF_online": 1,
        "XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap": 3,
        "XEN_SYSCTL_CPUPOOL_OP_INFO": 3,
        "XEN_VCPUAFFINITY_HARD": 1,
        "XEN_DOMCTL_SCHEDOP_putinfo": 0,
        "XEN_SCHEDULER_CREDIT": 5,
        "XEN_SCHEDULER_CREDIT2": 6,
        "sizeof(struct xen_domctl_scheduler_op)": ctypes.sizeof(machine_structures.SchedulerOp),
        "__builtin_offsetof(struct xen_domctl_scheduler_op, u.credit2.cap)": 10,
        "__builtin_offsetof(struct xen_domctl_scheduler_op, u.credit.weight)": 8,
    }
    lines += [f'_Static_assert(({name}) == {number:#x}, "{name}");' for name, number in numbers.items()]
    return "\n".join(lines)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("compiler", COMPILERS)
def test_structures_and_numbers(compiler: str, suite: str | None, tmp_path: Path) -> None:
    require(shutil.which(compiler), f"no {compiler}")
    public, known = headers(tmp_path, suite)
    assert suite != LATER or (4, 20) in [each.xen for each in known]
    text = "#define __XEN_TOOLS__ 1\n#include <stdint.h>\n#include <stddef.h>\n"
    text += "".join(f"#include <xen/{name}>\n" for name in INCLUDES)
    text += "\n".join(assertions(each) for each in known)
    done = compile_(compiler, text, tmp_path, "-I", public)
    assert done.returncode == 0, done.stderr


def test_other_versions() -> None:
    """By hand, from the headers that Xen 4.14 to 4.22 were released with."""
    layouts = {
        known.xen: (known.domctl, ctypes.sizeof(known.create), known.create.arch.offset)
        for known in INTERFACES.values()
    }
    assert layouts == {
        (4, 14): (0x12, 56, 44),
        (4, 15): (0x13, 60, 48),
        (4, 16): (0x14, 64, 52),
        (4, 17): (0x15, 68, 56),
        (4, 18): (0x16, 68, 56),
        (4, 19): (0x17, 72, 60),
        (4, 20): (0x17, 72, 60),
        (4, 21): (0x17, 72, 60),
        (4, 22): (0x18, 72, 60),
    }
    for known in INTERFACES.values():
        registers = known.context.user_regs.offset
        old = known.xen < (4, 16)
        assert registers == 8
        assert ctypes.sizeof(known.context) == (344 if old else 352)
        assert ctypes.sizeof(known.info) == (112 if old else 120)


def test_a_wrong_structure_would_be_told(tmp_path: Path) -> None:
    require(shutil.which(COMPILERS[0]), f"no {COMPILERS[0]}")

    class Wrong(ctypes.Structure):
        _fields_ = (("vcpu", ctypes.c_uint64), ("ctxt", ctypes.c_uint64))

    text = "#define __XEN_TOOLS__ 1\n#include <stdint.h>\n#include <xen/xen.h>\n#include <xen/domctl.h>\n"
    text += "\n".join(layout("xen_domctl_vcpucontext", Wrong))
    done = compile_(COMPILERS[0], text, tmp_path, "-I", headers(tmp_path)[0])
    assert done.returncode
    assert '"xen_domctl_vcpucontext.vcpu"' in done.stderr


PROTOTYPES = {
    "xencall.h": libraries.CALL_PROTOTYPES,
    "xenforeignmemory.h": libraries.FOREIGN_PROTOTYPES,
    "xenevtchn.h": events.EVENT_CHANNEL_PROTOTYPES,
    "xenstore.h": store.STORE_PROTOTYPES,
    "stdlib.h": store.STORE_LIBC_PROTOTYPES,
    "sys/mman.h unistd.h": driver.DRIVER_LIBC_PROTOTYPES + maintenance.MAINTENANCE_LIBC_PROTOTYPES,
}


def declared(header: str, prototypes: str, folder: Path, suite: str | None) -> str:
    """gcc's messages about prototypes after the header that declares the same functions."""
    require(shutil.which("gcc"), "no gcc")
    words: list[str | Path] = ["-I", include(suite)] if header.startswith("xen") and suite else []
    if header.startswith("xen"):
        require((include(suite) / header).exists(), f"no {header}: libxen-dev has it")
    source = folder / "prototypes.c"
    lines = [
        "#define _GNU_SOURCE",
        "#include <stdbool.h>",
        "#include <sys/types.h>",
        *(f"#include <{name}>" for name in header.split()),
        prototypes,
    ]
    source.write_text("\n".join(lines) + "\n")
    command = ["env", "LC_ALL=C", "gcc", "-std=gnu11", "-fsyntax-only", *words, source]
    said: str = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    return said


@pytest.mark.parametrize(
    ("header", "suite"),
    [
        *((header, None) for header in PROTOTYPES),
        *((each, LATER) for each in PROTOTYPES if each[:3] == "xen"),
    ],
)
def test_prototypes(header: str, suite: str | None, tmp_path: Path) -> None:
    """A declaration that is not the header's own does not compile."""
    assert declared(header, PROTOTYPES[header], tmp_path, suite) == ""
    for line in PROTOTYPES[header].splitlines():
        name = line.partition("(")[0].split()[-1].lstrip("*")
        wrong = line.replace(", ", ", float, ", 1) if ", " in line else line.replace("(", "(float, ", 1)
        assert f"conflicting types for '{name}'" in declared(header, wrong, tmp_path, suite)


def test_permissions(tmp_path: Path) -> None:
    require(Path("/usr/include/xenstore_lib.h").exists(), "no xenstore_lib.h: libxen-dev has it")
    lines = layout("xs_permissions", store.Permissions)
    lines += [
        f'_Static_assert(XS_PERM_{name} == {value}, "{name}");'
        for name, value in (("NONE", protocols.PERMISSION_NONE), ("READ", protocols.PERMISSION_READ))
    ]
    source = tmp_path / "permissions.c"
    source.write_text("#include <stdbool.h>\n#include <xenstore_lib.h>\n" + "\n".join(lines))
    done = subprocess.run(["gcc", "-fsyntax-only", source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_libraries_have_what_is_called() -> None:
    for library, text in (
        ("libxencall.so.1", libraries.CALL_PROTOTYPES),
        ("libxenforeignmemory.so.1", libraries.FOREIGN_PROTOTYPES),
        ("libxenevtchn.so.1", events.EVENT_CHANNEL_PROTOTYPES),
        ("libxenstore.so.4", store.STORE_PROTOTYPES),
        (
            "",
            store.STORE_LIBC_PROTOTYPES
            + "\n"
            + driver.DRIVER_LIBC_PROTOTYPES
            + maintenance.MAINTENANCE_LIBC_PROTOTYPES,
        ),
    ):
        try:
            found = functions(library, library, text)
        except Exception as error:
            require(False, f"{error}: libxen-dev brings Xen's libraries")
        assert len(found) >= text.count(";") - (library == "")


def test_machine_code(tmp_path: Path) -> None:
    """The words are the assembler's output for the source beside them."""
    require(shutil.which("aarch64-linux-gnu-as"), "no aarch64-linux-gnu-as")
    source = (
        Path(maintenance.__file__).read_text().split("CLEAN_INVALIDATE: Final = (\n")[1].split("\n)\n")[0]
    )
    lines = [line.split("#", 1)[1] for line in source.splitlines()]
    text = "\n".join(line.split("CTR_EL0")[0] for line in lines)
    (tmp_path / "code.S").write_text(text + "\n")
    subprocess.run(["aarch64-linux-gnu-as", "-o", tmp_path / "code.o", tmp_path / "code.S"], check=True)
    subprocess.run(
        ["aarch64-linux-gnu-objcopy", "-O", "binary", tmp_path / "code.o", tmp_path / "code.bin"], check=True
    )
    code = b"".join(word.to_bytes(4, "little") for word in maintenance.CLEAN_INVALIDATE)
    assert (tmp_path / "code.bin").read_bytes() == code
