"""The JSON Schemas hold for everything that is really written."""

from __future__ import annotations

import json

import jsonschema
import pytest

from coral_lock.document.schema import schema_text
from tests.conftest import MakeDevice
from tests.support.wheelhouse import REPOSITORY

HOSTS = ("coral-inference==0.0.5.dev1", "inference==0.58.0")
DESCRIPTORS = REPOSITORY / "fixtures" / "descriptors"


def _validate(name: str, text: str) -> None:
    schema = json.loads(schema_text(name))
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))


@pytest.mark.parametrize(
    ("distributions", "code"),
    [
        (("my-package==1.0.0", "acme-vision", "rknn-backend", "generic-backend"), 0),
        (("fails-false", "fails-raise", "future-core", "deep-plugin", "native-plugin"), 1),
    ],
)
def test_locks_and_reports(device: MakeDevice, distributions: tuple[str, ...], code: int) -> None:
    machine = device(*distributions, *HOSTS)
    _validate("lock", machine.locked())
    _validate("activation-report", machine.coral("init", "--locked").require(code).stdout)
    _validate("activation-report", machine.coral("init").require(code).stdout)
    machine.install("env-sensitive")
    _validate("activation-report", machine.coral("init", "--locked").require(1).stdout)


@pytest.mark.parametrize("path", sorted(DESCRIPTORS.iterdir()), ids=lambda path: path.name)
def test_descriptors(device: MakeDevice, path: object) -> None:
    outcome = device().coral("config", "validate", "-c", str(path)).require(0)
    _validate("descriptor", json.dumps(outcome.json()["descriptor"]))


@pytest.mark.parametrize(
    "name",
    [
        "lock",
        "activation-report",
        "descriptor",
        "device-report",
        "diff",
        "fleet-plan",
        "fleet-summary",
        "manifest",
    ],
)
def test_the_wheel_ships_them(device: MakeDevice, name: str) -> None:
    machine = device()
    shipped = machine.site_packages / "coral_lock" / "schemas" / f"{name}.schema.json"
    assert shipped.read_text(encoding="utf-8") == schema_text(name)
