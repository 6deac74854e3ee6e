"""`coral-runtime plugins list`: look at plugins without running them."""

from __future__ import annotations

import os
import sys

import click

from coral_lock import canonical_json
from coral_lock.cli.messages import printable, say, say_findings, say_warning
from coral_lock.cli.options import (
    config_options,
    no_exec_option,
    output_format_option,
    version_options,
)
from coral_lock.cli.progress import terminal_reporter
from coral_lock.descriptor.load import load_descriptor
from coral_lock.errors import DOES_NOT_HOLD, HOLDS
from coral_lock.finding import has_errors
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.lockfile.mapping import sorted_data
from coral_lock.names import GROUPS
from coral_lock.plugin.overrides import leaves
from coral_lock.plugin.terms import terms_to_mapping
from coral_lock.probe.run import interpreter_probe
from coral_lock.resolve.resolution import survey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coral_lock.canonical_json import Value
    from coral_lock.lockfile.model import Host
    from coral_lock.plugin.terms import PluginTerms
    from coral_lock.resolve.resolution import Survey
    from coral_lock.resolve.selection import Decision


@click.command("list")
@config_options
@click.option("--group", type=click.Choice(GROUPS), help="Only the plugins of this group.")
@no_exec_option
@version_options
@output_format_option
def list_plugins(
    config: str | None,
    settings: tuple[str, ...],
    no_env: bool,
    group: str | None,
    no_exec: bool,
    core_version: str | None,
    inference_version: str | None,
    output_format: str,
) -> int:
    """List every plugin with its provider, its compatibility, and why it is off if it is.

    No plugin is imported into this process. Broken ones are listed too, and make the exit
    code 1.

    \b
    Examples:
      coral-runtime plugins list
      coral-runtime plugins list --group patches -c runtime.yaml
      coral-runtime plugins list --output-format json
    """
    descriptor = load_descriptor(
        config, settings=settings, environment=None if no_env else os.environ
    )
    for warning in descriptor.warnings:
        say_warning(warning)
    reporter = terminal_reporter()
    surveyed = survey(
        EnvironmentInventory(),
        descriptor,
        probe=None if no_exec else interpreter_probe(sys.path),
        core_version=core_version,
        inference_version=inference_version,
        reporter=reporter,
    )
    reporter.finished()
    decisions = [
        decision
        for decision in surveyed.selection.decisions
        if group in (None, decision.plugin.entry_point.group)
    ]
    if output_format == "json":
        sys.stdout.write(canonical_json.write(_document(surveyed, decisions, descriptor.platform)))
    else:
        for line in _lines(decisions, surveyed.host):
            sys.stdout.write(f"{printable(line)}\n")
        sys.stdout.flush()
        say_findings(surveyed.findings)
    if not decisions:
        say("no plugin is installed" + (f" in the group `{group}`" if group else ""))
    return DOES_NOT_HOLD if has_errors(surveyed.findings) else HOLDS


def _lines(decisions: Sequence[Decision], host: Host) -> Iterator[str]:
    for decision in decisions:
        plugin, facts = decision.plugin, decision.plugin.facts
        mark = "broken" if decision.problem else "selected" if decision.is_selected else "off"
        yield f"{plugin.id}  {plugin.distribution.name} {plugin.distribution.version}  {mark}"
        if facts and facts.description:
            yield f"    {facts.description}"
        yield f"    entry point   {plugin.entry_point.name} = {plugin.entry_point.value}"
        if facts:
            yield f"    requires      core {_least(facts.min_core_version)}, inference " + _least(
                facts.min_inference_version
            )
            yield f"    compatible    {_compatible(decision, host)}"
        yield from _terms_lines(plugin.terms)
        if decision.reason:
            yield f"    why off       {decision.reason}"
        yield f"    learnt by     {plugin.evidence or 'nothing: its spec is unknown'}"


def _terms_lines(terms: PluginTerms) -> Iterator[str]:
    """Yield what a manifest declares beyond the spec; nothing of what it leaves out."""
    if terms.platforms:
        yield f"    platforms     {', '.join(terms.platforms)}"
    if terms.after:
        yield f"    after         {', '.join(terms.after)}"
    for label, relations in (("needs", terms.requires), ("conflicts", terms.conflicts)):
        for relation in relations:
            yield f"    {label:<14}{relation.id}: {relation.reason}"
    if terms.default_config_overrides:
        paths = (".".join(path) for path, _ in leaves(terms.default_config_overrides, ()))
        yield f"    configures    {', '.join(paths)}"
    for variable in terms.env:
        must = ", must be set" if variable.required else ""
        note = f": {variable.description}" if variable.description else ""
        yield f"    reads         {variable.name}{must}{note}"
    if terms.homepage:
        yield f"    homepage      {terms.homepage}"


def _least(version: str | None) -> str:
    return f">= {version}" if version else "any"


def _compatible(decision: Decision, host: Host) -> str:
    versions = ", ".join(f"{host.distribution} {host.version}" for host in host.packages())
    answer = {True: "yes", False: "no", None: "unknown"}[decision.is_compatible]
    return f"{answer} ({versions or 'no host is installed'})"


def _document(surveyed: Survey, decisions: Sequence[Decision], platform: str) -> dict[str, Value]:
    host = surveyed.host
    return {
        "platform": platform,
        "host": {
            role: {"distribution": package.distribution, "version": package.version}
            if package
            else None
            for role, package in (("core", host.core), ("inference", host.inference))
        },
        "plugins": [_plugin_document(decision) for decision in decisions],
        "findings": [finding.to_dict() for finding in surveyed.findings],
    }


def _plugin_document(decision: Decision) -> dict[str, Value]:
    plugin, facts = decision.plugin, decision.plugin.facts
    return {
        "id": plugin.id,
        "group": plugin.entry_point.group,
        "entry_point": {"name": plugin.entry_point.name, "value": plugin.entry_point.value},
        "distribution": plugin.distribution.name,
        "version": plugin.distribution.version,
        "description": facts.description if facts else None,
        "min_core_version": facts.min_core_version if facts else None,
        "min_inference_version": facts.min_inference_version if facts else None,
        "compatible": decision.is_compatible,
        "selected": decision.is_selected,
        "reason": decision.reason,
        "evidence": plugin.evidence,
        **{key: sorted_data(value) for key, value in terms_to_mapping(plugin.terms).items()},
        "problem": decision.problem.to_dict() if decision.problem else None,
    }
