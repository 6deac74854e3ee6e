"""`coral-runtime plugins list`: look at plugins without running them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from coral_lock.canonical_json import Value
from coral_lock.cli.formats import TEXT, Outcome, emit, output_format_option
from coral_lock.cli.options import (
    GroupType,
    config_options,
    load_config,
    no_exec_option,
    version_options,
)
from coral_lock.cli.place_options import place_and_target_options, place_of
from coral_lock.cli.progress import shown_progress
from coral_lock.derive.explanation import least, listed_hosts
from coral_lock.derive.locking import gathered_findings, survey_all
from coral_lock.derive.place import open_place
from coral_lock.descriptor.model import HostVersions
from coral_lock.errors import DOES_NOT_HOLD, HOLDS, printable
from coral_lock.finding import Finding, has_errors
from coral_lock.lockfile.entries import Host, sorted_data, to_mapping
from coral_lock.locking.decision import Decision
from coral_lock.locking.resolution import Survey
from coral_lock.messages import counted, say, say_warning
from coral_lock.plugin.facts import PluginTerms, leaves, terms_to_mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """What is listed for one target.

    Args:
        target: its name, empty where there are no targets.
        survey: what there is and what is decided about it.
        group: the only group that is listed, or None.
    """

    target: str
    survey: Survey
    group: str | None

    def decisions(self) -> tuple[Decision, ...]:
        """Return the decisions on the plugins that are listed."""
        return tuple(
            decision
            for decision in self.survey.selection.decisions
            if self.group in (None, decision.plugin.entry_point.group)
        )


def listing_lines(listing: Listing) -> Iterator[str]:
    """Yield the lines of a listing, without line ends."""
    if listing.target:
        yield f"target {listing.target}"
    for decision in listing.decisions():
        plugin, facts = decision.plugin, decision.plugin.facts
        provider = f"{plugin.distribution.name} {plugin.distribution.version}"
        yield f"{plugin.id}  {provider}  {_mark(decision)}"
        if facts and facts.description:
            yield f"    {facts.description}"
        yield f"    entry point   {plugin.entry_point.name} = {plugin.entry_point.value}"
        if facts:
            yield (
                f"    requires      core {least(facts.min_core_version)}, "
                f"inference {least(facts.min_inference_version)}"
            )
            yield f"    compatible    {_compatible(decision, listing.survey.host)}"
        yield from _terms_lines(plugin.terms)
        if decision.reason:
            yield f"    reason        {decision.reason}"
        yield f"    source        {plugin.evidence or 'unknown'}"


def _mark(decision: Decision) -> str:
    return "broken" if decision.problem else "selected" if decision.is_selected else "off"


def left_out_lines(listing: Listing) -> Iterator[str]:
    """Yield how many of the plugins are selected, and why the others aren't; nothing if all are."""
    decisions = listing.decisions()
    left_out = [decision for decision in decisions if not decision.is_selected]
    if left_out:
        of_target = f" for the target `{listing.target}`" if listing.target else ""
        number = len(decisions) - len(left_out)
        yield f"{number} of {counted(len(decisions), 'plugin')} selected{of_target}"
    for decision in left_out:
        plugin, mark = decision.plugin, _mark(decision)
        yield f"  {plugin.id} of {plugin.distribution.name} is {mark}: {decision.reason}"


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


def _compatible(decision: Decision, host: Host) -> str:
    answer = {True: "yes", False: "no", None: "unknown"}[decision.is_compatible]
    return f"{answer} ({listed_hosts(host)})"


def listing_document(
    listings: Sequence[Listing], findings: Sequence[Finding], platform: str
) -> dict[str, Value]:
    """Return the JSON document of listings: one for each target, where there are targets."""
    documents = {listing.target: _listing_document(listing) for listing in listings}
    parts: dict[str, Value] = documents.get("") or {"targets": dict(documents)}
    return {
        "platform": platform,
        **parts,
        "findings": [finding.to_dict() for finding in findings],
    }


def _listing_document(listing: Listing) -> dict[str, Value]:
    host = listing.survey.host
    return {
        "host": {
            "core": to_mapping(host.core) if host.core else None,
            "inference": to_mapping(host.inference) if host.inference else None,
        },
        "plugins": [_plugin_document(decision) for decision in listing.decisions()],
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


@click.command("list")
@config_options
@click.option("--group", type=GroupType(), help="Only the plugins of this group.")
@place_and_target_options
@no_exec_option
@version_options
@output_format_option
def list_plugins(
    config: str | None,
    no_config: bool,
    settings: tuple[str, ...],
    no_env: bool,
    group: str | None,
    python: str | None,
    wheels: tuple[str, ...],
    site_packages: tuple[str, ...],
    target: tuple[str, ...],
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
      coral-runtime plugins list --wheels wheelhouse --target jetson -c runtime.yaml
      coral-runtime plugins list --output-format json
    """
    place = place_of(python, wheels, site_packages, target)
    descriptor = load_config(config, no_config, settings, no_env).with_told(
        HostVersions(core=core_version, inference=inference_version)
    )
    opened = open_place(
        place,
        descriptor,
        allow_exec=not no_exec,
        kept={},
        use_cache=True,
        needs_target=False,
    )
    for note in opened.notes:
        say_warning(note)
    with shown_progress() as reporter:
        surveys = survey_all(opened, descriptor, reporter)
    listings = [
        Listing(target=name, survey=surveyed, group=group) for name, surveyed in surveys.items()
    ]
    findings = gathered_findings(opened, {name: each.findings for name, each in surveys.items()})
    lines = (line for listing in listings for line in listing_lines(listing))
    outcome = Outcome(
        document=listing_document(listings, findings, descriptor.platform),
        text="".join(f"{printable(line)}\n" for line in lines),
        findings=findings,
    )
    emit(outcome, output_format)
    if output_format == TEXT:
        for line in (line for listing in listings for line in left_out_lines(listing)):
            say(line)
    if not any(listing.decisions() for listing in listings):
        what = "no wheel offers a plugin" if wheels else "no plugin is installed"
        say(what + (f" in the group `{group}`" if group else ""))
    return DOES_NOT_HOLD if has_errors(findings) else HOLDS
