"""Optional plugins and targets of different Pythons: the same lock from wheels as installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.environments import create_environment, install_with_uv
from tests.support.handmade_wheels import make_wheel
from tests.support.in_process import WorkingDirectory
from tests.support.plugin_wheels import make_library, make_plugin

OPTIONAL = "patches: {zoom: {optional: true}, crop: true}\n"
TARGETS = """\
targets:
  - {name: new, python: "3.11", platform: manylinux_2_28_x86_64}
  - {name: old, python: "3.10", platform: manylinux_2_28_x86_64}
"""
ONLY_NEW = "lens\nRequires-Python: >=3.11"
"""A requirement, and the line of METADATA (PEP 345) that follows it."""


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    """A working directory with an empty wheelhouse `house`."""
    (tmp_path / "house").mkdir()
    return WorkingDirectory(directory=tmp_path)


def test_a_wheelhouse_and_an_environment_leave_out_the_same(work: WorkingDirectory) -> None:
    house = work.directory / "house"
    work.write("runtime.yaml", OPTIONAL)
    make_plugin(house, "zoom", requires="lens>=2")
    make_plugin(house, "crop", requires="lens<2")
    make_library(house, "lens", "1.0")
    make_library(house, "lens", "2.0")
    outcome = work.coral("lock", "-c", "runtime.yaml", "--wheels", "house").require(0)
    assert outcome.stderr == (
        "warning[no-solution]: no version of `lens` meets all requirements: `patches:crop` "
        "(crop 1.0) requires `lens<2`; `patches:zoom` (zoom 1.0) requires `lens>=2`; the optional "
        "`patches:zoom` is left out\n"
        "  expected: `lens<2`, `lens>=2`\n"
        "  found: lens 2.0, 1.0; crop 1.0; zoom 1.0\n"
        "  where: runtime.yaml:1:11\n"
        "  hint: have `crop` relax `lens<2`, or have `zoom` relax `lens>=2`, or switch "
        "`patches:crop` or `patches:zoom` off\n"
        "wrote coral.lock: 1 plugin, 1 excluded, 2 distributions\n"
    )
    text = work.lock_path.read_text()
    assert json.loads(text)["excluded"] == {
        "patches:zoom": {"distribution": "zoom", "reason": "requires `lens>=2`, which isn't met"}
    }

    environment = create_environment(work.directory / "environment")
    install_with_uv(environment, "lens==1.0", "crop", "zoom", wheelhouse=house, no_deps=True)
    work.lock_path.unlink()
    outcome = work.coral("lock", "-c", "runtime.yaml", "--python", str(environment.python)).require(
        0
    )
    assert outcome.stderr == (
        "warning[requirement-unmet]: `patches:zoom` of `zoom` 1.0 requires `lens>=2`, which isn't "
        "met, so it is left out\n"
        "  expected: lens>=2\n"
        "  found: 1.0\n"
        "  where: runtime.yaml:1:11\n"
        "  hint: add a version that meets it, or switch `patches:zoom` off\n"
        "wrote coral.lock: 1 plugin, 1 excluded, 2 distributions\n"
    )
    assert work.lock_path.read_text() == text


def test_a_lock_says_for_which_python_a_plugin_is(work: WorkingDirectory) -> None:
    house = work.directory / "house"
    work.write("runtime.yaml", TARGETS)
    make_plugin(house, "zoom", requires=ONLY_NEW)
    make_plugin(house, "crop")
    make_library(house, "lens")
    make_wheel(house, "night", {"night.py": ""}, entry_point="night:spec", tag="py3-none-win_amd64")
    outcome = work.coral("lock", "-c", "runtime.yaml", "--wheels", "house").require(0)
    assert outcome.stderr == (
        "warning[wrong-platform]: no wheel of `night`, which offers `patches:night`, fits any "
        "target, so it is left out\n"
        "  found: night-1.0-py3-none-win_amd64.whl (its tags fit no target)\n"
        "  hint: add a wheel of `night` that fits the targets `new` and `old`, or switch "
        "`patches:night` off\n"
        "wrote coral.lock: 2 plugins, 3 distributions, 2 targets\n"
    )
    lock = json.loads(work.lock_path.read_text())
    assert lock["plugins"]["patches:zoom"]["targets"] == ["new"]
    assert "targets" not in lock["plugins"]["patches:crop"]
    assert lock["distributions"]["lens"]["targets"] == ["new"]


@pytest.mark.parametrize(
    ("request_text", "severity"),
    [
        ("{optional: true, after: ['patches:gone']}", "warning"),
        ("{enabled: false, after: ['patches:gone']}", "warning"),
        ("{after: ['patches:gone']}", "error"),
    ],
)
@pytest.mark.parametrize("place", ["wheels", "environment"])
def test_an_order_behind_what_is_not_there(
    work: WorkingDirectory, request_text: str, severity: str, place: str
) -> None:
    house = work.directory / "house"
    work.write("runtime.yaml", f"patches: {{zoom: {request_text}, crop: true}}\n")
    make_plugin(house, "zoom")
    make_plugin(house, "crop")
    words: tuple[str | Path, ...] = ("--wheels", "house")
    if place == "environment":
        environment = create_environment(work.directory / "environment")
        install_with_uv(environment, "crop", "zoom", wheelhouse=house, no_deps=True)
        words = ("--python", environment.python)
    outcome = work.coral("lock", "-c", "runtime.yaml", *words).require(severity == "error")
    assert outcome.stderr.startswith(
        f"{severity}[unknown-plugin]: `patches:zoom` comes after `patches:gone`, which no "
        "distribution offers\n"
        f"  where: runtime.yaml:1:{11 + len('zoom: ') + request_text.index('after')}\n"
        "  hint: add it, or list the plugins with `coral-runtime plugins list`\n"
    )
    if severity == "warning":
        document = json.loads(work.lock_path.read_text())
        is_left_out = "enabled" in request_text
        assert list(document["excluded"]) == ["patches:zoom"] * is_left_out
        if not is_left_out:
            assert document["plugins"]["patches:zoom"]["after"] == []
        work.coral("lock", "--check", "-c", "runtime.yaml", *words).require(0)


CIRCLE = (
    "conflict]: plugins wait for each other: `patches:crop` → `patches:zoom` → `patches:crop`\n"
)


@pytest.mark.parametrize("words", [("--wheels", "house"), ("--wheels", "house", "--check")])
def test_a_circle_stands_where_the_descriptor_asks_for_it(
    work: WorkingDirectory, words: tuple[str, ...]
) -> None:
    house = work.directory / "house"
    make_plugin(house, "zoom")
    make_plugin(house, "crop")
    work.locked("--wheels", "house")
    work.write(
        "runtime.yaml",
        "patches:\n  zoom: {after: ['patches:crop']}\n  crop:\n    after: ['patches:zoom']\n",
    )
    outcome = work.coral("lock", "-c", "runtime.yaml", *words).require(1)
    assert outcome.stderr.startswith(
        f"error[{CIRCLE}"
        "  where: runtime.yaml:4:5\n"
        "  hint: remove one of these ids from `after` in the descriptor\n"
    )
    setting = "patches.crop.after=['patches:zoom']"
    outcome = work.coral("lock", "-c", "runtime.yaml", *words, "--set", setting).require(1)
    assert f"error[{CIRCLE}  where: --set {setting}\n" in outcome.stderr


def test_a_circle_of_manifests_stands_at_a_plugin(work: WorkingDirectory) -> None:
    house = work.directory / "house"
    for name, other in (("crop", "zoom"), ("zoom", "crop")):
        manifest = (
            "manifest_version: 1\nplugins:\n"
            f"  - {{group: patches, name: {name}, entry_point: '{name}:spec', "
            f"after: ['patches:{other}']}}\n"
        )
        files = {f"{name}/__init__.py": "", f"{name}/coral_plugin.yaml": manifest}
        make_wheel(house, name, files, entry_point=f"{name}:spec")
    outcome = work.coral("lock", "--wheels", "house").require(1)
    assert outcome.stderr.startswith(
        f"error[{CIRCLE}"
        "  where: crop:spec\n"
        "  hint: have their authors correct `after` and `requires` in the manifests, or switch "
        "one of them off\n"
    )
