"""`coral-runtime config`: look at descriptors without doing anything."""

from __future__ import annotations

import os

import click

from coral_lock.cli.command_group import CommandGroup
from coral_lock.cli.descriptor_path import descriptor_path
from coral_lock.cli.options import config_options
from coral_lock.descriptor.document import to_mapping
from coral_lock.descriptor.load import load_descriptor
from coral_lock.descriptor.masking import masked
from coral_lock.schema_files import schema_text


@click.group(cls=CommandGroup)
def config() -> None:
    """Check descriptors, and show what they come to.

    \b
    Examples:
      coral-runtime config validate -c runtime.yaml
      coral-runtime config schema > descriptor.schema.json
    """


@config.command()
@config_options
def validate(config: str | None, no_config: bool, settings: tuple[str, ...], no_env: bool) -> None:
    """Print the merged descriptor, and where each value came from, as JSON.

    The file, the CORAL_* environment variables and --set are merged in this order, the
    later one winning. Every mistake is told, and makes the exit code 2. Values in services
    that look like secrets are masked.

    \b
    Examples:
      coral-runtime config validate -c runtime.yaml
      coral-runtime config validate -c runtime.yaml --no-env --set platform=rknn
      coral-runtime config validate --set patches.night_vision.optional=true
    """
    import json

    descriptor = load_descriptor(
        descriptor_path(config, no_config),
        settings=settings,
        environment=None if no_env else os.environ,
    )
    document = to_mapping(descriptor)
    document["services"] = masked(document["services"])
    result = {
        "valid": True,
        "descriptor": document,
        "origins": dict(descriptor.origins),
        "warnings": list(descriptor.warnings),
    }
    click.echo(json.dumps(result, indent=2))


@config.command()
def schema() -> None:
    """Print the JSON Schema of descriptors, for editors and other tools.

    \b
    Examples:
      coral-runtime config schema > descriptor.schema.json
    """
    click.echo(schema_text("descriptor"), nl=False)
