# SPDX-License-Identifier: GPL-2.0-or-later
"""Host models are complete, consistent data."""

import dataclasses

import pytest

from coldline.arm import MemoryType
from coldline.errors import UsageError
from coldline.events import Op
from coldline.hypervisor import HOST_MODELS, AliasLifetime, host_model
from coldline.hypervisor.model import HostModel

MODELS = list(HOST_MODELS.values())
WITH_STRATEGIES = [each for each in MODELS if each.has_strategies]
WB, NC = MemoryType.NORMAL_WB, MemoryType.NORMAL_NC


@pytest.fixture(params=WITH_STRATEGIES, ids=lambda model: model.name)
def model(request: pytest.FixtureRequest) -> HostModel:
    chosen: HostModel = request.param
    return chosen


def test_registry() -> None:
    assert {name: model.architectures for name, model in HOST_MODELS.items()} == {
        "rfc": ("arm64", "arm32"),
        "xen-4.17-arm64": ("arm64",),
        "xen-4.17-arm32": ("arm32",),
        "xen-4.22-arm64": ("arm64",),
        "kvm-arm64": ("arm64",),
        "kvm-s2fwb": ("arm64",),
        "bootloader": ("arm64", "arm32"),
        "bootloader-dirty": ("arm64", "arm32"),
        "warm-reset": ("arm64", "arm32"),
        "clean-reset": ("arm64", "arm32"),
    }
    assert all(model.name == name for name, model in HOST_MODELS.items())
    assert host_model("rfc") is HOST_MODELS["rfc"]


def test_unknown_name_lists_those_that_exist() -> None:
    with pytest.raises(UsageError) as error:
        host_model("xen-5")
    assert str(error.value) == (
        "no host model 'xen-5'; "
        "choose from: rfc, xen-4.17-arm64, xen-4.17-arm32, xen-4.22-arm64, kvm-arm64, kvm-s2fwb, "
        "bootloader, bootloader-dirty, warm-reset, clean-reset"
    )


def test_everything_cites_a_source_that_has_a_known_form(model: HostModel) -> None:
    rules = [model.allocation, model.flush, model.first_run, model.set_way]
    sources = [alias.source for alias in model.aliases] + [rule.source for rule in rules if rule is not None]
    assert all(source.startswith(("xen ", "linux ", "xen-devel, ")) for source in sources), sources


def test_rules_hold_only_scrubs_and_maintenance(model: HostModel) -> None:
    can = {Op.WRITE, Op.DC_CIVAC, Op.IC_IVAU, Op.IC_IALLUIS}
    assert model.allocation is not None
    assert model.allocation.steps.count(Op.WRITE) == 1
    for rule in (model.flush, model.first_run, model.set_way):
        assert rule is None or set(rule.steps) <= can - {Op.WRITE}


def test_a_scrubber_has_an_alias_to_scrub_through(model: HostModel) -> None:
    assert model.allocation is not None
    lives = {alias.lifetime for alias in model.aliases if alias.agent == model.allocation.agent}
    assert lives & {AliasLifetime.ALWAYS, AliasLifetime.DURING_SCRUB, AliasLifetime.ONCE_USED}


def test_every_host_has_a_way_to_maintain_and_only_one(model: HostModel) -> None:
    """Maintenance is by a call after the guest is loaded (Xen), or of all RAM before it first runs (KVM)."""
    assert (model.flush is None) == model.name.startswith("kvm")
    assert (model.first_run is None) != (model.flush is None)


def test_a_previous_owner_is_nobody_who_is_heard_of_again(model: HostModel) -> None:
    """It may leave lines in any cache, so its alias is executable; it does no maintenance and builds nothing."""
    before = [alias for alias in model.aliases if alias.lifetime is AliasLifetime.BEFORE]
    assert len(before) == model.name.startswith("kvm")
    rules = [model.allocation, model.flush, model.first_run, model.set_way]
    busy = {rule.agent for rule in rules if rule is not None} | {model.builder_agent, "guest"}
    for alias in before:
        assert (alias.memory_type, alias.executable) == (WB, True)
        assert alias.agent not in busy


def test_an_agent_has_one_alias(model: HostModel) -> None:
    agents = [alias.agent for alias in model.aliases]
    assert len(agents) == len(set(agents))


def test_a_lasting_builder_mapping_has_one_type(model: HostModel) -> None:
    assert model.builder_mapping_outlives_build == (model.builder_agent == "vmm")
    assert model.mapping_types == ((WB,) if model.builder_mapping_outlives_build else (WB, NC))


def test_what_tells_the_models_apart() -> None:
    steps = {model.name: model.allocation.steps for model in WITH_STRATEGIES if model.allocation is not None}
    assert steps["xen-4.17-arm64"].index(Op.WRITE) < steps["xen-4.17-arm64"].index(Op.DC_CIVAC)
    assert steps["xen-4.22-arm64"].index(Op.WRITE) > steps["xen-4.22-arm64"].index(Op.DC_CIVAC)
    assert [name for name, model in HOST_MODELS.items() if model.watches_caches] == ["kvm-arm64"]
    assert [model.name for model in WITH_STRATEGIES if model.set_way is None] == ["rfc", "kvm-s2fwb"]
    assert [name for name, model in HOST_MODELS.items() if model.forced_write_back] == ["kvm-s2fwb"]
    assert {name: model.options for name, model in HOST_MODELS.items() if model.options} == {
        "kvm-s2fwb": ("idc",)
    }
    assert [model.name for model in WITH_STRATEGIES if model.flush is None] == ["kvm-arm64", "kvm-s2fwb"]


BARE = [each for each in MODELS if not each.has_strategies]


def test_the_hosts_without_a_hypervisor() -> None:
    assert [model.name for model in BARE] == ["bootloader", "bootloader-dirty", "warm-reset", "clean-reset"]
    assert [model.name for model in BARE if model.leaves_junk] == ["bootloader-dirty", "warm-reset"]
    assert not any(model.leaves_junk for model in WITH_STRATEGIES)


@pytest.mark.parametrize("model", BARE, ids=lambda model: model.name)
def test_without_a_hypervisor_nobody_maintains_after_the_start(model: HostModel) -> None:
    assert (model.allocation, model.flush, model.first_run, model.set_way) == (None, None, None, None)
    assert (model.watches_caches, model.forced_write_back, model.options) == (False, False, ())


@pytest.mark.parametrize("model", BARE, ids=lambda model: model.name)
def test_a_boot_loader_has_one_mapping_which_is_gone_when_the_guest_starts(model: HostModel) -> None:
    loader, *others = model.aliases
    assert (loader.agent, loader.lifetime) == (model.builder_agent, AliasLifetime.UNTIL_START)
    assert model.mapping_types == (loader.memory_type,)
    assert all(alias.lifetime is AliasLifetime.AT_START for alias in others)
    assert model.builder_mapping_outlives_build
    assert model.load is not None
    assert model.load.agent == loader.agent
    sources = [alias.source for alias in model.aliases] + [model.load.source]
    assert all(
        source.startswith(("u-boot ", "tf-a ", "linux ", "Arm ARM DDI 0487 ")) for source in sources
    ), sources


def test_models_are_immutable(model: HostModel) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.name = "other"  # type: ignore[misc]  # read-only, which is what is tested
    with pytest.raises(TypeError):
        HOST_MODELS["other"] = model  # type: ignore[index]  # read-only, which is what is tested
