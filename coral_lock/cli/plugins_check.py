"""`coral-runtime plugins check`: find the mistakes in a plugin before it is released."""

from __future__ import annotations

import click

from coral_lock.author.check.opening import Environment, open_target
from coral_lock.author.check.report import check_subject, summary_line, text_lines
from coral_lock.cli.formats import Outcome, emit, output_format_option
from coral_lock.cli.grammar import DEFAULT_DESCRIPTOR, descriptor_path
from coral_lock.cli.options import config_file_options
from coral_lock.cli.place_options import places
from coral_lock.cli.progress import terminal_reporter
from coral_lock.derive.place import Place
from coral_lock.errors import printable
from coral_lock.messages import say


@click.command("check")
@click.argument("target", default=".")
@click.option(
    "--run",
    is_flag=True,
    help="Also import and activate the plugins, each in fresh interpreters.",
)
@config_file_options("A sample configuration to check with.")
@places
@output_format_option
def check_plugins(
    target: str,
    run: bool,
    config: str | None,
    no_config: bool,
    python: str | None,
    wheels: tuple[str, ...],
    site_packages: tuple[str, ...],
    output_format: str,
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
    environment = Environment(Place(python=python, wheels=wheels, site_packages=site_packages))
    if run:
        environment.refuse_running()
    sample = descriptor_path(config, no_config)
    left_out = DEFAULT_DESCRIPTOR if no_config else None
    with open_target(target, sample, environment, left_out, run=run) as subject:
        report = check_subject(subject, run=run, reporter=terminal_reporter())
    outcome = Outcome(
        document=report.to_dict(),
        text="".join(f"{printable(line)}\n" for line in text_lines(report)),
        findings=report.findings,
        has_findings_in_text=True,
    )
    emit(outcome, output_format)
    say(summary_line(report))
    return report.exit_code
