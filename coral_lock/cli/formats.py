"""How commands print what they found: one registry of formats, shared by all of them.

A command makes an `Outcome` and prints it with `emit`. A new format is a function and a line in
`FORMATS`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module

import click

from coral_lock.canonical_json import write
from coral_lock.cli.application import Command
from coral_lock.errors import printable
from coral_lock.messages import say, say_findings, say_warning
from coral_lock.rendering.outcome import Outcome
from coral_lock.safe_files import write_durably

TEXT = "text"
GITHUB = "github"


def emit(
    outcome: Outcome,
    output_format: str,
    output_file: str | None = None,
    *,
    is_summarized: bool = False,
) -> None:
    """Print an outcome to standard output, and as text its findings to standard error.

    Args:
        outcome: what a command found.
        output_format: one of `FORMATS`.
        output_file: the file to write instead of standard output.
        is_summarized: whether in GitHub's format it is appended to the summary of the job, too.
    """
    deliver(FORMATS[output_format](outcome), output_file)
    if output_format == TEXT and not outcome.has_findings_in_text:
        say_findings(outcome.findings or ())
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if output_format == GITHUB and is_summarized and summary:
        _append_summary(outcome, summary)


def deliver(text: str, output_file: str | None, account: str = "") -> None:
    """Write a text to the file that the user named, and say so, else to standard output."""
    if output_file is None:
        click.echo(text.encode("utf-8", "backslashreplace"), nl=False)
    else:
        write_durably(output_file, text)
        say(f"wrote {output_file}" + (f": {account}" if account else ""))


def _append_summary(outcome: Outcome, path: str) -> None:
    """Append an outcome to a job's summary, which is an extra: that it can't be is a warning."""
    from coral_lock.rendering.github import render_summary

    try:
        with open(path, "ab") as file:
            text = render_summary(outcome, file.tell())
            file.write(text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        say_warning(f"the job's summary can't be written: {error.strerror}: {path}")
    else:
        if not text:
            say_warning("the job's summary is full, so the changes aren't in it")


def as_lines(lines: Iterable[str]) -> str:
    """Return the text of lines, each printable on one line."""
    return "".join(f"{printable(line)}\n" for line in lines)


def _render_json(outcome: Outcome) -> str:
    """Return the document, with the findings, the changes and the code at its end."""
    document = dict(outcome.document)
    for key in ("findings", "changes", "code"):
        values = getattr(outcome, key)
        if values is not None:
            document[key] = [each.to_dict() for each in values]
    return write(document)


def _rendering(name: str) -> Callable[[Outcome], str]:
    """Return a function of `rendering` that is imported when it is called, as it costs time."""
    return lambda outcome: getattr(import_module(f"coral_lock.rendering.{name}"), f"render_{name}")(
        outcome
    )


FORMATS: Mapping[str, Callable[[Outcome], str]] = {
    TEXT: lambda outcome: outcome.text,
    "json": _render_json,
    GITHUB: _rendering("github"),
    "gitlab": _rendering("gitlab"),
    "html": _rendering("html"),
    "markdown": _rendering("markdown"),
    "sarif": _rendering("sarif"),
}


def format_option(*names: str) -> Callable[[Command], Command]:
    """Return the option that chooses among formats, by default the first; or among all of them."""
    choices = names or tuple(FORMATS)
    return click.option(
        "--output-format",
        type=click.Choice(choices),
        default=choices[0],
        show_default=True,
        help="The output format.",
    )


output_format_option = format_option()

output_file_option = click.option(
    "--output-file", metavar="FILE", help="Write to this file instead of standard output."
)
