"""`coral-runtime plugins`: list, check and create plugins."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import partial

import click

from coral_lock.canonical_json import Value
from coral_lock.cli.application import CommandGroup, declared_options
from coral_lock.cli.formats import TEXT, as_lines, emit, output_format_option
from coral_lock.cli.grammar import CONFIG_OPTIONS, DEFAULT_DESCRIPTOR, descriptor_path
from coral_lock.cli.options import Inputs, input_options, known_group, place_options
from coral_lock.cli.progress import shown_progress
from coral_lock.derive.place import Place
from coral_lock.errors import DOES_NOT_HOLD, HOLDS, printable
from coral_lock.finding import has_errors
from coral_lock.lockfile.entries import sorted_data, to_mapping
from coral_lock.locking.decision import Decision, details_of
from coral_lock.locking.resolution import Survey
from coral_lock.messages import counted, say
from coral_lock.names import GROUPS
from coral_lock.plugin.facts import terms_to_mapping
from coral_lock.rendering.outcome import Outcome


@click.group(cls=CommandGroup)
def plugins() -> None:
    """List the installed plugins, check one, or create a new one.

    \b
    Examples:
      coral-runtime plugins list
      coral-runtime plugins check
      coral-runtime plugins new night-vision --group patches
    """


_group_option = partial(
    click.option, "--group", metavar=f"[{'|'.join(GROUPS)}]", callback=known_group
)


@plugins.command("list")
@_group_option(help="Only the plugins of this group.")
@input_options
@output_format_option
def list_plugins(group: str | None, inputs: Inputs, output_format: str) -> int:
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
    surveys, findings = inputs.survey(inputs.open({}))
    listed = {
        target: survey.replace(
            decisions=tuple(
                decision
                for decision in survey.decisions
                if group in (None, decision.plugin.entry_point.group)
            ),
        )
        for target, survey in surveys.items()
    }
    outcome = Outcome(
        document=listing_document(listed, inputs.descriptor.platform),
        text=as_lines(line for each in listed.items() for line in listing_lines(*each)),
        findings=findings,
    )
    emit(outcome, output_format)
    if output_format == TEXT:
        for line in (line for each in listed.items() for line in _left_out_lines(*each)):
            say(line)
    if not any(survey.decisions for survey in listed.values()):
        what = "no wheel offers a plugin" if inputs.place.wheels else "no plugin is installed"
        say(what + (f" in the group `{group}`" if group else ""))
    return DOES_NOT_HOLD if has_errors(findings) else HOLDS


def listing_lines(target: str, survey: Survey) -> Iterator[str]:
    """Yield the lines of a target, without line ends; its name is empty where there are none."""
    if target:
        yield f"target {target}"
    for decision in survey.decisions:
        plugin, facts = decision.plugin, decision.plugin.facts
        provider = f"{plugin.distribution.name} {plugin.distribution.version}"
        yield f"{plugin.id}  {provider}  {_mark(decision)}"
        if facts and facts.description:
            yield f"    {facts.description}"
        for label, text in details_of(decision, survey.host):
            yield f"    {label:<14}{text}"


def _mark(decision: Decision) -> str:
    return "broken" if decision.problem else "selected" if decision.is_selected else "off"


def _left_out_lines(target: str, survey: Survey) -> Iterator[str]:
    """Yield how many of the plugins are selected, and why the others aren't; nothing if all are."""
    left_out = [decision for decision in survey.decisions if not decision.is_selected]
    if left_out:
        of_target = f" for the target `{target}`" if target else ""
        number = len(survey.decisions) - len(left_out)
        yield f"{number} of {counted(len(survey.decisions), 'plugin')} selected{of_target}"
    for decision in left_out:
        plugin, mark = decision.plugin, _mark(decision)
        yield f"  {plugin.id} of {plugin.distribution.name} is {mark}: {decision.reason}"


def listing_document(surveys: Mapping[str, Survey], platform: str) -> dict[str, Value]:
    """Return the JSON document of surveys by target: a part for each, where there are targets."""
    documents: dict[str, dict[str, Value]] = {
        target: {
            "host": to_mapping(survey.host.replace(python=None)),
            "plugins": [_plugin_document(decision) for decision in survey.decisions],
        }
        for target, survey in surveys.items()
    }
    return {"platform": platform, **(documents.get("") or {"targets": documents})}


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


@plugins.command("check")
@click.argument("target", default=".")
@click.option(
    "--run",
    is_flag=True,
    help="Also import and activate the plugins, each in fresh interpreters.",
)
@declared_options(
    CONFIG_OPTIONS[0].replace(
        help="A sample descriptor to check with. [default: runtime.yaml, if any]"
    ),
    CONFIG_OPTIONS[1],
)
@place_options
@output_format_option
def check_plugins(
    target: str, run: bool, config: str | None, no_config: bool, place: Place, output_format: str
) -> int:
    """Check the plugins of TARGET, and report everything that would fail elsewhere.

    TARGET is a project's directory, a wheel file, or the name of a distribution that is
    installed here or available in the place that an option names; by default the project
    in the working directory. Without --run none of its code is run.

    \b
    Examples:
      coral-runtime plugins check
      coral-runtime plugins check dist/my_package-1.0.0-py3-none-any.whl
      coral-runtime plugins check my-package --run -c runtime.yaml
      coral-runtime plugins check my-package --wheels wheelhouse
      coral-runtime plugins check --output-format github
    """
    # The other commands of the group need none of these.
    from coral_lock.author.check import check_subject, summary_line, text_lines
    from coral_lock.author.subject import open_target

    sample = descriptor_path(config, no_config)
    left_out = DEFAULT_DESCRIPTOR if no_config else None
    opened = open_target(target, sample, place, left_out, run=run)
    with opened as subject, shown_progress() as reporter:
        report = check_subject(subject, run=run, reporter=reporter)
    outcome = Outcome(
        document=report.to_dict(),
        text=as_lines(text_lines(report)),
        findings=report.findings,
        has_findings_in_text=True,
    )
    emit(outcome, output_format)
    say(summary_line(report))
    return report.exit_code


@plugins.command("new")
@click.argument("name", metavar="NAME")
@_group_option(default="patches", show_default=True, help="The group of the plugin.")
@click.option(
    "--directory",
    metavar="DIR",
    default=".",
    help="Where the project's directory is created; by default here.",
)
def new_plugin(name: str, group: str, directory: str) -> int:
    """Create a project for a new plugin in the directory NAME, and print its files.

    NAME is the name of the distribution; the package and the plugin are named after it.
    The project has an entry point, a manifest, a test, a sample descriptor and a workflow
    for continuous integration, and passes `plugins check`. Nothing is ever overwritten.

    \b
    Examples:
      coral-runtime plugins new acme-night-vision
      coral-runtime plugins new acme-npu --group backends --directory projects
    """
    from coral_lock.author.scaffold import project_files, write_project

    files = project_files(name, group)
    target = os.path.normpath(os.path.join(directory, name))
    write_project(target, files)
    for path in files:
        click.echo(printable(os.path.join(target, *path.split("/"))))
    say(f"wrote {target}: {counted(len(files), 'file')}; see its README.md for the next steps")
    return HOLDS
