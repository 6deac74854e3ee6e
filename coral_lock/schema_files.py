"""The JSON Schemas of the files that this project reads and writes."""

from __future__ import annotations

import os

from coral_lock.canonical_json import parse
from coral_lock.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, TypeAlias

    Schema: TypeAlias = Mapping[str, Any]

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_DIRECTORIES = (
    os.path.join(_PACKAGE, "schemas"),
    os.path.join(os.path.dirname(_PACKAGE), "schemas"),
)
"""Where the schemas are in an installed package and in a source checkout."""

_LOADED: dict[str, Schema] = {}


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


def load_schema(name: str) -> Schema:
    """Return the JSON Schema called `name`, which is written as canonical JSON.

    Raises:
        InputError: there is no such schema.
    """
    if name not in _LOADED:
        schema: Any = parse(schema_text(name))
        _LOADED[name] = schema
    return _LOADED[name]
