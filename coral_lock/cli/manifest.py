"""`coral-runtime manifest`: declare plugins as data, beside their code."""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Sequence

import click

from coral_lock.author.compile import CompiledManifest, compile_project
from coral_lock.author.manifest_check import declared_plugins
from coral_lock.author.manifest_text import manifest_document, yaml_text
from coral_lock.author.subject import NoPluginError
from coral_lock.cli.application import CommandGroup
from coral_lock.cli.formats import format_option
from coral_lock.document.schema import schema_text
from coral_lock.errors import DOES_NOT_HOLD, HOLDS, printable
from coral_lock.manifest import read_manifest
from coral_lock.messages import counted, say, say_warning
from coral_lock.plugin.facts import MAX_MANIFEST_BYTES
from coral_lock.safe_files import read_named_file, write_durably


@click.group(cls=CommandGroup)
def manifest() -> None:
    """Compile, validate and show the manifests of plugins.

    A manifest is the file coral_plugin.yaml in the package of a plugin. It declares the
    plugin, so that it needn't be run to be inspected.

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
    help="Write nothing; print a diff and fail if a manifest isn't up to date.",
)
def compile_manifest(project: str, check: bool) -> int:
    """Update coral_plugin.yaml from the code of PROJECT.

    PROJECT is a directory with a pyproject.toml, by default the current one. Nothing is
    executed. The fields that the code determines (group, name, entry point, description,
    minimum versions) are updated; the rest of the file is kept. For setuptools, the setting
    that includes a new manifest in the wheel is printed.

    \b
    Examples:
      coral-runtime manifest compile
      coral-runtime manifest compile path/to/project
      coral-runtime manifest compile --check
    """
    compilation = compile_project(project)
    for warning in compilation.warnings:
        say_warning(warning)
    if check and compilation.stale:
        return _stale(compilation.stale, project)
    for compiled in compilation.manifests:
        plugins = counted(compiled.plugins, "plugin")
        if compiled in compilation.stale:
            write_durably(compiled.path, compiled.new)
            say(f"wrote {compiled.path}: {plugins}")
        else:
            say(f"{compiled.path} is up to date: {plugins}")
    for line in compilation.notes:
        say(line)
    return HOLDS


def _stale(manifests: Sequence[CompiledManifest], project: str) -> int:
    for compiled in manifests:
        for line in difflib.unified_diff(
            (compiled.old or "").splitlines(),
            compiled.new.splitlines(),
            "/dev/null" if compiled.old is None else compiled.path,
            compiled.path,
            lineterm="",
        ):
            click.echo(printable(line))
    say(f"stale: {', '.join(compiled.path for compiled in manifests)}")
    words = ["coral-runtime", "manifest", "compile", *([] if project == "." else [project])]
    say(f"  hint: run `{shlex.join(words)}`")
    return DOES_NOT_HOLD


@manifest.command()
@click.argument("file")
def validate(file: str) -> int:
    """Validate a manifest and report every mistake with its position.

    \b
    Examples:
      coral-runtime manifest validate src/my_package/coral_plugin.yaml
    """
    hint = "run `coral-runtime manifest compile`"
    content = read_named_file(file, MAX_MANIFEST_BYTES, what="manifest", hint=hint)
    declared = read_manifest(content, file)
    say(f"{file} is valid: {counted(len(declared), 'plugin')}")
    return HOLDS


@manifest.command()
@click.argument("source", metavar="DISTRIBUTION|WHEEL")
@format_option("yaml", "json")
def show(source: str, output_format: str) -> int:
    """Print the plugins that an installed distribution or a wheel declares in its manifest.

    \b
    Examples:
      coral-runtime manifest show acme-vision
      coral-runtime manifest show dist/acme_vision-2.0.0-py3-none-any.whl
      coral-runtime manifest show acme-vision --output-format json
    """
    try:
        document = manifest_document(declared_plugins(source))
    except NoPluginError as error:
        error.exit_code = DOES_NOT_HOLD
        raise
    if output_format == "json":
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
