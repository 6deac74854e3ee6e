"""The list of plugins of wheels, of other environments and of images, for several targets."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest

from coral_lock.targets.machine import this_machine
from coral_lock.targets.model import tag_of
from tests.support.environments import Environment, create_environment, install_with_uv
from tests.support.in_process import WorkingDirectory
from tests.support.plugin_wheels import make_library, make_plugin
from tests.support.wheelhouse import THIS

HERE = tag_of(this_machine().platform)
TARGETS = """\
targets:
  - {name: field, python: "3.10", platform: manylinux_2_31_aarch64}
  - {name: gate, python: "3.11", platform: manylinux_2_17_x86_64}
host: {core: "0.0.4"}
"""
CAMERA = (
    "patches:camera_stabilizer  my-package 1.0.0  selected\n"
    "    Improve camera stream stability\n"
    "    entry point   camera_stabilizer = my_package.coral_plugins:register_camera_stabilizer\n"
    "    requires      core >= 0.0.4, inference >= 0.9.0\n"
    "    compatible    yes (coral-inference 0.0.4, inference 0.58.0)\n"
    "    source        static\n"
)
INFERENCE = "--inference-version=0.58.0"


def entry(name: str, version: str = "1.0", mark: str = "selected", **changed: str) -> str:
    """The text of a plugin's entry."""
    lines = {
        "entry point": f"{name} = {name}:spec",
        "requires": "core any, inference any",
        "compatible": "yes (coral-inference 0.0.4)",
        **changed,
        "source": "static",
    }
    body = "".join(f"    {label:<14}{text}\n" for label, text in lines.items())
    return f"patches:{name}  {name} {version}  {mark}\n    {name} {version}\n{body}"


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    """A working directory with a wheelhouse `house`."""
    house = tmp_path / "house"
    house.mkdir()
    make_plugin(house, "zoom", "1.0")
    make_plugin(house, "zoom", "2.0")
    make_plugin(house, "zoom", "3.0b1")
    make_plugin(house, "crop", "1.0", tag="py3-none-manylinux_2_17_aarch64")
    make_plugin(house, "future", min_core_version="9.0")
    made = WorkingDirectory(directory=tmp_path)
    made.write("runtime.yaml", TARGETS)
    return made


FUTURE = {
    "requires": "core >= 9.0, inference any",
    "compatible": "no (coral-inference 0.0.4)",
    "reason": "requires coral-inference >= 9.0, found 0.0.4",
}
WARNING = (
    "warning[incompatible]: `patches:future` of `future` 1.0 requires coral-inference >= 9.0, "
    "found 0.0.4, so it is left out\n"
    "  where: future:spec\n"
    "  hint: upgrade coral-inference to 9.0 or later, or take an older plugin\n"
)


def left_out(selected: int, total: int, target: str = "") -> str:
    """What the list says in the end where `patches:future` is left out."""
    of_target = f" for the target `{target}`" if target else ""
    return (
        f"{selected} of {total} plugins selected{of_target}\n"
        f"  patches:future of future is off: {FUTURE['reason']}\n"
    )


def unfitting(place: str, target: str = "") -> str:
    """What is told of the plugin that has a wheel for another machine alone."""
    return (
        f"warning[wrong-platform]: no wheel of `crop`, which offers `patches:crop`, fits {place}, "
        "so it is left out\n"
        "  found: crop-1.0-py3-none-manylinux_2_17_aarch64.whl (its tags fit no target)\n"
        f"  hint: add a wheel of `crop` that fits{target}, or switch `patches:crop` off\n"
    )


def test_wheels_for_this_interpreter(work: WorkingDirectory) -> None:
    words = ("plugins", "list", "--no-config", "--wheels=house", "--core-version=0.0.4")
    outcome = work.coral(*words).require(0)
    assert outcome.stdout == entry("future", mark="off", **FUTURE) + entry("zoom", "2.0")
    assert outcome.stderr == unfitting("this interpreter") + WARNING + left_out(1, 2)


def test_wheels_for_targets_as_text(work: WorkingDirectory) -> None:
    words = ("plugins", "list", "-c", "runtime.yaml", "--wheels=house")
    future, zoom = entry("future", mark="off", **FUTURE), entry("zoom", "2.0")
    outcome = work.coral(*words).require(0)
    assert outcome.stdout == (
        f"target field\n{entry('crop')}{future}{zoom}target gate\n{future}{zoom}"
    )
    assert outcome.stderr == WARNING + left_out(2, 3, "field") + left_out(1, 2, "gate")
    alone = work.coral(*words, "--target=gate").require(0)
    assert alone.stdout == f"target gate\n{future}{zoom}"
    described = "--target=python=3.10,platform=manylinux_2_31_aarch64"
    assert work.coral(*words, described).require(0).stdout == (
        f"target py3.10-manylinux_2_31_aarch64\n{entry('crop')}{future}{zoom}"
    )


def test_versions_are_chosen_for_all_targets(work: WorkingDirectory) -> None:
    """That only one is looked at doesn't change what a lock would have."""
    make_plugin(work.directory / "house", "zoom", "4.0", tag="py3-none-manylinux_2_17_aarch64")
    words = ("plugins", "list", "-c", "runtime.yaml", "--wheels=house")
    of_all = work.coral(*words).require(0).stdout
    field, gate = (work.coral(*words, f"--target={each}").require(0) for each in ("field", "gate"))
    assert of_all == field.stdout + gate.stdout


def plugins_of(part: Any) -> list[tuple[str, str, bool]]:
    return [(each["id"], each["version"], each["selected"]) for each in part["plugins"]]


def test_wheels_for_targets_as_json(work: WorkingDirectory) -> None:
    words = ("plugins", "list", "-c", "runtime.yaml", "--wheels=house", "--output-format=json")
    outcome = work.coral(*words).require(0)
    document = outcome.json()
    assert outcome.stderr == ""
    assert sorted(document) == ["findings", "platform", "targets"]
    assert {name: plugins_of(part) for name, part in document["targets"].items()} == {
        "field": [
            ("patches:crop", "1.0", True),
            ("patches:future", "1.0", False),
            ("patches:zoom", "2.0", True),
        ],
        "gate": [("patches:future", "1.0", False), ("patches:zoom", "2.0", True)],
    }
    core = {"distribution": "coral-inference", "version": "0.0.4"}
    for part in document["targets"].values():
        assert part["host"] == {"core": core, "inference": None}
    assert [finding["code"] for finding in document["findings"]] == ["incompatible"]
    alone = work.coral(*words, "--target=gate").require(0).json()
    assert alone["targets"] == {"gate": document["targets"]["gate"]}


def test_without_targets_the_json_is_that_of_an_environment(work: WorkingDirectory) -> None:
    words = ("plugins", "list", "--wheels=house", "--output-format=json")
    document = work.coral(*words, "--no-env", "-c", "empty.yaml").require(2)
    assert document.stdout == ""
    flat = work.coral(*words, "--no-config", "--core-version=0.0.4").require(0).json()
    assert sorted(flat) == ["findings", "host", "platform", "plugins"]
    assert plugins_of(flat) == [("patches:future", "1.0", False), ("patches:zoom", "2.0", True)]


def test_only_one_group(work: WorkingDirectory) -> None:
    words = ("plugins", "list", "-c", "runtime.yaml", "--wheels=house", "--group=backends")
    outcome = work.coral(*words).require(0)
    assert outcome.stdout == "target field\ntarget gate\n"
    assert outcome.stderr == WARNING + "no wheel offers a plugin in the group `backends`\n"


def test_wheels_without_plugins(work: WorkingDirectory) -> None:
    (work.directory / "libraries").mkdir()
    make_library(work.directory / "libraries", "lens")
    outcome = work.coral("plugins", "list", "--no-config", "--wheels=libraries").require(0)
    assert (outcome.stdout, outcome.stderr) == ("", "no wheel offers a plugin\n")


def test_a_broken_wheel_is_told_and_hides_nothing(work: WorkingDirectory) -> None:
    hostile = make_plugin(work.directory / "house", "evil")
    with zipfile.ZipFile(hostile, "a") as archive:
        archive.writestr("evil\\..\\x.py", "")
    words = ("plugins", "list", "--no-config", "--wheels=house", "--core-version=0.0.4")
    outcome = work.coral(*words).require(1)
    assert outcome.stdout == entry("future", mark="off", **FUTURE) + entry("zoom", "2.0")
    assert outcome.stderr.startswith("error[wheel-malformed]: the member ")
    assert f"  where: {Path('house', hostile.name)}\n" in outcome.stderr


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Environment:
    """An environment with plugins, in which coral-lock isn't installed."""
    made = create_environment(tmp_path_factory.mktemp("environment") / "venv")
    names = ("my-package==1.0.0", "dynamic-spec", "coral-inference==0.0.4")
    install_with_uv(made, *names, wheelhouse=wheelhouse)
    return made


def test_another_environment(work: WorkingDirectory, environment: Environment) -> None:
    words = ("plugins", "list", "--no-config", "--python", environment.root, INFERENCE)
    outcome = work.coral(*words).require(0)
    assert outcome.stdout.startswith(CAMERA)
    assert "patches:frame_compositor  dynamic-spec 1.0.0  selected\n" in outcome.stdout
    assert outcome.stdout.endswith("    source        probe\n")
    refused = work.coral(*words, "--no-exec").require(1)
    assert "patches:frame_compositor  dynamic-spec 1.0.0  broken\n" in refused.stdout
    assert "and `--no-exec` forbids a probe\n" in refused.stderr


def test_an_environment_that_is_no_target(work: WorkingDirectory, environment: Environment) -> None:
    target = "--target=python=3.9,platform=linux_riscv64"
    words = ("plugins", "list", "--no-config", "--python", environment.root, target)
    outcome = work.coral(*words).require(1)
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("error[target-uncovered]: no target matches this environment")


@pytest.mark.skipif(HERE is None, reason="this platform's tag can't be told")
def test_an_environment_is_one_of_the_descriptors_targets(
    work: WorkingDirectory, environment: Environment
) -> None:
    here = f'targets:\n  - {{name: here, python: "{THIS.python}", platform: {HERE}}}\n'
    work.write("runtime.yaml", TARGETS.replace("targets:\n", here))
    words = ("plugins", "list", "-c", "runtime.yaml", "--python", environment.root, INFERENCE)
    outcome = work.coral(*words).require(0)
    assert outcome.stdout.startswith(f"target here\n{CAMERA}")
    assert work.coral(*words, "--target=here").require(0).stdout == outcome.stdout
    refused = work.coral(*words, "--target=field").require(1)
    assert refused.stdout == ""
    assert refused.stderr.startswith(
        "error[target-uncovered]: no target matches this environment\n"
        "  expected: field (Python 3.10, manylinux_2_31_aarch64)\n"
    )


@pytest.mark.parametrize(
    ("words", "heading"),
    [
        (("--no-config",), ""),
        (("-c", "runtime.yaml"), ""),
        ((f"--target=name=edge,python={THIS.python},platform=linux_aarch64",), "target edge\n"),
    ],
)
def test_an_image(
    work: WorkingDirectory, environment: Environment, words: tuple[str, ...], heading: str
) -> None:
    """Nobody has to say for which machine an image is, as nothing is evaluated for it."""
    site_packages = f"image/lib/python{THIS.python}/site-packages"
    shutil.copytree(environment.site_packages, work.directory / site_packages)
    place = ("plugins", "list", "--site-packages", site_packages, INFERENCE)
    outcome = work.coral(*place, *words).require(1)
    assert outcome.stdout.startswith(heading + CAMERA)
    assert "patches:frame_compositor  dynamic-spec 1.0.0  broken\n" in outcome.stdout
    assert "and an image of another machine is never run\n" in outcome.stderr


def test_places_that_contradict_each_other(work: WorkingDirectory) -> None:
    words = ("plugins", "list", "--wheels=house", "--site-packages=image")
    assert work.coral(*words).require(2).stderr == (
        "error: `--wheels` and `--site-packages` are mutually exclusive\n"
        "  expected: one of them\n"
        "  hint: omit all but one\n"
    )
