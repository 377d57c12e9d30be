# SPDX-License-Identifier: GPL-2.0-or-later
"""The cores that a guest's and its host's agents run on, for a trace that follows each core's order."""

from coldline.events.agent_names import agents_of, vcpu_name
from coldline.hypervisor.alias_events import on_cores
from coldline.hypervisor.model import HostModel, HostRule

HOST_CORE = "host"
"""The core of a hypervisor, its builder and their kernels."""


def agents_by_core(model: HostModel, vcpus: int) -> dict[str, tuple[str, ...]]:
    """The agents of each core, by the core's name.

    vCPU *N* is on ``cpuN``, and so is whoever may have filled that core's instruction cache before it. Without a
    hypervisor, the loader ran on the first core. A host with one has a core of its own: so what it does is complete
    at its own barriers alone, and not at the guest's.
    """
    cores = {f"cpu{number}": list(agents_of(vcpu_name(number))) for number in range(vcpus)}
    fetching = []
    for alias in model.aliases:
        if alias.executable:
            fetching.append(alias.agent)
            for agents, each in zip(cores.values(), on_cores(alias, vcpus), strict=True):
                agents.append(each.agent)
    rules = (model.allocation, model.load, model.flush, model.first_run, model.set_way)
    others = [model.builder_agent, *(alias.agent for alias in model.aliases)]
    others += [rule.agent for rule in rules if isinstance(rule, HostRule)]
    rest = [agent for agent in dict.fromkeys(others) if agent not in fetching]
    if model.has_strategies:
        cores[HOST_CORE] = rest
    else:
        cores["cpu0"] += rest
    return {name: tuple(agents) for name, agents in cores.items()}
