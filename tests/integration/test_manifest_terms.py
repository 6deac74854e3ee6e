"""What a manifest declares beyond the spec, honoured from the list to the locked start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device
from tests.support.environments import install_with_uv
from tests.support.handmade_wheels import make_wheel

SOURCE = (
    "from coral_inference.runtime.plugins import PluginSpec\n"
    "SEEN = []\n"
    "def activate(config):\n"
    "    SEEN.append((config.enable_camera_patch, config.services))\n"
    "    print(config.enable_camera_patch, config.services)\n"
    "    return True\n"
    "def register():\n"
    "    return PluginSpec(name={name!r}, activate=activate)\n"
)


def add_plugin(machine: Device, directory: Path, name: str, **terms: Any) -> None:
    """Install a plugin `patches:<name>` whose manifest declares these terms."""
    declared = {
        "group": "patches",
        "name": name,
        "entry_point": f"{name}:register",
        **terms,
    }
    files = {
        f"{name}/__init__.py": SOURCE.format(name=name),
        f"{name}/coral_plugin.yaml": json.dumps({"manifest_version": 1, "plugins": [declared]}),
    }
    wheel = make_wheel(directory, name, files, entry_point=f"{name}:register")
    install_with_uv(machine.environment, wheel, wheelhouse=directory)


@pytest.fixture
def machine(device: MakeDevice) -> Device:
    return device()


def _plugins(machine: Device) -> Any:
    return json.loads(machine.lock_path.read_text())["plugins"]


def _reasons(machine: Device) -> dict[str, str]:
    excluded = json.loads(machine.lock_path.read_text())["excluded"]
    return {key: entry["reason"] for key, entry in excluded.items()}


def test_the_list_shows_everything_that_a_manifest_says(machine: Device, tmp_path: Path) -> None:
    add_plugin(
        machine,
        tmp_path,
        "stereo",
        description="See depth",
        platforms=["onnx", "rknn"],
        after=["patches:denoise"],
        requires={"patches:base": "needs its buffers"},
        conflicts={"patches:mono": "both own the camera"},
        default_config_overrides={
            "patches": {"camera": False},
            "services": {"depth": {"max": 4.5}},
        },
        env={"STEREO_TOKEN": {"required": True, "description": "from the vendor"}},
        homepage="https://example.org/stereo",
    )
    outcome = machine.coral("plugins", "list").require(0)
    assert outcome.stdout == (
        "patches:stereo  stereo 1.0  off\n"
        "    See depth\n"
        "    entry point   stereo = stereo:register\n"
        "    requires      core any, inference any\n"
        "    compatible    yes (no host is known)\n"
        "    platforms     onnx, rknn\n"
        "    after         patches:denoise\n"
        "    needs         patches:base: needs its buffers\n"
        "    conflicts     patches:mono: both own the camera\n"
        "    configures    patches.camera, services.depth.max\n"
        "    reads         STEREO_TOKEN, must be set: from the vendor\n"
        "    homepage      https://example.org/stereo\n"
        "    reason        requires `patches:base`, which isn't selected\n"
        "    source        manifest\n"
    )


def test_platforms(machine: Device, tmp_path: Path) -> None:
    add_plugin(machine, tmp_path, "npu", platforms=["rknn"])
    outcome = machine.coral("lock").require(0)
    assert "warning[wrong-platform]: `patches:npu` of `npu` 1.0 applies to rknn only" in (
        outcome.stderr
    )
    assert _reasons(machine) == {"patches:npu": "applies to rknn only, and the platform is onnx"}
    machine.coral("lock", "--set", "patches.npu=true").require(1)
    machine.locked("--set", "platform=rknn")
    assert list(_plugins(machine)) == ["patches:npu"]


def test_requires_selects_together_and_orders(machine: Device, tmp_path: Path) -> None:
    add_plugin(machine, tmp_path, "above", requires={"patches:base": "needs it"})
    add_plugin(machine, tmp_path, "higher", requires={"patches:above": "needs it"})
    outcome = machine.coral("lock").require(0)
    assert _reasons(machine) == {
        "patches:above": "requires `patches:base`, which isn't selected",
        "patches:higher": "requires `patches:above`, which isn't selected",
    }
    assert outcome.stderr.count("warning[required-plugin-missing]") == 2
    machine.coral("lock", "--set", "patches.higher=true").require(1)
    add_plugin(machine, tmp_path, "base")
    machine.locked()
    report = machine.coral("init", "--locked").require(0).json()
    assert [plugin["id"] for plugin in report["plugins"]] == [
        "patches:base",
        "patches:above",
        "patches:higher",
    ]


def test_after_orders_only_what_is_there(machine: Device, tmp_path: Path) -> None:
    add_plugin(machine, tmp_path, "first", after=["patches:second", "patches:absent"])
    add_plugin(machine, tmp_path, "second")
    machine.locked()
    assert _plugins(machine)["patches:first"]["after"] == ["patches:second"]
    machine.locked("--set", "patches.second=false")
    machine.coral("init", "--locked").require(0)


def test_a_start_compares_what_the_descriptor_asked_for_alone(
    machine: Device, tmp_path: Path
) -> None:
    """A lock holds the descriptor's `after` together with the manifest's."""
    add_plugin(machine, tmp_path, "last", after=["patches:first"])
    add_plugin(machine, tmp_path, "first")
    add_plugin(machine, tmp_path, "second")
    asked = machine.write("asked.yaml", 'patches: {last: {after: ["patches:second"]}}\n')
    nothing = machine.write("nothing.yaml", "patches: {last: {after: []}}\n")
    machine.locked("-c", asked)
    assert _plugins(machine)["patches:last"]["after"] == ["patches:first", "patches:second"]
    machine.coral("init", "--locked", "-c", asked).require(0)
    for words in (("-c", str(nothing)), ("-c", str(asked), "--set", "patches.last.after=[]")):
        (finding,) = machine.coral("init", "--locked", *words).require(1).json()["findings"]
        assert (finding["code"], finding["found"]) == ("contradicts-lock", "none")

    machine.locked("-c", nothing)
    assert _plugins(machine)["patches:last"]["after"] == ["patches:first"]
    machine.coral("init", "--locked", "-c", nothing).require(0)
    machine.coral("init", "--locked", "-c", asked).require(1)


def test_conflicts_are_an_error_until_one_is_switched_off(machine: Device, tmp_path: Path) -> None:
    add_plugin(machine, tmp_path, "mono")
    add_plugin(machine, tmp_path, "stereo", conflicts={"patches:mono": "both own the camera"})
    outcome = machine.coral("lock").require(1)
    assert (
        "error[conflict]: `patches:stereo` and `patches:mono` are mutually exclusive: "
        "both own the camera\n" in outcome.stderr
    )
    machine.coral("lock", "--set", "patches.mono=false").require(0)


def test_overrides_hold_where_the_descriptor_says_nothing(machine: Device, tmp_path: Path) -> None:
    overrides = {"patches": {"camera": False}, "services": {"depth": {"max": 4.5, "min": 1}}}
    add_plugin(machine, tmp_path, "stereo", default_config_overrides=overrides)
    text = machine.locked()
    assert _plugins(machine)["patches:stereo"]["default_config_overrides"] == overrides
    assert json.dumps(json.loads(text), indent=2) + "\n" == text
    outcome = machine.coral("init", "--locked").require(0)
    assert "False {'depth': {'max': 4.5, 'min': 1}}\n" in outcome.stderr
    assert outcome.json()["state"]["patches_enabled"]["camera"] is False
    machine.write("runtime.yaml", "patches: {camera: true}\nservices: {depth: {max: 2}}\n")
    outcome = machine.coral("init", "--locked", "-c", "runtime.yaml").require(0)
    assert "True {'depth': {'max': 2, 'min': 1}}\n" in outcome.stderr


def test_overrides_that_contradict_each_other_are_settled_by_the_descriptor(
    machine: Device, tmp_path: Path
) -> None:
    for name, value in (("one", 1), ("two", 2)):
        overrides = {"services": {"fps": value}}
        add_plugin(machine, tmp_path, name, default_config_overrides=overrides)
    outcome = machine.coral("lock").require(1)
    assert (
        "error[conflict]: `patches:one` and `patches:two` set `services.fps` to different values\n"
        in outcome.stderr
    )
    machine.coral("lock", "--set", "services.fps=3").require(0)


def test_a_variable_that_must_be_set(machine: Device, tmp_path: Path) -> None:
    env = {"ACME_TOKEN": {"required": True}, "ACME_DEBUG": {}}
    add_plugin(machine, tmp_path, "cloud", env=env)
    machine.locked()
    assert _plugins(machine)["patches:cloud"]["env"] == ["ACME_TOKEN"]
    outcome = machine.coral("init", "--locked").require(1)
    assert outcome.json()["outcome"] == "refused"
    assert "error[env-missing]: `patches:cloud` needs the environment variable `ACME_TOKEN`" in (
        outcome.stderr
    )
    machine.coral("init", "--locked", env={"ACME_TOKEN": "x"}).require(0)
    assert "ACME_TOKEN" in machine.coral("init").require(1).stderr


def test_a_manifest_that_is_wrong(machine: Device, tmp_path: Path) -> None:
    add_plugin(machine, tmp_path, "broken", homepag="x", min_core_version=1.0)
    outcome = machine.coral("plugins", "list").require(1)
    assert (
        "error[manifest-invalid]: `patches:broken` of `broken` can't be used: "
        "the manifest has 2 mistakes, the first: unknown key `plugins[0].homepag`\n"
        "  where: broken/coral_plugin.yaml:1:" in outcome.stderr
    )
    machine.coral("lock", "--set", "patches.broken=false").require(0)


def test_a_manifest_that_lies_is_caught_at_the_start(machine: Device, tmp_path: Path) -> None:
    add_plugin(machine, tmp_path, "liar", description="harmless")
    machine.locked()
    outcome = machine.coral("init", "--locked").require(1)
    assert "error[spec-drift]: `patches:liar` of `liar` differs from the lock" in outcome.stderr


def test_an_entry_point_that_nobody_declares_is_pointed_out(
    machine: Device, tmp_path: Path
) -> None:
    other = {"group": "patches", "name": "ghost", "entry_point": "real:ghost"}
    real = {"group": "patches", "name": "real", "entry_point": "real:register"}
    files = {
        "real/__init__.py": SOURCE.format(name="real"),
        "real/coral_plugin.yaml": json.dumps({"manifest_version": 1, "plugins": [real, other]}),
    }
    wheel = make_wheel(tmp_path, "real", files, entry_point="real:register")
    install_with_uv(machine.environment, wheel, wheelhouse=tmp_path)
    outcome = machine.coral("lock").require(0)
    assert "warning[manifest-invalid]: the manifest of `real` names an entry point that" in (
        outcome.stderr
    )
    assert list(_plugins(machine)) == ["patches:real"]
