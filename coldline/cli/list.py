# SPDX-License-Identifier: GPL-2.0-or-later
"""``coldline list``."""

import argparse

from coldline.cli.arguments.values import MIB
from coldline.hypervisor.xen import RealWorld
from coldline.hypervisor.xen.domain_list import Domains, Known
from coldline.hypervisor.xen.store_entries import uuid_text
from coldline.support.printable import printable


def run_list(options: argparse.Namespace) -> int:
    """Print the domains that there are; exit status 0."""
    domains = Domains(RealWorld())
    found = [domains.find(options.domain)] if options.domain else domains.all()
    if options.json:
        import json

        print(json.dumps([_document(known) for known in found]))
        return 0
    names = [printable(known.name).replace("\n", "\\n") or "-" for known in found]
    width = max([len("name"), *map(len, names)])
    print(f"{'name':{width}}  {'id':>5}  {'MiB':>6}  {'vcpus':>5}  {'time':>8}  state")
    for name, known in zip(names, found, strict=True):
        state = f"{known.state} ({known.shutdown})" if known.shutdown else known.state
        numbers = f"{known.domid:5}  {known.memory // MIB:6}  {known.vcpus:5}  {known.seconds:8.1f}"
        print(f"{name:{width}}  {numbers}  {state}")
    return 0


def _document(known: Known) -> dict[str, object]:
    return {
        "domid": known.domid,
        "name": known.name,
        "uuid": uuid_text(known.uuid),
        "memory": known.memory,
        "vcpus": known.vcpus,
        "state": known.state,
        "shutdown": known.shutdown or None,
        "seconds": known.seconds,
    }
