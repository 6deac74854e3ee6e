"""What distributions require and isn't there, or is there in another version."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device
from tests.support.environments import Environment, create_environment, install_with_uv
from tests.support.handmade_wheels import make_wheel
from tests.support.in_process import WorkingDirectory
from tests.support.plugin_wheels import make_library, make_plugin

MISSING = (
    "error[requirement-unmet]: `{name}` requires `{requirement}`, found nothing\n"
    "  expected: {requirement}\n"
    "  found: nothing\n"
    "  hint: add a version that meets it, or switch `patches:zoom` off in the descriptor\n"
)
OLDER = (
    "warning[requirement-unmet]: `zoom` requires `lens>=2`, found 1.0\n"
    "  expected: lens>=2\n"
    "  found: 1.0\n"
    "  hint: add a version that meets it, or switch `patches:zoom` off in the descriptor\n"
)
ZOOM = "patches:zoom"


@pytest.fixture
def machine(device: MakeDevice) -> Device:
    return device()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    path = tmp_path / "house"
    path.mkdir()
    return path


@pytest.fixture
def work(tmp_path: Path, house: Path) -> WorkingDirectory:
    return WorkingDirectory(directory=tmp_path)


def _install(environment: Environment, *wheels: Path) -> None:
    install_with_uv(environment, *wheels, wheelhouse=wheels[0].parent, no_deps=True)


def _locked(text: str) -> dict[str, Any]:
    locked: dict[str, Any] = json.loads(text)["distributions"]
    return {name: each["requires"] for name, each in locked.items()}


@pytest.mark.parametrize(
    ("requirement", "library", "name"),
    [("lens<3,>=2", "", "zoom"), ("lens", "glass!=1.5", "lens")],
    ids=["its own", "that of what it requires"],
)
def test_a_requirement_that_is_missing_stops_everything(
    machine: Device, house: Path, requirement: str, library: str, name: str
) -> None:
    wheels = [make_plugin(house, "zoom", requires=requirement)]
    if library:
        wheels.append(make_library(house, "lens", requires=library))
    _install(machine.environment, *wheels)
    said = MISSING.format(name=name, requirement=library or requirement)

    listed = machine.coral("plugins", "list").require(1)
    assert listed.stderr.startswith(said)
    assert "patches:zoom  zoom 1.0  selected\n" in listed.stdout
    document = machine.coral("plugins", "list", "--output-format", "json").require(1).json()
    assert [(each["code"], each["expected"]) for each in document["findings"]] == [
        ("requirement-unmet", library or requirement)
    ]

    started = machine.coral("init").require(1)
    assert started.stderr == said + "start refused: see the errors above; no plugin was run\n"
    assert started.json()["outcome"] == "refused"
    assert machine.coral("lock").require(1).stderr.startswith(said)


def test_what_is_switched_off_requires_nothing(machine: Device, house: Path) -> None:
    _install(machine.environment, make_plugin(house, "zoom", requires="lens"))
    off = ("--set", "patches.zoom=false")
    machine.coral("plugins", "list", *off).require(0)
    machine.coral("init", *off).require(0)


def test_what_was_uninstalled_stops_a_locked_start(machine: Device, house: Path) -> None:
    lens = make_library(house, "lens")
    _install(machine.environment, make_plugin(house, "zoom", requires="lens"), lens)
    machine.locked()
    for path in machine.site_packages.glob("lens*"):
        path.unlink() if path.is_file() else path.rename(machine.directory / path.name)
    refused = machine.coral("init", "--locked").require(1)
    assert refused.stderr == (
        "error[distribution-missing]: `lens` isn't installed\n"
        "  expected: 1.0\n"
        "  found: nothing\n"
        "  where: distributions.lens\n"
        "  hint: install `lens==1.0` again, from a wheel you trust\n"
        "start refused: this machine doesn't match the lock; no plugin was run\n"
    )


def test_an_editable_plugin_that_came_to_require_more(machine: Device, house: Path) -> None:
    _install(machine.environment, make_plugin(house, "zoom"))
    dist_info = machine.site_packages / "zoom-1.0.dist-info"
    (dist_info / "direct_url.json").write_text(
        json.dumps({"url": house.as_uri(), "dir_info": {"editable": True}})
    )
    machine.locked("--allow-editable", "--core-version", "0.0.4")
    metadata = dist_info / "METADATA"
    metadata.write_text(
        metadata.read_text()
        + "Requires-Dist: lens>=2\n"
        + "Requires-Dist: coral-lock\n"
        + "Requires-Dist: coral-inference\n"
        + 'Requires-Dist: missing; extra == "dev"\n'
    )
    words = ("init", "--locked", "--integrity", "metadata")
    report = machine.coral(*words).require(1).json()
    assert report["outcome"] == "refused"
    errors = [each for each in report["findings"] if each["severity"] == "error"]
    assert [(each["code"], each["summary"]) for each in errors] == [
        ("requirement-unmet", "`zoom` requires `lens>=2`, found nothing")
    ]


def test_what_is_installed_is_locked_met_or_not(machine: Device, house: Path) -> None:
    _install(
        machine.environment,
        make_plugin(house, "zoom", requires="lens>=2"),
        make_library(house, "lens", requires='glass; extra == "more"'),
        make_library(house, "glass"),
    )
    assert machine.coral("plugins", "list").require(0).stderr.startswith(OLDER)
    outcome = machine.coral("lock").require(0)
    assert outcome.stderr == OLDER + "wrote coral.lock: 1 plugin, 2 distributions\n"
    assert _locked(machine.lock_path.read_text()) == {"lens": [], "zoom": ["lens"]}
    machine.coral("lock", "--check").require(0)
    for words in (("init",), ("init", "--locked")):
        report = machine.coral(*words).require(0).json()
        assert report["state"]["plugins_loaded"] == {ZOOM: True}
    source = machine.site_packages / "lens.py"
    source.write_text("version = 'another'\n")
    machine.coral("verify").require(3)


def test_extras_of_what_does_not_meet_a_requirement_are_followed(
    work: WorkingDirectory, house: Path
) -> None:
    environment = create_environment(work.directory / "environment")
    _install(
        environment,
        make_plugin(house, "zoom", requires="lens[more]>=2"),
        make_library(house, "lens", requires='glass>=9; extra == "more"'),
        make_library(house, "glass"),
    )
    text = work.locked("--python", environment.root)
    assert _locked(text) == {"glass": [], "lens": ["glass"], "zoom": ["lens"]}


def test_wheels_and_an_environment_agree_on_what_a_host_requires(
    work: WorkingDirectory, house: Path
) -> None:
    """As in real environments, where the host wants older versions than there are."""
    wheels = [
        make_wheel(house, "inference", {"inference/__init__.py": ""}, requires="lens<2"),
        make_library(house, "lens", "2.0", requires="glass<1"),
        make_library(house, "glass"),
        make_plugin(house, "zoom"),
    ]
    outcome = work.coral("lock", "--wheels", house).require(0)
    said = (
        "warning[requirement-unmet]: `inference` requires `lens<2`, found 2.0\n"
        "  expected: lens<2\n"
        "  found: 2.0\n"
        "  hint: add a version that meets it, so that `inference` works\n"
        "warning[requirement-unmet]: `lens` requires `glass<1`, found 1.0\n"
        "  expected: glass<1\n"
        "  found: 1.0\n"
        "  hint: add a version that meets it, so that `lens` works\n"
    )
    assert outcome.stderr == said + "wrote coral.lock: 1 plugin, 4 distributions\n"
    text = work.lock_path.read_text()
    assert _locked(text) == {
        "glass": [],
        "inference": ["lens"],
        "lens": ["glass"],
        "zoom": [],
    }

    environment = create_environment(work.directory / "environment")
    _install(environment, *wheels)
    words = ("lock", "--python", environment.root)
    assert work.coral(*words).require(0).stderr == (
        said + "coral.lock is unchanged: 1 plugin, 4 distributions\n"
    )
    assert work.lock_path.read_text() == text


def test_among_wheels_what_a_plugin_requires_has_to_be_met(
    work: WorkingDirectory, house: Path
) -> None:
    make_plugin(house, "zoom", requires="lens>=2")
    make_library(house, "lens")
    outcome = work.coral("lock", "--wheels", house).require(1)
    assert outcome.stderr == (
        "error[no-solution]: no version of `lens` meets all requirements: `patches:zoom` (zoom "
        "1.0) requires `lens>=2`\n"
        "  expected: `lens>=2`\n"
        "  found: lens 1.0; zoom 1.0\n"
        "  hint: add a wheel of `lens` that meets `>=2`, or switch `patches:zoom` off\n"
        "failed to lock; `coral.lock` is unchanged\n"
    )
    assert not work.lock_path.exists()


def test_requirements_are_evaluated_for_a_machine_that_is_known_only(
    work: WorkingDirectory, house: Path
) -> None:
    environment = create_environment(work.directory / "environment")
    marker = f'platform_machine == "{platform.machine()}"'
    _install(environment, make_plugin(house, "zoom", requires=f"lens; {marker}"))
    words = ("plugins", "list", "--site-packages", environment.site_packages)
    work.coral(*words).require(0)
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    target = f"python={python},platform=linux_{platform.machine()}"
    said = f"`zoom` requires `lens; {marker}`, found nothing"
    assert said in work.coral(*words, "--target", target).require(1).stderr
