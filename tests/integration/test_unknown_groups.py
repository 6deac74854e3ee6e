"""A group that nobody knows is answered with the nearest name, wherever it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from coral_lock.lockfile.text import write_lock
from tests.conftest import MakeDevice
from tests.support.device import Device
from tests.support.environments import install_with_uv
from tests.support.handmade_wheels import make_wheel
from tests.support.in_process import WorkingDirectory
from tests.support.locks import sample_lock

SOURCE = """\
from coral_inference.runtime.plugins import PluginSpec

spec = PluginSpec(name="zoom", activate=lambda config: True)
"""
KNOWN = "`coral_inference.backends` or `coral_inference.patches` or `coral_inference.workflows`"


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    return WorkingDirectory(directory=tmp_path)


def _wheel(directory: Path, *groups: str) -> Path:
    """Write a wheel with one entry point in each of these groups."""
    declared = "".join(f"[{group}]\nzoom = zoom:spec\n" for group in groups)
    return make_wheel(
        directory,
        "zoom",
        {"zoom.py": SOURCE, "zoom-1.0.dist-info/entry_points.txt": declared},
    )


def _installed(device: MakeDevice, directory: Path, *groups: str) -> Device:
    machine = device()
    install_with_uv(machine.environment, _wheel(directory, *groups), wheelhouse=directory)
    return machine


@pytest.mark.parametrize("words", [("plugins", "list"), ("plugins", "new", "acme-glow")])
@pytest.mark.parametrize(
    ("group", "near"),
    [
        ("patch", "patches"),
        ("Backend", "backends"),
        ("workflow", "workflows"),
        ("coral_inference.patches", "patches"),
        ("coral_inference.backend", "backends"),
        ("filters", None),
    ],
)
def test_the_option(
    work: WorkingDirectory, words: tuple[str, ...], group: str, near: str | None
) -> None:
    assert work.coral(*words, "--group", group).require(2).stderr == (
        f"error: there is no group `{group}`\n"
        "  expected: one of backends, patches, workflows\n"
        + (f"  hint: did you mean `{near}`?\n" if near else "")
    )


def test_an_id_to_explain(work: WorkingDirectory) -> None:
    assert work.coral("explain", "patch:zoom").require(2).stderr == (
        "error: there is no group `patch`\n"
        "  expected: one of backends, patches, workflows\n"
        "  hint: did you mean `patches:zoom`?\n"
    )


def test_an_id_to_upgrade(work: WorkingDirectory) -> None:
    work.lock_path.write_text(write_lock(sample_lock()))
    (work.directory / "house").mkdir()
    words = ("lock", "--wheels", "house", "--upgrade-plugin")
    for identifier, hint in (
        ("patch:camera_stabiliser", "did you mean `patches:camera_stabilizer`?"),
        (
            "patch:zzz",
            "see `coral-runtime plugins list`; what isn't in the lock is taken in its newest "
            "version anyway",
        ),
    ):
        assert work.coral(*words, identifier).require(2).stderr == (
            f"error: the lock has no plugin and no distribution `{identifier}` to upgrade\n"
            "  expected: the id of one of its plugins, or the name of a distribution\n"
            f"  hint: {hint}\n"
        )


def test_an_id_in_a_descriptor(work: WorkingDirectory) -> None:
    work.write("runtime.yaml", 'patches: {zoom: {after: ["patch:crop"]}}\n')
    assert (
        work.coral("config", "validate")
        .require(2)
        .stderr.endswith(
            "error: `patches.zoom.after[0]` has a wrong value\n"
            "  expected: a plugin id: `<group>:<name>`, the group one of backends, patches, "
            "workflows\n"
            '  found: "patch:crop"\n'
            "  where: runtime.yaml:1:26\n"
            "  hint: did you mean `patches:crop`?\n"
        )
    )


def test_ids_in_a_manifest(work: WorkingDirectory) -> None:
    work.write(
        "coral_plugin.yaml",
        "manifest_version: 1\n"
        "plugins:\n"
        "  - group: patch\n"
        "    name: zoom\n"
        "    entry_point: zoom:spec\n"
        '    after: ["workflow:x"]\n'
        '    requires: {"backend:npu": needs it}\n',
    )
    said = work.coral("manifest", "validate", "coral_plugin.yaml").require(2).stderr
    for near in ("patches", "workflows:x", "backends:npu"):
        assert f"  hint: did you mean `{near}`?\n" in said


def test_what_an_installed_distribution_declares(device: MakeDevice, tmp_path: Path) -> None:
    machine = _installed(device, tmp_path, "coral_inference.patch")
    place = machine.site_packages / "zoom-1.0.dist-info"
    said = (
        "error[unknown-group]: `zoom` declares entry points in the group "
        "`coral_inference.patch`, which no host loads\n"
        f"  expected: {KNOWN}\n"
        "  found: coral_inference.patch\n"
        f"  where: {place}\n"
        "  hint: did you mean `coral_inference.patches`? Correct it in the project of `zoom` and "
        "build it again, or do without it\n"
    )
    assert machine.coral("plugins", "list").require(1).stderr == said + "no plugin is installed\n"
    started = machine.coral("init").require(1)
    assert started.stderr == said + "start refused: see the errors above; no plugin was run\n"
    assert machine.coral("lock").require(1).stderr.startswith(said)


def test_what_a_wheel_declares(work: WorkingDirectory) -> None:
    house = work.directory / "house"
    house.mkdir()
    wheel = _wheel(house, "coral_inference.patch")
    for words in (("lock",), ("plugins", "list")):
        said = work.coral(*words, "--wheels", "house").require(1).stderr
        assert said.startswith(
            "error[unknown-group]: `zoom` declares entry points in the group "
            "`coral_inference.patch`, which no host loads\n"
            f"  expected: {KNOWN}\n  found: coral_inference.patch\n  where: house/{wheel.name}\n"
            "  hint: did you mean `coral_inference.patches`?"
        )
    _wheel(house, "coral_inference.dashboards", "coral_inference.patches")
    said = work.coral("lock", "--wheels", "house", "--core-version", "0.0.4").require(0).stderr
    assert said.startswith("warning[unknown-group]: `zoom` declares entry points in the group ")


def test_a_group_like_none_of_ours_is_warned_of(device: MakeDevice, tmp_path: Path) -> None:
    groups = ("coral_inference.dashboards", "coral_inference.patches")
    machine = _installed(device, tmp_path, *groups)
    listed = machine.coral("plugins", "list", "--output-format", "json").require(0).json()
    assert [each["id"] for each in listed["plugins"]] == ["patches:zoom"]
    assert [(each["code"], each["severity"], each["hint"]) for each in listed["findings"]] == [
        ("unknown-group", "warning", None)
    ]
    machine.coral("init").require(0)


def test_what_an_author_checks(device: MakeDevice, tmp_path: Path) -> None:
    machine = _installed(device, tmp_path, "coral_inference.workflow", "coral_inference.patches")
    for target in ("zoom", str(tmp_path / "zoom-1.0-py3-none-any.whl")):
        assert machine.coral("plugins", "check", target).require(2).stderr == (
            "error: unknown entry point group `coral_inference.workflow`\n"
            f"  expected: {KNOWN}\n"
            "  where: zoom-1.0.dist-info/entry_points.txt\n"
            "  hint: did you mean `coral_inference.workflows`?\n"
        )
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "zoom"\nversion = "1"\n'
        '[project.entry-points."coral_inference.patchs"]\nzoom = "zoom:spec"\n'
    )
    checked = machine.coral("plugins", "check", cwd=tmp_path).require(2)
    assert checked.stderr.endswith("  hint: did you mean `coral_inference.patches`?\n")


def test_the_list_says_why_not_all_are_selected(device: MakeDevice) -> None:
    machine = device("my-package==1.0.0", "future-core", "acme-object", "coral-inference==0.0.4")
    told = "--inference-version=0.58.0"
    listed = machine.coral("plugins", "list", told, "--set", "patches.frame_counter=false")
    assert listed.require(0).stderr.endswith(
        "1 of 3 plugins selected\n"
        "  patches:frame_counter of acme-object is off: switched off by the descriptor\n"
        "  patches:future_core of future-core is off: requires coral-inference >= 99.0, "
        "found 0.0.4\n"
    )
    one = machine.coral("plugins", "list", told, "--group", "backends").require(0)
    assert "selected" not in one.stderr
    as_json = machine.coral("plugins", "list", told, "--output-format", "json").require(0)
    assert as_json.stderr == ""


@pytest.mark.parametrize("is_locked", [False, True])
def test_a_start_says_why_not_all_are_active(device: MakeDevice, is_locked: bool) -> None:
    machine = device("my-package==1.0.0", "rknn-backend", "coral-inference==0.0.4", "inference")
    words = ("init", "--locked") if is_locked else ("init",)
    machine.locked()
    assert machine.coral(*words).require(0).stderr == (
        "started on onnx: 1 of 2 plugins active\n"
        "  backends:rknn_npu isn't active: it doesn't support the platform `onnx`\n"
    )
    machine.locked("--set", "platform=rknn")
    started = machine.coral(*words, "--set", "platform=rknn").require(0)
    assert started.stderr == "started on rknn: 2 of 2 plugins active\n"
