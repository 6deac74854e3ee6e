"""`coral-runtime config`: look at descriptors without doing anything."""

from __future__ import annotations

import json
import re
from typing import Any

import click

from coral_lock.cli.application import CommandGroup
from coral_lock.cli.options import config_options
from coral_lock.descriptor.model import Descriptor, to_mapping
from coral_lock.document.schema import schema_text

MASK = "***"

_SECRET_STEM = re.compile(
    "password|passwd|passphrase|secret|token|credential|apikey|accesskey|privatekey|authorization"
    "|cookie|bearer"
)
"""Parts of a key, written without separators, that make its value a secret."""

_SECRET_WORDS = frozenset({"auth", "pass", "pwd", "pw", "pin", "jwt", "key", "keys", "signature"})
"""Whole words of a key that do the same; `author` and `monkey` hold them, but aren't them."""

_CAMEL_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SEPARATORS = re.compile(r"[^a-z0-9]+")
_USER_OF_URL = re.compile(r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]*://)[^\s\"'<>]*@")
"""A URL up to its last `@`: a password may hold `/` and `@` where someone forgot to escape them."""

_ASSIGNMENT = re.compile(
    r"(?<![\w.-])(?P<name>[A-Za-z][\w.-]*)(?P<equals>\s*=\s*)(?P<value>[^\s&;#]+)"
)


def masked(value: Any) -> Any:
    """Return `value` with its secrets replaced, for printing.

    Values under keys that look secret become `***`, whatever they are, except null and
    booleans. URLs lose what is before their last `@`, and texts the values of parameters with
    such names: `?token=…`.

    Args:
        value: dicts, lists and scalars; left as it is.
    """
    if isinstance(value, dict):
        return {
            key: MASK if is_secret_key(key) and _may_be_secret(member) else masked(member)
            for key, member in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [masked(item) for item in value]
    if isinstance(value, str):
        return _ASSIGNMENT.sub(_masked_assignment, _USER_OF_URL.sub(rf"\1{MASK}@", value))
    return value


def is_secret_key(key: str) -> bool:
    """Whether the value under `key` looks like a secret by the key's name."""
    words = _SEPARATORS.split(_CAMEL_BOUNDARY.sub("_", key).lower())
    if "public" in words:
        return False
    return not _SECRET_WORDS.isdisjoint(words) or bool(_SECRET_STEM.search("".join(words)))


def _may_be_secret(value: Any) -> bool:
    # Not `in (None, True, False)`: 1 and 0 equal those.
    return value is not None and not isinstance(value, bool)


def _masked_assignment(match: re.Match[str]) -> str:
    if is_secret_key(match["name"]):
        return f"{match['name']}{match['equals']}{MASK}"
    return match.group()


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
