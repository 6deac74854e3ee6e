"""Bills of materials: valid CycloneDX 1.6 with everything that a lock pins."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from jsonschema import Draft7Validator
from rfc3986_validator import validate_rfc3986  # type: ignore[import-untyped]

from coral_lock.document.formats import is_version
from coral_lock.errors import InputError
from coral_lock.export.cyclonedx import cyclonedx_text, is_cyclonedx_text
from coral_lock.lockfile.entries import HostPackage, LockedDistribution
from coral_lock.lockfile.file import load_lock
from coral_lock.lockfile.model import Lock
from coral_lock.reserved import ACCEPTABLE
from coral_lock.wheels.wheelhouse import WheelFile
from tests.property.strategies import locks
from tests.support.locks import (
    ARM_TAG,
    JETSON,
    TAG,
    X86_TAG,
    digest_of,
    lock_of_targets,
    sample_lock,
)
from tests.support.wheelhouse import REPOSITORY

GOLDEN = sorted((REPOSITORY / "tests/golden").glob("*/coral.lock"))


def parsed(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    return document


def components(text: str) -> dict[str, dict[str, Any]]:
    return {each["bom-ref"]: each for each in parsed(text).get("components", [])}


def properties(component: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["name"], each["value"]) for each in component.get("properties", [])]


def dependencies(text: str) -> dict[str, list[str]]:
    return {each["ref"]: each.get("dependsOn", []) for each in parsed(text)["dependencies"]}


def is_iri_reference(text: object) -> bool:
    """By section 3.1 of RFC 3987: it is a URI where other characters are percent-encoded.

    `jsonschema` itself decides it with a package that is slow to import.
    """
    encoded = quote(str(text), safe="".join(map(chr, range(128))))
    return validate_rfc3986(encoded, rule="URI_reference") is not None


@pytest.fixture(scope="module")
def check() -> Callable[[str], None]:
    """Hold that a text is valid by the schema that the library brings, without a field more."""
    from cyclonedx.exception import MissingOptionalDependencyException
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    Draft7Validator.FORMAT_CHECKER.checks("iri-reference")(is_iri_reference)
    validator = JsonStrictValidator(SchemaVersion.V1_6)

    def check(text: str) -> None:
        try:
            assert validator.validate_str(text) is None
        except MissingOptionalDependencyException:
            pytest.skip("the version of jsonschema is older than what the library validates with")

    return check


def property_list(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in pairs]


def library(name: str, version: str, *pairs: tuple[str, str]) -> dict[str, Any]:
    return {
        "bom-ref": f"distribution:{name}",
        "name": name,
        "properties": property_list(*pairs),
        "purl": f"pkg:pypi/{name}@{version}",
        "type": "library",
        "version": version,
    }


SAMPLE: dict[str, Any] = {
    "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
    "bomFormat": "CycloneDX",
    "components": [
        {
            "bom-ref": "plugin:backends:rknn",
            "name": "backends:rknn",
            "properties": property_list(
                ("coral:entry_point", "rknn_backend:adapter"),
                ("coral:group", "backends"),
                ("coral:optional", "false"),
            ),
            "type": "application",
        },
        {
            "bom-ref": "plugin:patches:camera_stabilizer",
            "description": "Improve camera stream stability",
            "name": "patches:camera_stabilizer",
            "properties": property_list(
                ("coral:after", "backends:rknn"),
                ("coral:entry_point", "my_package.coral_plugins:register_camera_stabilizer"),
                ("coral:group", "patches"),
                ("coral:min_core_version", "0.0.4"),
                ("coral:min_inference_version", "0.9.0"),
                ("coral:optional", "true"),
            ),
            "type": "application",
        },
        library("coral-inference", "0.0.4", ("coral:host:core", "0.0.4")),
        library("inference", "0.58.0", ("coral:host:inference", "0.58.0")),
        library("my-package", "1.0.0", (f"coral:digest:{TAG}", digest_of("A"))),
        library("numpy", "2.0.0", (f"coral:digest:{TAG}", digest_of("B"))),
        library("rknn-backend", "1.0", (f"coral:digest:{TAG}", digest_of("C"))),
    ],
    "dependencies": [
        {
            "dependsOn": [
                "distribution:coral-inference",
                "distribution:inference",
                "plugin:backends:rknn",
                "plugin:patches:camera_stabilizer",
            ],
            "ref": "coral-runtime",
        },
        {"ref": "distribution:coral-inference"},
        {"ref": "distribution:inference"},
        {"dependsOn": ["distribution:numpy"], "ref": "distribution:my-package"},
        {"ref": "distribution:numpy"},
        {"ref": "distribution:rknn-backend"},
        {"dependsOn": ["distribution:rknn-backend"], "ref": "plugin:backends:rknn"},
        {"dependsOn": ["distribution:my-package"], "ref": "plugin:patches:camera_stabilizer"},
    ],
    "metadata": {
        "component": {
            "bom-ref": "coral-runtime",
            "name": "coral-runtime",
            "properties": property_list(
                ("coral:lock_version", "1.0"), ("coral:platform", "rknn"), ("coral:python", "3.11")
            ),
            "type": "application",
        },
        "tools": {"components": [{"name": "coral-lock", "type": "application"}]},
    },
    "specVersion": "1.6",
    "version": 1,
}


def test_a_whole_bill() -> None:
    assert cyclonedx_text(sample_lock()) == json.dumps(SAMPLE, indent=2) + "\n"


def test_equal_locks_give_equal_bytes_whatever_the_hash_seed() -> None:
    program = (
        "from coral_lock.export.cyclonedx import cyclonedx_text\n"
        "from tests.support.locks import lock_of_targets\n"
        "print(cyclonedx_text(lock_of_targets()), end='')"
    )
    text = subprocess.check_output(
        (sys.executable, "-c", program),
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONHASHSEED": "7"},
        encoding="utf-8",
    )
    assert text == cyclonedx_text(lock_of_targets())


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.name)
def test_the_bill_of_a_golden_lock_is_valid(path: Path, check: Callable[[str], None]) -> None:
    lock = load_lock(str(path))
    for target in (None, *(each.name for each in lock.targets)):
        text = cyclonedx_text(lock, target)
        check(text)
        locked = lock.plugins if target is None else ()
        assert {f"plugin:{each.id}" for each in locked} <= components(text).keys()


@given(locks())
def test_the_bill_of_any_lock_is_valid_and_complete(
    check: Callable[[str], None], lock: Lock
) -> None:
    lock = with_valid_versions(lock)
    text = cyclonedx_text(lock)
    check(text)
    hosts = {each.distribution for each in lock.host.packages()}
    assert components(text).keys() == {
        *(f"plugin:{each.id}" for each in lock.plugins),
        *(f"distribution:{name}" for name in hosts | {each.name for each in lock.distributions}),
    }
    for each in lock.distributions:
        stated = properties(components(text)[f"distribution:{each.name}"])
        assert {(f"coral:digest:{tag}", value) for tag, value in each.digests.items()} <= {*stated}
        names = {*each.requires, *(name for some in each.target_requires.values() for name in some)}
        assert dependencies(text)[f"distribution:{each.name}"] == sorted(
            f"distribution:{name}" for name in names
        )
    assert is_cyclonedx_text(text)


def with_valid_versions(lock: Lock) -> Lock:
    """Return a lock that can be exported; its other text stays as odd as it is."""

    def valid(version: str) -> str:
        return version if is_version(version) else "1!2.0rc1+local.3"

    def host(package: HostPackage | None) -> HostPackage | None:
        return package and package.replace(version=valid(package.version))

    return lock.replace(
        host=lock.host.replace(core=host(lock.host.core), inference=host(lock.host.inference)),
        distributions=tuple(
            each.replace(version=valid(each.version)) for each in lock.distributions
        ),
    )


def test_text_that_nobody_sees_is_escaped() -> None:
    lock = sample_lock()
    odd = lock.plugins[0].replace(description='a\u202eb\x1b[2J"\u200b')
    text = cyclonedx_text(lock.replace(plugins=(odd, lock.plugins[1])))
    assert '"description": "a\\u202eb\\u001b[2J\\"\\u200b"' in text


@pytest.mark.parametrize(
    ("version", "purl"),
    [
        ("1.0", "pkg:pypi/numpy@1.0"),
        ("1.0+cu118", "pkg:pypi/numpy@1.0%2Bcu118"),
        ("2!1.0", "pkg:pypi/numpy@2%211.0"),
    ],
)
def test_a_package_url_is_escaped(version: str, purl: str) -> None:
    lock = sample_lock()
    package, numpy, backend = lock.distributions
    changed = lock.replace(distributions=(package, numpy.replace(version=version), backend))
    assert components(cyclonedx_text(changed))["distribution:numpy"]["purl"] == purl


def test_everything_else_that_a_distribution_says() -> None:
    lock = sample_lock()
    odd = LockedDistribution(
        name="coral-inference",
        version="0.0.4",
        digests={TAG: digest_of("D")},
        data_digests={TAG: f"d1:{'E' * 43}="},
        accepted=(ACCEPTABLE[0],),
        program=True,
    )
    text = cyclonedx_text(lock.replace(distributions=(*lock.distributions, odd)))
    assert properties(components(text)["distribution:coral-inference"]) == [
        ("coral:accepted", ACCEPTABLE[0]),
        (f"coral:data_digest:{TAG}", f"d1:{'E' * 43}="),
        (f"coral:digest:{TAG}", digest_of("D")),
        ("coral:host:core", "0.0.4"),
        ("coral:program", "true"),
    ]
    assert len([name for name in components(text) if name.endswith("inference")]) == 2


def test_a_bill_of_all_targets_and_of_one() -> None:
    lock = lock_of_targets()
    text = cyclonedx_text(lock)
    assert properties(parsed(text)["metadata"]["component"]) == [
        ("coral:lock_version", "1.0"),
        ("coral:platform", "rknn"),
        ("coral:target:jetson:platform", "manylinux_2_31_aarch64"),
        ("coral:target:jetson:python", "3.10"),
        ("coral:target:server:platform", "manylinux_2_28_x86_64"),
        ("coral:target:server:python", "3.11"),
    ]
    rknn = components(text)["distribution:rknn-backend"]
    assert ("coral:targets", JETSON) in properties(rknn)
    assert dependencies(text)["distribution:my-package"] == [
        "distribution:numpy",
        "distribution:rknn-backend",
    ]
    server = cyclonedx_text(lock, "server")
    assert components(text).keys() - components(server).keys() == {
        "plugin:backends:rknn",
        "distribution:rknn-backend",
    }
    assert dependencies(server)["distribution:my-package"] == ["distribution:numpy"]
    assert properties(components(server)["distribution:numpy"]) == [
        (f"coral:digest:{X86_TAG}", digest_of("D"))
    ]


def test_the_hashes_of_wheels(check: Callable[[str], None]) -> None:
    files = [
        WheelFile(
            path=f"/house/numpy-2.0.0-{tag}.whl",
            file_name=f"numpy-2.0.0-{tag}.whl",
            size=1,
            sha256=letter * 64,
        )
        for tag, letter in ((ARM_TAG, "b"), (X86_TAG, "a"))
    ]
    wheels = {"numpy": list(zip((ARM_TAG, X86_TAG), files))}
    text = cyclonedx_text(lock_of_targets(), wheels=wheels)
    check(text)
    numpy = components(text)["distribution:numpy"]
    assert numpy["hashes"] == [
        {"alg": "SHA-256", "content": "a" * 64},
        {"alg": "SHA-256", "content": "b" * 64},
    ]
    assert (f"coral:wheel:numpy-2.0.0-{ARM_TAG}.whl", "b" * 64) in properties(numpy)
    assert "/house" not in text


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coral_lock.export.cyclonedx.find_spec", lambda name: None)
    with pytest.raises(InputError) as error:
        cyclonedx_text(sample_lock())
    assert str(error.value) == "the library that writes CycloneDX isn't installed"
    assert error.value.hint == "install `coral-lock[sbom]`"


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "null", "{}", "not JSON", "[" * 100_000),
        '{"metadata": {"tools": {"components": [{"name": "another"}]}}}',
        '{"metadata": {"tools": {"components": []}}}',
        '{"metadata": {"tools": [{"name": "coral-lock"}]}}',
    ],
)
def test_what_is_no_bill_of_ours(text: str) -> None:
    assert not is_cyclonedx_text(text)
