"""Which plugins a test is about: what a lock would say of them, or what stands in the way."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from coral_lock.descriptor.model import DISCOVER_LISTED, Descriptor, PluginRequest
from coral_lock.finding import Finding, has_errors, sorted_findings
from coral_lock.installed.environment import MAX_SOURCE_BYTES, EnvironmentInventory
from coral_lock.installed.import_lookup import module_origin
from coral_lock.inventory import (
    Distribution,
    EntryPoint,
    FoundDistribution,
    Inventory,
    Reporter,
)
from coral_lock.lockfile.entries import LockedPlugin
from coral_lock.lockfile.order import activation_order
from coral_lock.locking.discovery import Probe, discover
from coral_lock.locking.resolution import Survey, locked_plugins, survey
from coral_lock.names import split_plugin_id
from coral_lock.plugin.config import BUILT_IN_PATCHES, RuntimeConfig
from coral_lock.plugin.facts import combined, merged
from coral_lock.probe.run import interpreter_probe
from coral_lock.safe_files import read_regular_file
from coral_lock.start.report import StartPlan, missing_variables

UNDER_TEST = "under-test"
"""How the distribution is called, of which nothing is known."""


class SourceInventory(EnvironmentInventory):
    """This environment, whose only plugins are those of one entry point, installed or not.

    Args:
        entry_point: what a distribution would declare.
    """

    def __init__(self, entry_point: EntryPoint) -> None:
        super().__init__()
        module = entry_point.value.partition(":")[0]
        origin = module_origin(module)
        self._root = _root_of(module, origin)
        self._top = module.partition(".")[0]
        self._distribution = Distribution(
            name=UNDER_TEST,
            version="0",
            requires=(),
            entry_points=(entry_point,),
            location=origin or entry_point.value,
            editable=True,
        )

    def plugin_distributions(self) -> tuple[FoundDistribution, ...]:
        return (self._distribution,)

    def find(self, name: str) -> FoundDistribution | None:
        return self._distribution if name == UNDER_TEST else super().find(name)

    def read_source(self, name: str, path: str) -> bytes | None:
        """Return a file of the entry point's top-level package."""
        if name != UNDER_TEST:
            return super().read_source(name, path)
        if self._root is None or path.partition("/")[0].removesuffix(".py") != self._top:
            return None
        try:
            return read_regular_file(os.path.join(self._root, path), MAX_SOURCE_BYTES)
        except OSError:
            return None


def _root_of(module: str, origin: str | None) -> str | None:
    """Return the directory from which the file of a module is imported."""
    stem = module.replace(".", os.sep)
    for path in (os.path.join(stem, "__init__.py"), f"{stem}.py"):
        suffix = f"{os.sep}{path}"
        if origin is not None and origin.endswith(suffix):
            return origin.removesuffix(suffix) or os.sep
    return None


PLACE = "this test"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidates:
    """The plugins of a test.

    `identifiers` are the plugins that are meant, and `providers` the distributions that
    offer them, by id. If a finding of `plan` is an error, nothing may run.
    """

    identifiers: tuple[str, ...]
    providers: Mapping[str, Distribution]
    plan: StartPlan


def installed_candidates(identifiers: Sequence[str], config: RuntimeConfig) -> Candidates:
    """Return the plugins of those ids among what is installed.

    Args:
        identifiers: plugin ids; what they don't name isn't activated.
        config: says for which platform, and takes in what the plugins' manifests override.

    Raises:
        ValueError: one isn't a plugin id.
        CycleError: the `after` of some plugins can't be met.
    """
    identifiers = tuple(dict.fromkeys(identifiers))
    probe = interpreter_probe(sys.path)
    return _candidates(EnvironmentInventory(), probe, identifiers, config)


def entry_point_candidates(entry_point: EntryPoint, config: RuntimeConfig) -> Candidates:
    """Return the plugins that an entry point yields, whether or not it is installed.

    Args:
        entry_point: what a distribution would declare.
        config: see `installed_candidates`.
    """
    inventory = SourceInventory(entry_point)
    probe = cache(interpreter_probe(sys.path))
    found = discover(inventory, probe, Reporter()).plugins
    identifiers = tuple(dict.fromkeys(plugin.id for plugin in found))
    return _candidates(inventory, probe, identifiers, config)


def _candidates(
    inventory: Inventory, probe: Probe, identifiers: tuple[str, ...], config: RuntimeConfig
) -> Candidates:
    descriptor = _descriptor(config, identifiers)
    surveyed = survey(inventory, descriptor, probe=probe)
    decisions = surveyed.selection.decisions
    providers = {decision.plugin.id: decision.plugin.distribution for decision in decisions}
    selected = {plugin.id: plugin for plugin in locked_plugins(decisions, descriptor)}
    order = activation_order({key: plugin.after for key, plugin in selected.items()})
    plugins = tuple(selected[key] for key in order)
    findings = {
        *_relevant(surveyed, identifiers, providers),
        *missing_variables(plugins),
    }
    if not has_errors(findings):
        _apply_overrides(plugins, config)
    return Candidates(
        identifiers=identifiers,
        providers=providers,
        plan=StartPlan(
            plugins=plugins,
            versions={provider.name: provider.version for provider in providers.values()},
            config=config,
            lock=None,
            findings=sorted_findings(findings),
            messages=(),
        ),
    )


def _descriptor(config: RuntimeConfig, identifiers: Sequence[str]) -> Descriptor:
    """Return the descriptor that asks for these plugins and no others."""
    return Descriptor(
        platform=config.platform,
        discover=DISCOVER_LISTED,
        built_in_patches=config.built_in_patches(),
        requests=tuple(_request(identifier) for identifier in identifiers),
        services=config.services,
        origins={f"patches.{name}": PLACE for name in config.patches},
    )


def _request(identifier: str) -> PluginRequest:
    try:
        group, name = split_plugin_id(identifier)
    except ValueError:
        raise ValueError(f"a plugin id is written `<group>:<name>`, not `{identifier}`") from None
    return PluginRequest(group=group, name=name, enabled=True, where=PLACE)


def _relevant(
    surveyed: Survey, identifiers: Sequence[str], providers: Mapping[str, Distribution]
) -> Iterator[Finding]:
    """Yield the findings about these plugins, with hints for the author of a test.

    What is wrong with other plugins that are installed isn't this test's affair.
    """
    subjects = {
        *identifiers,
        *(package.distribution for package in surveyed.host.packages()),
        *(providers[identifier].name for identifier in identifiers if identifier in providers),
    }
    for finding in surveyed.findings:
        if finding.subject not in subjects:
            continue
        if finding.code == "host-unknown":
            finding = finding.replace(hint="tell it with the fixture `coral_host`")
        if finding.code == "unknown-plugin" and finding.subject not in providers:
            finding = finding.replace(
                summary=f"no distribution that is installed offers `{finding.subject}`",
                hint=finding.hint
                if finding.hint and finding.hint.startswith("did you mean")
                else "install the project, e.g. with `pip install --editable .`",
            )
        yield finding


def _apply_overrides(plugins: Sequence[LockedPlugin], config: RuntimeConfig) -> None:
    """Let what the plugins bring along hold where the configuration says nothing."""
    overrides = combined(plugin.default_config_overrides for plugin in plugins)
    for name, switch in overrides.get("patches", {}).items():
        if name not in config.patches:
            setattr(config, BUILT_IN_PATCHES[name], switch)
    config.services = merged(overrides.get("services", {}), config.services)
