"""`coral-runtime plugins list`: look at plugins without running them."""

from __future__ import annotations

import sys

import click

from coral_lock import canonical_json
from coral_lock.cli.listing import Listing, left_out_lines, listing_document, listing_lines
from coral_lock.cli.options import (
    GroupType,
    config_options,
    load_config,
    no_exec_option,
    output_format_option,
    version_options,
)
from coral_lock.cli.place_options import place_and_target_options, place_of
from coral_lock.cli.progress import shown_progress
from coral_lock.derive.locking import gathered_findings, survey_all
from coral_lock.derive.opening import open_place
from coral_lock.descriptor.model import HostVersions
from coral_lock.errors import DOES_NOT_HOLD, HOLDS
from coral_lock.finding import has_errors
from coral_lock.messages import say, say_findings, say_warning
from coral_lock.printable import printable


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
    descriptor = load_config(config, no_config, settings, no_env)
    told = HostVersions(core=core_version, inference=inference_version)
    opened = open_place(
        place,
        descriptor,
        told=told,
        allow_exec=not no_exec,
        kept={},
        use_cache=True,
        needs_target=False,
    )
    for note in opened.notes:
        say_warning(note)
    with shown_progress() as reporter:
        surveys = survey_all(opened, descriptor, told, reporter)
    listings = [
        Listing(target=name, survey=surveyed, group=group) for name, surveyed in surveys.items()
    ]
    findings = gathered_findings(opened, {name: each.findings for name, each in surveys.items()})
    if output_format == "json":
        sys.stdout.write(
            canonical_json.write(listing_document(listings, findings, descriptor.platform))
        )
    else:
        for line in (line for listing in listings for line in listing_lines(listing)):
            sys.stdout.write(f"{printable(line)}\n")
        sys.stdout.flush()
        say_findings(findings)
        for line in (line for listing in listings for line in left_out_lines(listing)):
            say(line)
    if not any(listing.decisions() for listing in listings):
        what = "no wheel offers a plugin" if wheels else "no plugin is installed"
        say(what + (f" in the group `{group}`" if group else ""))
    return DOES_NOT_HOLD if has_errors(findings) else HOLDS
