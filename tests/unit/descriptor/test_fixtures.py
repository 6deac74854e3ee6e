"""The descriptors under `fixtures/` are valid, by the reader and by the schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from coral_lock.descriptor.load import load_descriptor
from coral_lock.descriptor.model import to_mapping
from coral_lock.document.schema import schema_text

FIXTURES = Path(__file__).parents[3] / "fixtures" / "descriptors"


@pytest.mark.parametrize("path", sorted(FIXTURES.iterdir()), ids=lambda path: path.name)
def test_a_fixture_is_valid(path: Path) -> None:
    descriptor = load_descriptor(str(path))
    assert descriptor.warnings == ()
    jsonschema.validate(to_mapping(descriptor), json.loads(schema_text("descriptor")))


def test_yaml_and_json_say_the_same() -> None:
    from_yaml = load_descriptor(str(FIXTURES / "runtime.yaml"))
    from_json = load_descriptor(str(FIXTURES / "runtime.json"))
    assert to_mapping(from_yaml) == to_mapping(from_json)
