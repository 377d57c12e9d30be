# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline list``."""

import argparse

from coldline.hypervisor.xen import SystemBindings
from coldline.hypervisor.xen.domain_list import DomainInfo, DomainList
from coldline.hypervisor.xen.store_entries import uuid_text
from coldline.support.printable import printable
from coldline.support.units import MIB


def run_list(options: argparse.Namespace) -> int:
    """Print the domains; return exit status 0."""
    domains = DomainList(SystemBindings())
    found = [domains.find(options.domain)] if options.domain else domains.all()
    if options.json:
        import json

        print(json.dumps([_document(domain) for domain in found]))
        return 0
    names = [printable(domain.name).replace("\n", "\\n") or "-" for domain in found]
    width = max([len("name"), *map(len, names)])
    print(f"{'name':{width}}  {'id':>5}  {'MiB':>6}  {'vcpus':>5}  {'time':>8}  state")
    for name, domain in zip(names, found, strict=True):
        state = f"{domain.state} ({domain.shutdown})" if domain.shutdown else domain.state
        numbers = f"{domain.domid:5}  {domain.memory // MIB:6}  {domain.vcpus:5}  {domain.seconds:8.1f}"
        print(f"{name:{width}}  {numbers}  {state}")
    return 0


def _document(domain: DomainInfo) -> dict[str, object]:
    return {
        "domid": domain.domid,
        "name": domain.name,
        "uuid": uuid_text(domain.uuid),
        "memory": domain.memory,
        "vcpus": domain.vcpus,
        "state": domain.state,
        "shutdown": domain.shutdown or None,
        "seconds": domain.seconds,
    }
