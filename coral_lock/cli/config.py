"""`coral-runtime config`: look at descriptors without doing anything."""

from __future__ import annotations

import json

import click

from coral_lock.cli.application import CommandGroup
from coral_lock.cli.options import config_options
from coral_lock.descriptor.model import Descriptor, to_mapping
from coral_lock.document.schema import schema_text
from coral_lock.masking import masked


@click.group(cls=CommandGroup)
def config() -> None:
    """Validate descriptors, and print their JSON Schema.

    \b
    Examples:
      coral-runtime config validate -c runtime.yaml
      coral-runtime config schema > descriptor.schema.json
    """


@config.command()
@config_options
def validate(descriptor: Descriptor) -> None:
    """Print the merged descriptor, and where each value came from, as JSON.

    The file, the CORAL_* environment variables and --set are merged in this order, the
    later one winning. Every mistake is reported, and the exit code is then 2. Values in services
    that look like secrets are masked.

    \b
    Examples:
      coral-runtime config validate -c runtime.yaml
      coral-runtime config validate -c runtime.yaml --no-env --set platform=rknn
      coral-runtime config validate --set patches.night_vision.optional=true
    """
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
