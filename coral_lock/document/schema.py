"""Whether a document conforms to its JSON Schema.

A valid document is answered by the few lines here, since `jsonschema` takes longer to import than
a whole locked start. They cover the keywords that the schemas of descriptors and manifests use
and only say yes or no: what is wrong with an invalid document, `jsonschema` says.
"""

from __future__ import annotations

import os

from coral_lock.canonical_json import parse
from coral_lock.errors import InputError
from coral_lock.names import (
    is_distribution_name,
    is_module_name,
    is_object_reference,
    is_plugin_id,
    is_plugin_name,
)
from coral_lock.targets.model import is_platform_tag, is_python_version, is_target_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any, TypeAlias

    from coral_lock.document.node import Mistakes, Node

    Schema: TypeAlias = Mapping[str, Any]

_LONGEST_REQUIREMENT = 500

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_DIRECTORIES = (
    os.path.join(_PACKAGE, "schemas"),
    os.path.join(os.path.dirname(_PACKAGE), "schemas"),
)
"""Where the schemas are in an installed package and in a source checkout."""

_loaded: dict[str, Schema] = {}


def _is_requirement(text: str) -> bool:
    """Whether a text looks like PEP 508 without URL and marker; `lock` parses it in full."""
    return (
        text[:1].isalnum()
        and text.isascii()
        and text.isprintable()
        and len(text) <= _LONGEST_REQUIREMENT
        and not set(text) & set(";@")
    )


def _is_version(text: str) -> bool:
    # A document without a version doesn't pay for this.
    from coral_lock.document.versions import is_version

    return is_version(text)


def _is_reason(text: str) -> bool:
    return bool(text.strip()) and text.isprintable()


def _is_variable_name(text: str) -> bool:
    return text.isascii() and text.isidentifier()


def _is_web_address(text: str) -> bool:
    return text.startswith(("https://", "http://")) and text.isprintable() and " " not in text


FORMATS: dict[str, Callable[[str], bool]] = {
    "distribution": is_distribution_name,
    "line": str.isprintable,
    "module": is_module_name,
    "object-reference": is_object_reference,
    "platform-tag": is_platform_tag,
    "plugin-id": is_plugin_id,
    "plugin-name": is_plugin_name,
    "python-version": is_python_version,
    "reason": _is_reason,
    "requirement": _is_requirement,
    "target-name": is_target_name,
    "variable-name": _is_variable_name,
    "version": _is_version,
    "web-address": _is_web_address,
}
"""What each `format` of the schemas accepts.

Every string with a `pattern` has a format as well, which accepts nothing that the pattern refuses:
the pattern is for tools that don't know the format, and isn't evaluated here.
"""

KEYWORDS = frozenset(
    {
        *("$ref", "type", "const", "enum", "format", "minLength", "maxLength"),
        *("properties", "additionalProperties", "propertyNames", "required"),
        *("items", "maxItems", "uniqueItems"),
    }
)
"""The keywords that are evaluated here; lists with `uniqueItems` hold strings alone."""

_TYPES = {"array": list, "boolean": bool, "object": dict, "string": str}


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
    if name not in _loaded:
        schema: Any = parse(schema_text(name))
        _loaded[name] = schema
    return _loaded[name]


def check(
    root: Node, name: str, mistakes: Mistakes, *, synonyms: Collection[str] = ()
) -> dict[str, Any]:
    """Return a document as dicts, lists and scalars; what is wrong with it goes to `mistakes`.

    Args:
        root: the document.
        name: its schema, e.g. `descriptor`.
        mistakes: where mistakes go; nothing was added to it where the document conforms.
        synonyms: keys of the document that aren't listed where a key is unknown.
    """
    schema = load_schema(name)
    document = root.plain()
    if not conforms(document, schema, schema):
        from coral_lock.document.violations import add_violations

        add_violations(root, document, schema, mistakes, synonyms)
    return document  # type: ignore[no-any-return]


def conforms(value: Any, schema: Schema, root: Schema) -> bool:
    """Whether a value is valid by `schema`, a part of the schema `root`."""
    reference = schema.get("$ref")
    if reference is not None and not conforms(value, definition(reference, root), root):
        return False
    if "type" in schema and not _is_of_type(value, schema["type"]):
        return False
    if "const" in schema and (isinstance(value, bool) or value != schema["const"]):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str):
        return _text_conforms(value, schema)
    if isinstance(value, dict):
        return _members_conform(value, schema, root)
    return not isinstance(value, list) or _items_conform(value, schema, root)


def definition(reference: str, root: Schema) -> Schema:
    """Return what `#/$defs/name` refers to."""
    found: Schema = root["$defs"][reference.removeprefix("#/$defs/")]
    return found


def _is_of_type(value: Any, types: str | list[str]) -> bool:
    return any(
        isinstance(value, _TYPES[name]) for name in ([types] if isinstance(types, str) else types)
    )


def _text_conforms(text: str, schema: Schema) -> bool:
    return (
        schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
        and ("format" not in schema or FORMATS[schema["format"]](text))
    )  # fmt: skip


def _members_conform(members: dict[str, Any], schema: Schema, root: Schema) -> bool:
    if not all(key in members for key in schema.get("required", ())):
        return False
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    for key, member in members.items():
        member_schema = properties.get(key, others)
        if member_schema is False:
            return False
        if member_schema is not True and not conforms(member, member_schema, root):
            return False
    names = schema.get("propertyNames")
    return names is None or all(conforms(key, names, root) for key in members)


def _items_conform(items: list[Any], schema: Schema, root: Schema) -> bool:
    if len(items) > schema.get("maxItems", len(items)):
        return False
    if "items" in schema and not all(conforms(item, schema["items"], root) for item in items):
        return False
    return not schema.get("uniqueItems") or len(set(items)) == len(items)
