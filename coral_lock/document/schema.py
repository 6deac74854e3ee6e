"""Whether a document conforms to its JSON Schema, and what is wrong where it doesn't.

A valid document is recognized by the few lines of `conforms`, since `jsonschema` takes longer to
import than a whole locked start. They cover the keywords that the schemas of descriptors and
manifests use and answer yes or no: `jsonschema` finds what is wrong with an invalid document.
"""

from __future__ import annotations

import os

from coral_lock.canonical_json import parse
from coral_lock.document.formats import FORMATS
from coral_lock.document.node import FLAG_WORDS, INVALID, dotted, kind, nearest, shown
from coral_lock.errors import InputError, shortened
from coral_lock.names import nearest_id
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from typing import Any, TypeAlias

    from jsonschema import ValidationError

    from coral_lock.document.node import Mistakes, Node, Place

    Path: TypeAlias = tuple[str | int, ...]
    Schema: TypeAlias = Mapping[str, Any]
    Mistake: TypeAlias = tuple[Path, Place, str, str | None, str | None, str | None]

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_DIRECTORIES = (
    os.path.join(_PACKAGE, "schemas"),
    os.path.join(os.path.dirname(_PACKAGE), "schemas"),
)
"""Where the schemas are in an installed package and in a source checkout."""

_loaded: dict[str, Schema] = {}


_EXPECTED_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "object": "a mapping",
    "string": "text",
}
_TYPES = {"array": list, "boolean": bool, "integer": int, "object": dict, "string": str}


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
        violations = _Violations(root=root, schema=schema, synonyms=synonyms)
        reported: set[Path] = set()
        for error in validator_of(schema).iter_errors(document):
            for path, place, message, expected, found, hint in violations.of(error):
                # A key or a value has one mistake at the most.
                if path not in reported:
                    reported.add(path)
                    mistakes.add(place, message, expected=expected, found=found, hint=hint)
    return document  # type: ignore[no-any-return]


def conforms(value: Any, schema: Schema | bool, root: Schema) -> bool:
    """Whether a value is valid by `schema`, a part of the schema `root`."""
    if isinstance(schema, bool):
        return schema
    if "$ref" in schema and not conforms(value, definition(schema["$ref"], root), root):
        return False
    types = schema.get("type", ())
    if types and not any(
        _is_integer(value) if name == "integer" else isinstance(value, _TYPES[name])
        for name in ([types] if isinstance(types, str) else types)
    ):
        return False
    if "const" in schema and (isinstance(value, bool) or value != schema["const"]):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str):
        is_short = schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value))
        return is_short and ("format" not in schema or FORMATS[schema["format"]](value))
    if isinstance(value, dict):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        names = schema.get("propertyNames", True)
        return all(key in value for key in schema.get("required", ())) and all(
            conforms(key, names, root) and conforms(member, properties.get(key, others), root)
            for key, member in value.items()
        )
    if _is_integer(value):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    if isinstance(value, list):
        items = schema.get("items", True)
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            return False
        is_valid = all(conforms(item, items, root) for item in value)
        return is_valid and (not schema.get("uniqueItems") or len(set(value)) == len(value))
    return True


def _is_integer(value: Any) -> bool:
    """Whether a value is a whole number: `true` isn't, nor is 1.0, which JSON Schema takes."""
    return isinstance(value, int) and not isinstance(value, bool)


def definition(reference: str, root: Schema) -> Schema:
    """Return what `#/$defs/name` refers to."""
    found: Schema = root["$defs"][reference.removeprefix("#/$defs/")]
    return found


def _repeated_items(
    validator: Any, unique: bool, items: object, schema: Schema
) -> Iterator[ValidationError]:
    """Yield an error for each repeated text; `jsonschema` reports only that there is one.

    It also compares each item with each where they are of several types, which takes minutes for
    lists that are made for it.
    """
    from jsonschema import ValidationError

    seen: set[str] = set()
    for index, item in enumerate(items if unique and isinstance(items, list) else ()):
        if isinstance(item, str) and item in seen:
            yield ValidationError("repeated", path=[index])
        elif isinstance(item, str):
            seen.add(item)


def validator_of(schema: Schema) -> Any:
    """Return the validator that checks documents by this schema."""
    from jsonschema import Draft202012Validator, FormatChecker
    from jsonschema.validators import extend

    types: Any = Draft202012Validator.TYPE_CHECKER

    checker = FormatChecker(formats=())
    for name, accepts in FORMATS.items():
        checker.checks(name)(
            lambda value, accepts=accepts: not isinstance(value, str) or accepts(value)
        )
    validator: Any = extend(  # type: ignore[no-untyped-call]
        Draft202012Validator,
        {"uniqueItems": _repeated_items},
        type_checker=types.redefine("integer", lambda checker, value: _is_integer(value)),
    )
    return validator(schema, format_checker=checker)


class _Violations(Record):
    """Words what `jsonschema` finds wrong with a document."""

    root: Node
    schema: Schema
    synonyms: Collection[str]

    def of(self, error: ValidationError) -> Iterator[Mistake]:
        """Yield the path of each mistake, its place, message, expected and found value and hint."""
        path: Path = tuple(error.absolute_path)
        schema: Schema = error.schema  # type: ignore[assignment]
        node = self.root
        for step in path:
            node = node.value[step]
        name, expected, found = f"`{dotted(path)}`", None, shown(node)
        if node.value is INVALID:
            return
        if "propertyNames" in error.relative_schema_path:
            key = str(error.instance)
            message, place = f"invalid key `{dotted((*path, key))}`", node.value[key].origin
            hint = _did_you_mean(_likely(key, schema))
            yield (*path, key), place, message, self._expected(schema), None, hint
        elif error.validator == "additionalProperties":
            known = tuple(schema["properties"])
            listed = ", ".join(key for key in known if key not in self.synonyms)
            for key in (key for key in node.value if key not in known):
                near = nearest(key, known)
                expected = None if near else f"one of {listed}"
                hint = _did_you_mean(near and dotted((*path, near)))
                message = f"unknown key `{dotted((*path, key))}`"
                yield (*path, key), node.value[key].origin, message, expected, None, hint
        elif error.validator == "required":
            for key in schema["required"]:
                if key not in node.value:
                    expected = self._expected(schema["properties"][key])
                    message = f"`{dotted((*path, key))}` is missing"
                    yield (*path, key), node.place, message, expected, None, None
        elif error.validator == "uniqueItems":
            message = f"`{dotted(path[:-1])}` contains a duplicate entry"
            yield path, node.place, message, "each entry once", found, None
        elif error.validator == "type" and error.validator_value == "object":
            is_empty = node.value is None and path and isinstance(path[-1], str)
            hint = f"write `{dotted(path[-1:])}: {{}}`, or remove the key" if is_empty else None
            message = f"{name if path else 'the document'} isn't a mapping"
            yield path, node.place, message, "a mapping", kind(node), hint
        else:
            if error.validator == "maxItems":
                expected, found = f"at most {error.validator_value} entries", str(len(node.value))
            elif error.validator == "maxLength" and "title" not in schema:
                expected = f"at most {error.validator_value} characters"
            else:
                expected = self._expected(schema)
            hint = self._hint(str(error.validator), schema, node)
            yield path, node.place, f"{name} has a wrong value", expected, found, hint

    def _expected(self, schema: Schema) -> str:
        schema = self._resolved(schema)
        if "title" in schema:
            return str(schema["title"])
        if "const" in schema:
            return str(schema["const"])
        if "enum" in schema:
            return " or ".join(f"`{choice}`" for choice in schema["enum"])
        return _EXPECTED_TYPES[schema["type"]]

    def _hint(self, keyword: str, schema: Schema, node: Node) -> str | None:
        """Return how to write what is probably meant."""
        if keyword == "const":
            # Format versions are the only constants of our schemas.
            return "upgrade coral-lock to read a later version"
        if "boolean" in schema.get("type", ()):
            flag = FLAG_WORDS.get(str(node.value).lower())
            if flag is None:
                return None
            word = "true" if flag else "false"
            how = "without quotes" if node.value == word else f"instead of `{node.value}`"
            return f"write `{word}` {how}"
        if isinstance(node.value, str):
            if schema.get("type") == "array":
                return self._hint_at_list(node.value, schema)
            return _did_you_mean(_likely(node.value, schema))
        if node.text and schema.get("type") not in ("array", "integer"):
            # Unquoted, 1.10 is the number 1.1 and null is nothing at all.
            return f'quote it if it is meant as text: "{shown(node)}"'
        return None

    def _hint_at_list(self, text: str, schema: Schema) -> str | None:
        """Return how to write names separated by commas where a list of names is expected."""
        if self._resolved(schema["items"]).get("type") != "string" or not text.strip():
            return None
        names = ", ".join(name.strip() for name in text.split(","))
        return f"write it as a list: `[{shortened(names)}]`"

    def _resolved(self, schema: Schema) -> Schema:
        return definition(schema["$ref"], self.schema) if "$ref" in schema else schema


def _likely(text: str, schema: Schema) -> str | None:
    if "enum" in schema:
        return nearest(text, schema["enum"])
    if schema.get("format") == "plugin-id":
        return nearest_id(text)
    if schema.get("format") == "platform-tag":
        from coral_lock.targets.machine import likely_platform

        return likely_platform(text)
    return None


def _did_you_mean(text: str | None) -> str | None:
    return f"did you mean `{text}`?" if text else None
