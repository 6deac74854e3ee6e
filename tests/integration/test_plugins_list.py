"""The list of plugins: complete, import-free, and honest about what is broken."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device

HOSTS = ("coral-inference==0.0.4", "inference==0.58.0")


def _by_id(document: Any) -> dict[str, Any]:
    return {plugin["id"]: plugin for plugin in document["plugins"]}


@pytest.fixture
def machine(device: MakeDevice) -> Device:
    return device(
        "my-package==1.0.0", "acme-vision", "legacy-activate", "acme-factories", "acme-object",
        "rknn-backend", "generic-backend", "dynamic-spec", "future-core", *HOSTS,
    )  # fmt: skip


def test_the_text_says_everything_of_a_plugin(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    assert machine.coral("plugins", "list").require(0).stdout == (
        "patches:camera_stabilizer  my-package 1.0.0  selected\n"
        "    Improve camera stream stability\n"
        "    entry point   camera_stabilizer = "
        "my_package.coral_plugins:register_camera_stabilizer\n"
        "    requires      core >= 0.0.4, inference >= 0.9.0\n"
        "    compatible    yes (coral-inference 0.0.4, inference 0.58.0)\n"
        "    source        static\n"
    )


def test_the_json_says_everything_of_a_plugin(machine: Device) -> None:
    document = machine.coral("plugins", "list", "--output-format", "json").require(0).json()
    assert document["host"] == {
        "core": {"distribution": "coral-inference", "version": "0.0.4"},
        "inference": {"distribution": "inference", "version": "0.58.0"},
    }
    plugins = _by_id(document)
    assert list(plugins) == sorted(plugins)
    assert plugins["patches:night_vision"] == {
        "id": "patches:night_vision",
        "group": "patches",
        "entry_point": {
            "name": "vision_suite",
            "value": "acme_vision.coral_plugins:register_vision_suite",
        },
        "distribution": "acme-vision",
        "version": "2.0.0",
        "description": "Brighten frames taken at night",
        "min_core_version": "0.0.4",
        "min_inference_version": "0.9.0",
        "compatible": True,
        "selected": True,
        "reason": None,
        "evidence": "manifest",
        "platforms": [],
        "after": [],
        "requires": {},
        "conflicts": {},
        "default_config_overrides": {},
        "env": {},
        "homepage": None,
        "problem": None,
    }
    assert plugins["patches:legacy_sink"]["evidence"] == "static"
    assert plugins["patches:frame_compositor"]["evidence"] == "probe"
    assert plugins["patches:future_core"]["compatible"] is False
    assert plugins["patches:future_core"]["selected"] is False
    assert plugins["patches:future_core"]["reason"] == (
        "requires coral-inference >= 99.0, found 0.0.4"
    )
    assert {"patches:edge_crop", "patches:lens_correction"} <= set(plugins)


def test_a_group_can_be_asked_for(machine: Device) -> None:
    outcome = machine.coral("plugins", "list", "--group", "backends", "--output-format", "json")
    assert list(_by_id(outcome.require(0).json())) == ["backends:generic_cpu", "backends:rknn_npu"]


def test_the_descriptor_decides_what_is_selected(machine: Device) -> None:
    machine.write("runtime.yaml", "plugins: {discover: listed}\npatches: {night_vision: true}\n")
    outcome = machine.coral("plugins", "list", "-c", "runtime.yaml", "--output-format", "json")
    plugins = _by_id(outcome.require(0).json())
    assert [key for key, plugin in plugins.items() if plugin["selected"]] == [
        "patches:night_vision"
    ]
    assert plugins["patches:fog_removal"]["reason"] == (
        "not switched on, and `plugins.discover` is `listed`"
    )


BROKEN = {
    "bad-requirement": "has the min_core_version `not-a-version`, which isn't a PEP 440 version",
    "dynamic-exits": "called `sys.exit(3)`",
    "dynamic-kills": "was killed by SIGKILL",
    "dynamic-hangs": "took longer than 10 s",
}


def test_broken_plugins_are_listed_and_make_the_exit_code_1(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *BROKEN, *HOSTS)
    document = machine.coral("plugins", "list", "--output-format", "json").require(1).json()
    plugins = _by_id(document)
    assert plugins["patches:camera_stabilizer"]["selected"] is True
    for name, reason in BROKEN.items():
        broken = plugins[f"patches:{name.replace('-', '_')}"]
        assert broken["selected"] is False
        assert reason in broken["problem"]["summary"]


def test_a_distribution_with_malformed_entry_points_is_reported(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", "acme-object", *HOSTS)
    path = machine.site_packages / "acme_object-1.0.0.dist-info" / "entry_points.txt"
    path.write_text("[coral_inference.patches]\nframe_counter = not a reference\n")
    outcome = machine.coral("plugins", "list").require(1)
    assert (
        "error[plugin-broken]: an entry point is declared in a form that isn't "
        "`name = module:attribute`: `frame_counter = not a reference`" in outcome.stderr
    )
    assert "patches:camera_stabilizer" in outcome.stdout


def test_two_copies_of_a_plugin_distribution_are_an_error(device: MakeDevice) -> None:
    import shutil

    machine = device("my-package==1.0.0", *HOSTS)
    shutil.copytree(
        machine.site_packages / "my_package-1.0.0.dist-info",
        machine.site_packages / "my_package.dist-info",
    )
    outcome = machine.coral("plugins", "list").require(1)
    assert "error[duplicate-distribution]: `my-package` is installed 2 times: " in outcome.stderr


def test_the_host_is_never_imported(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", *HOSTS)
    core = machine.site_packages / "coral_inference" / "__init__.py"
    core.write_text("raise SystemExit('the host was imported')\n")
    machine.coral("plugins", "list").require(0)


def test_terminal_escapes_in_a_description_are_shown_not_obeyed(device: MakeDevice) -> None:
    machine = device("my-package", *HOSTS)
    path = machine.site_packages / "my_package" / "coral_plugins.py"
    path.write_text(
        path.read_text().replace("Improve camera stream stability", "\\x1b[31mred\\u202e")
    )
    outcome = machine.coral("plugins", "list").require(0)
    assert "\\x1b[31mred\\u202e" in outcome.stdout


def test_no_plugin_at_all(device: MakeDevice) -> None:
    outcome = device().coral("plugins", "list").require(0)
    assert outcome.stdout == ""
    assert outcome.stderr == "no plugin is installed\n"


_SPARED = {
    *("dataclasses", "difflib", "hashlib", "json", "shutil", "subprocess", "tempfile"),
    *("importlib.metadata", "jsonschema", "packaging.markers", "packaging.requirements"),
    *("coral_lock.derive.relocking", "coral_lock.difference.changes", "coral_lock.child_process"),
    *("coral_lock.locking.combination", "coral_lock.probe.run", "coral_lock.resolver"),
    *("coral_lock.static.evaluation", "coral_lock.verification", "coral_lock.wheels"),
}
"""What manifests and a fresh lock spare: each would take a part of what a listing may take."""

_SHOW_MODULES = """
import sys
import click, yaml, packaging.specifiers
libraries = set(sys.modules)
from coral_lock.__main__ import main
assert main(sys.argv[1:]) == 0
print(*(set(sys.modules) - libraries), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "needed"),
    [(("plugins", "list"), set()), (("lock", "--check"), {"hashlib"})],
    ids=["plugins list", "lock --check"],
)
def test_with_manifests_little_is_imported(
    device: MakeDevice, words: tuple[str, ...], needed: set[str]
) -> None:
    machine = device("acme-object", *HOSTS)
    machine.coral("lock").require(0)
    outcome = machine.run("python", "-c", _SHOW_MODULES, *words).require(0)
    imported = set(outcome.stderr.split())
    assert "coral_lock.manifest" in imported
    assert _SPARED & imported <= needed
