"""`coral-runtime manifest`: what plugins are, written down beside their code."""

from __future__ import annotations

import difflib
import shlex
import sys

import click

from coral_lock.cli.application import CommandGroup
from coral_lock.errors import DOES_NOT_HOLD, HOLDS, InputError
from coral_lock.messages import say, say_warning
from coral_lock.printable import printable
from coral_lock.schema_files import schema_text
from coral_lock.wording import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from coral_lock.author.compile import Compilation, FileChange


@click.group(cls=CommandGroup)
def manifest() -> None:
    """Compile, check and show manifests: what plugins are, without running them.

    A manifest is the file coral_plugin.yaml, shipped in the package of a plugin.

    \b
    Examples:
      coral-runtime manifest compile
      coral-runtime manifest compile --check
      coral-runtime manifest show acme-vision
    """


@manifest.command("compile")
@click.argument("project", default=".")
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; fail with a diff if a manifest isn't what would be written now.",
)
def compile_manifest(project: str, check: bool) -> int:
    """Write what the code of PROJECT says of its plugins into coral_plugin.yaml.

    PROJECT is a directory with a pyproject.toml, by default the current one. Nothing is
    executed. What the code says (group, name, entry point, description, minimal versions) is
    brought up to date; all else in the file stays as its author wrote it. Where the build
    back end would leave the file out of the wheel, pyproject.toml gets the setting.

    \b
    Examples:
      coral-runtime manifest compile
      coral-runtime manifest compile path/to/project
      coral-runtime manifest compile --check
    """
    from coral_lock.author.compile import compile_project, write_changes

    compilation = compile_project(project)
    for warning in compilation.warnings:
        say_warning(warning)
    if check:
        return _check(compilation, project)
    write_changes(compilation)
    for line in _summary(compilation):
        say(line)
    return HOLDS


def _summary(compilation: Compilation) -> Iterator[str]:
    from coral_lock.author.project import display_path

    changed = {change.path for change in compilation.changes}
    paths = {compiled.path for compiled in compilation.manifests}
    for compiled in compilation.manifests:
        plugins = counted(compiled.plugins, "plugin")
        if compiled.path in changed:
            yield f"wrote {display_path(compiled.path)}: {plugins}"
        else:
            yield f"{display_path(compiled.path)} is up to date: {plugins}"
    for path in sorted(changed - paths):
        yield f"wrote {display_path(path)}: the wheel is to have the manifest"


def _check(compilation: Compilation, project: str) -> int:
    from coral_lock.author.project import display_path

    if not compilation.changes:
        for line in _summary(compilation):
            say(line)
        return HOLDS
    for change in compilation.changes:
        for line in _diff(change):
            sys.stdout.write(f"{printable(line)}\n")
    sys.stdout.flush()
    stale = ", ".join(display_path(change.path) for change in compilation.changes)
    say(f"stale: {stale}")
    words = ["coral-runtime", "manifest", "compile", *([] if project == "." else [project])]
    say(f"  hint: run `{shlex.join(words)}`")
    return DOES_NOT_HOLD


def _diff(change: FileChange) -> Iterator[str]:
    from coral_lock.author.project import display_path

    shown = display_path(change.path)
    return difflib.unified_diff(
        [] if change.old is None else change.old.splitlines(),
        change.new.splitlines(),
        "/dev/null" if change.old is None else shown,
        shown,
        lineterm="",
    )


@manifest.command()
@click.argument("file")
def validate(file: str) -> int:
    """Check one manifest, telling every mistake with its place.

    \b
    Examples:
      coral-runtime manifest validate src/my_package/coral_plugin.yaml
    """
    from coral_lock.manifest.model import MAX_MANIFEST_BYTES
    from coral_lock.manifest.reader import read_manifest
    from coral_lock.safe_files import read_regular_file

    try:
        content = read_regular_file(file, MAX_MANIFEST_BYTES)
    except FileNotFoundError:
        raise InputError(
            "there is no manifest", where=file, hint="run `coral-runtime manifest compile`"
        ) from None
    except OSError as error:
        raise InputError(f"the manifest can't be read: {error.strerror}", where=file) from None
    except ValueError:
        raise InputError("the manifest's path can't be a path", where=repr(file)) from None
    declared = read_manifest(content, file)
    say(f"{file} is valid: {counted(len(declared.plugins), 'plugin')}")
    return HOLDS


@manifest.command()
@click.argument("source", metavar="DISTRIBUTION|WHEEL")
@click.option(
    "--output-format",
    type=click.Choice(("yaml", "json")),
    default="yaml",
    show_default=True,
    help="How the manifest is printed.",
)
def show(source: str, output_format: str) -> int:
    """Print what the manifest of an installed distribution or a wheel declares.

    \b
    Examples:
      coral-runtime manifest show acme-vision
      coral-runtime manifest show dist/acme_vision-2.0.0-py3-none-any.whl
      coral-runtime manifest show acme-vision --output-format json
    """
    from coral_lock.author.manifest_text import manifest_document, yaml_text
    from coral_lock.author.released import released_manifest
    from coral_lock.installed.environment import EnvironmentInventory

    document = manifest_document(released_manifest(source, EnvironmentInventory).plugins)
    if output_format == "json":
        import json

        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(yaml_text(document), nl=False)
    return HOLDS


@manifest.command()
def schema() -> None:
    """Print the JSON Schema of manifests, for editors and other tools.

    \b
    Examples:
      coral-runtime manifest schema > manifest.schema.json
    """
    click.echo(schema_text("manifest"), nl=False)
