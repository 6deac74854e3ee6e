"""The evaluator of a start says what `jsonschema` says, by the same schemas."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from coral_lock.canonical_json import write
from coral_lock.document.formats import FORMATS
from coral_lock.document.schema import conforms, load_schema, schema_text, validator_of
from tests.unit.descriptor.test_laws import changed_documents as changed_descriptors
from tests.unit.manifest.test_laws import changed_documents as changed_manifests

DESCRIPTOR = load_schema("descriptor")
MANIFEST = load_schema("manifest")
SIGNING = ("envelope", "keyring", "signed-lock")
SCHEMAS = {
    "descriptor": DESCRIPTOR,
    "manifest": MANIFEST,
    **{name: load_schema(name) for name in SIGNING},
}

ANNOTATIONS = {"$schema", "$id", "$comment", "$defs", "title", "description", "default", "examples"}
EVALUATED = frozenset(
    {
        *("$ref", "type", "const", "enum", "format", "minLength", "maxLength"),
        *("properties", "additionalProperties", "propertyNames", "required"),
        *("items", "minItems", "maxItems", "uniqueItems", "minimum", "maximum"),
    }
)
"""The keywords that `conforms` evaluates."""

OF_PATTERNS = {"pattern", "not"}
"""What a format stands for in other tools."""


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield a schema and every schema in it."""
    if not isinstance(schema, dict):
        return
    yield schema
    for keyword in ("additionalProperties", "propertyNames", "items", "not"):
        yield from _parts(schema.get(keyword))
    for keyword in ("properties", "$defs"):
        for part in schema.get(keyword, {}).values():
            yield from _parts(part)


_NAMED = [(name, part) for name, schema in SCHEMAS.items() for part in _parts(schema)]


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_read_without_the_json_module(name: str) -> None:
    text = schema_text(name)
    assert write(load_schema(name)) == text
    assert "\\" not in text


@pytest.mark.parametrize("name", [*SCHEMAS, "activation-report", "diff", "lock"])
def test_an_id_is_the_path_of_the_file_in_the_distribution(name: str) -> None:
    path = f"coral_lock/schemas/{name}.schema.json"
    assert f'"$id": "urn:coral-lock:{path}"' in schema_text(name)


def test_every_keyword_of_the_schemas_is_evaluated() -> None:
    used = {keyword for _, part in _NAMED for keyword in part}
    assert used - ANNOTATIONS - OF_PATTERNS == EVALUATED


def test_a_list_of_different_items_is_one_of_texts() -> None:
    for name, part in _NAMED:
        if part.get("uniqueItems"):
            items = part["items"]
            definitions = SCHEMAS[name]["$defs"]
            resolved = definitions[items["$ref"].rpartition("/")[2]] if "$ref" in items else items
            assert "enum" in resolved or resolved["type"] == "string"


# Whole documents take long to generate on a busy machine.


@given(changed_descriptors())
def test_descriptors(document: Any) -> None:
    assert conforms(document, DESCRIPTOR, DESCRIPTOR) == validator_of(DESCRIPTOR).is_valid(document)


@given(changed_manifests())
def test_manifests(document: Any) -> None:
    assert conforms(document, MANIFEST, MANIFEST) == validator_of(MANIFEST).is_valid(document)


_TEXTS = st.one_of(
    st.text(max_size=8),
    st.text("ab1A_.-:/@ é\u0301\u00b7\u00ad\u3164\U000e0100\n\t", max_size=8),
    st.from_regex(r"(backends|patches|workflows):.{0,4}", fullmatch=True),
    st.from_regex(r"https?://[a-zA-Z0-9é?#]{0,4}", fullmatch=True),
    st.from_regex(r"3\.[0-9]{1,2}(\.[0-9]{1,2})?", fullmatch=True),
)


@given(_TEXTS)
def test_a_format_accepts_nothing_that_its_pattern_refuses(text: str) -> None:
    for name, part in _NAMED:
        if part.get("type") == "string" and OF_PATTERNS & part.keys():
            by_pattern = {key: part[key] for key in OF_PATTERNS & part.keys()}
            allowed = Draft202012Validator(by_pattern).is_valid(text)
            assert allowed or not FORMATS[part["format"]](text), (name, part["title"])


@pytest.mark.parametrize(
    "statement",
    [
        "from coral_lock.descriptor.load import load_descriptor\nload_descriptor({path!r})",
        "from coral_lock.manifest import read_manifest\n"
        "read_manifest(b'manifest_version: 1\\nplugins: []\\n', 'm.yaml')",
    ],
    ids=["descriptor", "manifest"],
)
def test_a_valid_document_needs_no_jsonschema(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "runtime.yaml"
    path.write_text("platform: rknn\npatches: {x: {after: ['patches:y'], optional: true}}\n")
    script = f"import sys\n{statement.format(path=str(path))}\nprint('jsonschema' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
