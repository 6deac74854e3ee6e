"""What is wrong with a document that doesn't conform to its JSON Schema: errors → mistakes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeAlias

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from coral_lock.document.node import (
    FLAG_WORDS,
    INVALID,
    Mistakes,
    Node,
    Place,
    dotted,
    kind,
    nearest,
    shown,
)
from coral_lock.document.schema import FORMATS, definition
from coral_lock.errors import shortened
from coral_lock.names import nearest_id
from coral_lock.targets.option import likely_platform

Path: TypeAlias = tuple[str | int, ...]
Schema: TypeAlias = Mapping[str, Any]

_EXPECTED_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "object": "a mapping",
    "string": "text",
}
_LIKELY = {"platform-tag": likely_platform, "plugin-id": nearest_id}
"""Returns what is meant by a wrong value of a format."""

_FORMAT_CHECKER = FormatChecker(formats=())
for _name, _accepts in FORMATS.items():
    _FORMAT_CHECKER.checks(_name)(
        lambda value, accepts=_accepts: not isinstance(value, str) or accepts(value)
    )


def _repeated_items(
    validator: Any, unique: bool, items: object, schema: Schema
) -> Iterator[ValidationError]:
    """Yield an error for each repeated text; `jsonschema` says only that there is one.

    It also compares each item with each where they are of several types, which takes minutes for
    lists that are made for it.
    """
    seen: set[str] = set()
    for index, item in enumerate(items if unique and isinstance(items, list) else ()):
        if isinstance(item, str) and item in seen:
            yield ValidationError("repeated", path=[index])
        elif isinstance(item, str):
            seen.add(item)


_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator, {"uniqueItems": _repeated_items}
)


def validator_of(schema: Schema) -> Any:
    """Return the validator that decides what a document by this schema may say."""
    return _Validator(schema, format_checker=_FORMAT_CHECKER)


def add_violations(
    root: Node, document: object, schema: Schema, mistakes: Mistakes, synonyms: Collection[str]
) -> None:
    """Add a mistake for each key and value that doesn't conform, at most one for each of them.

    Args:
        root: the document with its places.
        document: the same as dicts, lists and scalars.
        schema: what it is to conform to.
        mistakes: where mistakes go.
        synonyms: keys of the document that aren't listed where a key is unknown.
    """
    violations = _Violations(root, schema, mistakes, synonyms)
    for error in validator_of(schema).iter_errors(document):
        violations.add(error)


class _Violations:
    def __init__(
        self, root: Node, schema: Schema, mistakes: Mistakes, synonyms: Collection[str]
    ) -> None:
        self._root = root
        self._schema = schema
        self._mistakes = mistakes
        self._synonyms = synonyms
        self._told: set[Path] = set()

    def add(self, error: ValidationError) -> None:
        path: Path = tuple(error.absolute_path)
        schema: Schema = error.schema  # type: ignore[assignment]
        node = self._root
        for step in path:
            node = node.value[step]
        if node.value is INVALID:
            return
        if "propertyNames" in error.relative_schema_path:
            self._invalid_key(str(error.instance), schema, node, path)
        elif error.validator == "additionalProperties":
            for key, member in node.value.items():
                if key not in schema["properties"]:
                    self._unknown_key((*path, key), member, tuple(schema["properties"]))
        elif error.validator == "required":
            for key in schema["required"]:
                if key not in node.value:
                    expected = self._expected(schema["properties"][key])
                    message = f"`{dotted((*path, key))}` is missing"
                    self._tell((*path, key), node.place, message, expected=expected)
        elif error.validator == "uniqueItems":
            message = f"`{dotted(path[:-1])}` contains a duplicate entry"
            self._tell(path, node.place, message, expected="each entry once", found=shown(node))
        elif error.validator == "type" and error.validator_value == "object":
            self._not_a_mapping(node, path)
        else:
            self._wrong_value(error, schema, node, path)

    def _tell(self, path: Path, place: Place, message: str, **details: str | None) -> None:
        """Add a mistake unless there is one about `path`."""
        if path not in self._told:
            self._told.add(path)
            self._mistakes.add(place, message, **details)

    def _invalid_key(self, key: str, schema: Schema, parent: Node, path: Path) -> None:
        path = (*path, key)
        self._tell(
            path,
            parent.value[key].origin,
            f"invalid key `{dotted(path)}`",
            expected=self._expected(schema),
            hint=_did_you_mean(_likely(key, schema)),
        )

    def _unknown_key(self, path: Path, node: Node, known: tuple[str, ...]) -> None:
        near = nearest(str(path[-1]), known)
        listed = ", ".join(key for key in known if key not in self._synonyms)
        self._tell(
            path,
            node.origin,
            f"unknown key `{dotted(path)}`",
            expected=None if near else f"one of {listed}",
            hint=_did_you_mean(near and dotted((*path[:-1], near))),
        )

    def _not_a_mapping(self, node: Node, path: Path) -> None:
        is_empty = node.value is None and path and isinstance(path[-1], str)
        self._tell(
            path,
            node.place,
            f"`{dotted(path)}` isn't a mapping" if path else "the document isn't a mapping",
            expected="a mapping",
            found=kind(node),
            hint=f"write `{dotted(path[-1:])}: {{}}`, or remove the key" if is_empty else None,
        )

    def _wrong_value(self, error: ValidationError, schema: Schema, node: Node, path: Path) -> None:
        if error.validator == "maxItems":
            expected, found = f"at most {error.validator_value} entries", str(len(node.value))
        elif error.validator == "maxLength" and "title" not in schema:
            expected, found = f"at most {error.validator_value} characters", shown(node)
        else:
            expected, found = self._expected(schema), shown(node)
        self._tell(
            path,
            node.place,
            f"`{dotted(path)}` has a wrong value",
            expected=expected,
            found=found,
            hint=self._hint(str(error.validator), schema, node),
        )

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
        if node.text and schema.get("type") != "array":
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
        return definition(schema["$ref"], self._schema) if "$ref" in schema else schema


def _likely(text: str, schema: Schema) -> str | None:
    if "enum" in schema:
        return nearest(text, schema["enum"])
    likely = _LIKELY.get(schema.get("format", ""))
    return likely(text) if likely else None


def _did_you_mean(text: str | None) -> str | None:
    return f"did you mean `{text}`?" if text else None
