"""The JSON Schemas of the files that this project reads and writes."""

from __future__ import annotations

import os

from coral_lock.errors import InputError

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_DIRECTORIES = (
    os.path.join(_PACKAGE, "schemas"),
    os.path.join(os.path.dirname(_PACKAGE), "schemas"),
)
"""Where a wheel puts the schemas, and where they lie in a source checkout."""

_SCHEMA_ADDRESS = "https://coral-lock.example/schemas"


def schema_text(name: str) -> str:
    """Return the text of the JSON Schema called `name`, e.g. `descriptor`.

    Raises:
        InputError: there is no such schema.
    """
    for directory in _DIRECTORIES:
        try:
            with open(
                os.path.join(directory, f"{name}.schema.json"), encoding="utf-8", newline=""
            ) as file:
                return file.read()
        except FileNotFoundError:
            continue
    raise InputError(f"there is no schema `{name}`", hint="install coral-lock again")


def schema_url(name: str) -> str:
    """Return the address that names the schema called `name` in files, for editors."""
    return f"{_SCHEMA_ADDRESS}/{name}-1.schema.json"
