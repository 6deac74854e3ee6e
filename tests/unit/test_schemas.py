"""The JSON Schemas of the lock and the activation report, against what is written."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from coral_lock.document.schema import schema_text
from coral_lock.finding import CODES, ERROR, Finding
from coral_lock.lockfile.entries import (
    FIELDS,
    Entry,
    ExcludedPlugin,
    Host,
    HostPackage,
    LockedDistribution,
    LockedPlugin,
)
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import write_lock
from coral_lock.start.report import (
    ACTIVATED,
    FAILED,
    NOT_RUN,
    REFUSED,
    STARTED,
    UNSUPPORTED,
    ActivationReport,
    PluginOutcome,
    RuntimeState,
    VerifiedLock,
)
from tests.support.locks import digest_of, lock_of_targets, sample_lock
from tests.support.wheelhouse import REPOSITORY


@cache
def validator(name: str) -> Draft202012Validator:
    schema = json.loads(schema_text(name))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def objects_of(schema: Any) -> list[Any]:
    """Return every part of a schema that describes an object by its properties."""
    if isinstance(schema, list):
        return [found for item in schema for found in objects_of(item)]
    if not isinstance(schema, dict):
        return []
    is_described = schema.get("type") == "object" and isinstance(schema.get("properties"), dict)
    found = [schema] if is_described else []
    return found + [inner for item in schema.values() for inner in objects_of(item)]


@pytest.mark.parametrize(
    "name", ["lock", "activation-report", "diff", "fleet-summary", "fleet-plan"]
)
def test_objects_have_no_other_fields(name: str) -> None:
    objects = objects_of(json.loads(schema_text(name)))
    assert objects
    for each in objects:
        assert each["additionalProperties"] is False


def test_every_field_of_a_report_is_required() -> None:
    for each in objects_of(json.loads(schema_text("activation-report"))):
        assert each.get("required", []) == list(each["properties"])


LOCK_SCHEMA = json.loads(schema_text("lock"))
LOCK_OBJECTS = {
    Lock: LOCK_SCHEMA,
    Host: LOCK_SCHEMA["properties"]["host"],
    HostPackage: LOCK_SCHEMA["properties"]["host"]["properties"]["core"]["oneOf"][1],
    LockedPlugin: LOCK_SCHEMA["$defs"]["plugin"],
    ExcludedPlugin: LOCK_SCHEMA["$defs"]["excluded"],
    LockedDistribution: LOCK_SCHEMA["$defs"]["distribution"],
}
JSON_TYPES = {
    "str": "string",
    "bool": "boolean",
    "str | None": ["string", "null"],
    "tuple[str, ...]": "array",
}


@pytest.mark.parametrize("kind", LOCK_OBJECTS)
def test_the_schema_of_the_lock_and_its_page_have_every_field(kind: type[Entry]) -> None:
    schema = LOCK_OBJECTS[kind]
    page = (REPOSITORY / "docs/lock-format.md").read_text(encoding="utf-8")
    fields = FIELDS[kind]
    assert list(schema["properties"]) == [field.name for field in fields]
    assert schema["required"] == [field.name for field in fields if not field.is_left_out]
    for field in fields:
        assert re.search(rf"`(host\.)?{field.name}[`.]", page)
        described = schema["properties"][field.name]
        described = LOCK_SCHEMA["$defs"].get(
            described.get("$ref", "").rpartition("/")[2], described
        )
        annotation = field.type.removesuffix(" | None") if field.is_left_out else field.type
        if not {"const", "oneOf"}.intersection(described):
            assert described["type"] == JSON_TYPES.get(annotation, "object")


def test_the_lock() -> None:
    lock = validator("lock")
    lock.validate(json.loads(write_lock(sample_lock())))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"lock_version": "1.0"', '"lock_version": "2.0"'),
        ('"platform": "rknn"', '"platform": true'),
        ('"platform": "rknn"', '"platform": "rknn", "name": "x"'),
        ('"python": "3.11"', '"python": "3.x"'),
        ('"coral-inference"', '"other"'),
        ('"distribution": "inference"', '"distribution": "tensorflow"'),
        ('"patches:camera_stabilizer"', '"patch:camera_stabilizer"'),
        ('"patches:future"', '"patches:future@Other"'),
        ('"distribution": "future-plugin"', '"distribution": "Future.Plugin"'),
        ('"optional": false', '"optional": 0'),
        ("rknn_backend:adapter", "rknn_backend"),
        (digest_of("A"), "sha256:abc"),
        ('"version": "2.0.0"', '"version": ""'),
        ('"requires": []', '"requires": ["a", "a"]'),
    ],
)
def test_what_is_no_lock(old: str, new: str) -> None:
    text = write_lock(sample_lock())
    assert old in text
    assert not validator("lock").is_valid(json.loads(text.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"targets": {', '"python": "3.11", "targets": {'),
        ('"version": "0.58.0"\n    }\n  }', '"version": "0.58.0"\n    }, "python": "3.11"\n  }'),
        ('    "jetson": {', '    "Jetson": {'),
        ('"python": "3.10"', '"python": "2.7"'),
        ('"python": "3.10"', '"python": "3.10.013"'),
        ('"python": "3.10"', '"python": "3.10", "abi": "cp310"'),
        ('"python": "3.10",', ""),
        ('"manylinux_2_31_aarch64"', '"any"'),
        ('"manylinux_2_31_aarch64"', '"linux-aarch64"'),
        ('"targets": [\n        "jetson"\n      ]', '"targets": []'),
        ('"targets": [\n        "jetson"\n      ]', '"targets": ["jetson", "jetson"]'),
        ('"server": "requires `backends:rknn`"', ""),
        ('"server": "requires `backends:rknn`"', '"server": null'),
        ('"jetson": [\n          "rknn-backend"\n        ]', ""),
        ('"jetson": [\n          "rknn-backend"\n        ]', '"jetson": []'),
        ('"jetson": [\n          "rknn-backend"\n        ]', '"jetson": ["A_b"]'),
    ],
)
def test_what_is_no_lock_of_targets(old: str, new: str) -> None:
    text = write_lock(lock_of_targets())
    assert old in text
    validator("lock").validate(json.loads(text))
    assert not validator("lock").is_valid(json.loads(text.replace(old, new, 1)))


def test_a_lock_needs_a_version_of_python_or_targets() -> None:
    document = json.loads(write_lock(lock_of_targets()))
    document["targets"] = {}
    assert not validator("lock").is_valid(document)
    del document["targets"]
    assert not validator("lock").is_valid(document)
    document["host"]["python"] = "3.11"
    validator("lock").validate(document)


def test_the_activation_report() -> None:
    statuses = (ACTIVATED, FAILED, REFUSED, UNSUPPORTED, NOT_RUN)
    report = ActivationReport(
        outcome=STARTED,
        lock=VerifiedLock(path="coral.lock", sha256="0" * 64, integrity="imports"),
        state=RuntimeState(platform="rknn", patches_enabled={"camera": True}),
        plugins=tuple(
            PluginOutcome(
                id=f"backends:{status}",
                status=status,
                distribution="acme",
                version="1.0",
                reason=None,
                duration_us=7,
            )
            for status in statuses
        ),
        findings=tuple(
            Finding(code=code, severity=ERROR, subject="acme", summary="it is so") for code in CODES
        ),
        log_messages=("started",),
    )
    schema = validator("activation-report")
    schema.validate(report.to_dict())
    schema.validate(report.replace(lock=None).to_dict())
    for outcome in ("failed", "refused"):
        schema.validate(report.replace(outcome=outcome).to_dict())
    assert not schema.is_valid(report.replace(outcome="begun").to_dict())
    assert not schema.is_valid({**report.to_dict(), "host": "x"})
