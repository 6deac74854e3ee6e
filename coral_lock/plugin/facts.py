"""What is known of a plugin without running it, and whether it can be right."""

from __future__ import annotations

from coral_lock.names import is_plugin_name
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_DESCRIPTION = 1000

MANIFEST = "manifest"
STATIC = "static"
PROBE = "probe"


class PluginFacts(Record):
    """The fields of a spec as data."""

    name: str
    description: str = ""
    min_core_version: str | None = None
    min_inference_version: str | None = None


class FactsError(ValueError):
    """A spec's fields can't be right; the message names the field and what it holds."""


def facts_from_fields(fields: dict[str, Any]) -> PluginFacts:
    """Return the facts of a spec whose fields may hold anything.

    Args:
        fields: `name` and, where the spec has them, the other fields of `PluginFacts`.

    Raises:
        FactsError: a field is of the wrong type or can't stand in a lock.
    """
    name = fields.get("name")
    if not is_plugin_name(name):
        raise FactsError(f"`name` isn't a plugin name: {_show(name)}")
    description = fields.get("description")
    if description is None:
        description = ""
    if not isinstance(description, str):
        raise FactsError(f"`description` isn't a string: {_show(description)}")
    if len(description) > MAX_DESCRIPTION:
        raise FactsError(f"`description` is longer than {MAX_DESCRIPTION} characters")
    if not description.isascii() and any("\ud800" <= c <= "\udfff" for c in description):
        raise FactsError("`description` holds a lone surrogate")
    versions: dict[str, str | None] = {}
    for field in ("min_core_version", "min_inference_version"):
        value = fields.get(field)
        if value is not None and not isinstance(value, str):
            raise FactsError(f"`{field}` isn't a string: {_show(value)}")
        if value is not None and (len(value) > 200 or not value.isprintable()):
            raise FactsError(f"`{field}` isn't a version: {_show(value)}")
        versions[field] = value or None
    return PluginFacts(name=str(name), description=description, **versions)


def _show(value: object) -> str:
    is_short = isinstance(value, (str, float, type(None))) or (
        isinstance(value, int) and value.bit_length() < 1000
    )
    text = repr(value) if is_short else f"`{type(value).__name__}`"
    return text if len(text) <= 80 else f"{text[:77]}…"


def facts_of_spec(spec: object) -> PluginFacts:
    """Return the facts of a live spec, read from its attributes.

    Raises:
        FactsError: an attribute is of the wrong type or can't stand in a lock.
    """
    return facts_from_fields({field: getattr(spec, field, None) for field in PluginFacts._fields})
