"""Locks from wheelhouses: which versions are taken, for which targets, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coral_lock.wheels.wheelhouse import WheelCache
from tests.support.downloads import find_wheel
from tests.support.handmade_wheels import make_wheel
from tests.support.in_process import WorkingDirectory
from tests.support.plugin_wheels import make_library, make_plugin
from tests.support.wheelhouse import ELSEWHERE, THIS, fetch_target_wheels

CORE = "--core-version=0.0.4"
GATE = f"python={THIS.python},platform=manylinux_2_17_x86_64"
FIELD = "python=3.10,platform=manylinux_2_31_aarch64"
TARGETS = f"""\
targets:
  - {{name: gate, python: "{THIS.python}", platform: manylinux_2_17_x86_64}}
  - {{name: field, python: "3.10", platform: manylinux_2_31_aarch64}}
"""


@pytest.fixture
def work(tmp_path: Path) -> WorkingDirectory:
    """A working directory with an empty wheelhouse `house`."""
    (tmp_path / "house").mkdir()
    return WorkingDirectory(directory=tmp_path)


@pytest.fixture
def house(work: WorkingDirectory) -> Path:
    return work.directory / "house"


def versions(text: str) -> dict[str, str]:
    """The version of each distribution of a lock."""
    return {name: each["version"] for name, each in json.loads(text)["distributions"].items()}


def fill(house: Path) -> None:
    make_plugin(house, "zoom", "1.0", requires="lens>=1")
    make_plugin(house, "zoom", "2.0", requires="lens>=2")
    make_library(house, "lens", "1.0")
    make_library(house, "lens", "2.0")
    make_plugin(house, "crop", "1.0")


def test_the_newest_versions_are_taken_and_kept(work: WorkingDirectory, house: Path) -> None:
    fill(house)
    before = work.locked("--wheels", "house")
    assert versions(before) == {"crop": "1.0", "lens": "2.0", "zoom": "2.0"}

    make_plugin(house, "zoom", "2.1", requires="lens>=2")
    make_plugin(house, "crop", "1.1")
    make_library(house, "lens", "2.1")
    outcome = work.coral("lock", "--wheels", "house").require(0)
    assert outcome.stderr == "coral.lock is unchanged: 2 plugins, 3 distributions\n"
    work.coral("lock", "--wheels", "house", "--check").require(0)

    stale = work.coral(
        "lock", "--wheels", "house", "--check", "--upgrade-plugin", "patches:zoom"
    ).require(1)
    assert "~ `zoom` is upgraded: 2.0 → 2.1" in stale.stdout
    assert stale.stderr.splitlines()[-1] == (
        "  hint: run `coral-runtime lock --wheels house --upgrade-plugin patches:zoom` "
        "and have the changes reviewed"
    )
    assert work.lock_path.read_text() == before

    one = work.locked("--wheels", "house", "--upgrade-plugin", "patches:zoom")
    assert versions(one) == {"crop": "1.0", "lens": "2.0", "zoom": "2.1"}
    both = work.locked(
        "--wheels=house", "--upgrade-plugin=patches:crop", "--upgrade-plugin=patches:zoom"
    )
    assert versions(both) == {"crop": "1.1", "lens": "2.0", "zoom": "2.1"}
    library = work.locked("--wheels=house", "--upgrade-plugin=Lens")
    assert versions(library) == {"crop": "1.1", "lens": "2.1", "zoom": "2.1"}
    make_library(house, "lens", "2.2")
    everything = work.locked("--wheels", "house", "--upgrade")
    assert versions(everything) == {"crop": "1.1", "lens": "2.2", "zoom": "2.1"}


def test_what_no_longer_fits_is_not_kept(work: WorkingDirectory, house: Path) -> None:
    make_plugin(house, "zoom", "1.0", min_core_version="0.0.4")
    make_plugin(house, "zoom", "0.9", min_core_version="0.0.3")
    work.locked("--wheels", "house", CORE)
    outcome = work.coral("lock", "--wheels", "house", "--core-version=0.0.3").require(0)
    assert versions(work.lock_path.read_text()) == {"zoom": "0.9"}
    assert outcome.stderr.startswith("zoom\n  ! `zoom` is downgraded (downgraded): 1.0 → 0.9\n")
    assert outcome.stderr.endswith("wrote coral.lock: 1 plugin, 1 distribution\n")


def test_a_version_that_does_not_fit_the_host_is_passed_over(
    work: WorkingDirectory, house: Path
) -> None:
    make_plugin(house, "zoom", "1.0", min_core_version="0.0.4")
    make_plugin(house, "zoom", "2.0", min_core_version="0.0.5")
    assert versions(work.locked("--wheels", "house", CORE)) == {"zoom": "1.0"}


@pytest.mark.parametrize("asked_for", [False, True])
def test_pre_releases_are_the_last_resort(
    work: WorkingDirectory, house: Path, asked_for: bool
) -> None:
    words = ["--wheels", "house", *(["--set=patches.zoom=true"] if asked_for else [])]
    make_plugin(house, "zoom", "2.0rc1")
    assert versions(work.locked(*words)) == {"zoom": "2.0rc1"}
    make_plugin(house, "zoom", "1.0")
    assert versions(work.locked(*words)) == {"zoom": "2.0rc1"}
    assert versions(work.locked(*words, "--upgrade")) == {"zoom": "1.0"}


def test_the_highest_build_counts(work: WorkingDirectory, house: Path) -> None:
    make_plugin(house, "zoom", build="2")
    expected = work.locked("--wheels", "house")
    make_wheel(house, "zoom", {"zoom.py": "nothing = 1\n"}, entry_point="zoom:nothing", build="1")
    assert work.locked("--wheels", "house") == expected


UPGRADES: dict[str, tuple[tuple[str, ...], str]] = {
    "an unknown plugin": (
        ("--wheels=house", "--upgrade-plugin=patches:zom"),
        "error: the lock has no plugin and no distribution `patches:zom` to upgrade\n"
        "  expected: the id of one of its plugins, or the name of a distribution\n"
        "  hint: did you mean `patches:zoom`?\n",
    ),
    "an unknown distribution": (
        ("--wheels=house", "--upgrade-plugin=zom"),
        "error: the lock has no plugin and no distribution `zom` to upgrade\n"
        "  expected: the id of one of its plugins, or the name of a distribution\n"
        "  hint: did you mean `zoom`?\n",
    ),
    "nothing like it": (
        ("--wheels=house", "--upgrade-plugin=workflows:blur"),
        "error: the lock has no plugin and no distribution `workflows:blur` to upgrade\n"
        "  expected: the id of one of its plugins, or the name of a distribution\n"
        "  hint: see `coral-runtime plugins list`; what isn't in the lock is taken in its newest "
        "version anyway\n",
    ),
    "no lock": (
        ("--wheels=house", "-o", "new.lock", "--upgrade-plugin=patches:zoom"),
        "error: the lock has no plugin and no distribution `patches:zoom` to upgrade\n"
        "  expected: a lock with plugins\n"
        "  hint: see `coral-runtime plugins list`; what isn't in the lock is taken in its newest "
        "version anyway\n",
    ),
    "all and one": (
        ("--wheels=house", "--upgrade", "--upgrade-plugin=patches:zoom"),
        "error: `--upgrade` and `--upgrade-plugin` are mutually exclusive\n"
        "  expected: one of them\n"
        "  hint: `--upgrade` upgrades every plugin\n",
    ),
    "no wheelhouse": (
        ("--upgrade",),
        "error: `--upgrade` and `--upgrade-plugin` choose among the versions of a wheelhouse\n"
        "  hint: name one with `--wheels DIR`; upgrade what is installed with pip or uv\n",
    ),
}


@pytest.mark.parametrize("name", UPGRADES)
def test_an_upgrade_that_makes_no_sense(work: WorkingDirectory, house: Path, name: str) -> None:
    fill(house)
    before = work.locked("--wheels", "house")
    words, stderr = UPGRADES[name]
    assert work.coral("lock", *words).require(2).stderr == stderr
    assert work.lock_path.read_text() == before
    assert not (work.directory / "new.lock").exists()


def test_a_left_out_plugin_can_be_upgraded(work: WorkingDirectory, house: Path) -> None:
    make_plugin(house, "zoom", "1.0", min_core_version="9.0")
    assert "patches:zoom" in json.loads(work.locked("--wheels=house", CORE))["excluded"]
    make_plugin(house, "zoom", "1.1")
    words = ("--wheels=house", CORE, "--upgrade-plugin=patches:zoom")
    assert versions(work.locked(*words)) == {"zoom": "1.1"}


PLACES: dict[str, tuple[tuple[str, ...], str]] = {
    "two kinds": (
        ("--wheels=house", "--python=venv"),
        "error: `--python` and `--wheels` are mutually exclusive\n"
        "  expected: one of them\n"
        "  hint: omit all but one\n",
    ),
    "three kinds": (
        ("--wheels=house", "--python=venv", "--site-packages=site"),
        "error: `--python` and `--wheels` and `--site-packages` are mutually exclusive\n"
        "  expected: one of them\n"
        "  hint: omit all but one\n",
    ),
    "a missing directory": (
        ("--wheels=absent",),
        "error: the wheelhouse can't be listed: No such file or directory\n"
        "  where: absent\n"
        "  hint: name a directory that holds wheels\n",
    ),
    "a file": (
        ("--wheels=house", "--wheels=file"),
        "error: the wheelhouse can't be listed: Not a directory\n"
        "  where: file\n"
        "  hint: name a directory that holds wheels\n",
    ),
    "an empty directory": (
        ("--wheels=house",),
        "error: there are no wheels\n"
        "  where: house\n"
        "  hint: fill the directory with `pip download` or `pip wheel`\n",
    ),
    "an unknown target": (
        ("--wheels=house", "--target=jetson"),
        "error: the descriptor has no target `jetson`\n"
        "  expected: `targets` in the descriptor\n"
        "  hint: use `--target python=3.11,platform=linux_aarch64`\n",
    ),
    "an unknown target beside others": (
        ("--wheels=house", "-c", "runtime.yaml", "--target=jetson"),
        "error: the descriptor has no target `jetson`\n"
        "  expected: field, gate\n"
        "  hint: use one of those, or `--target python=3.11,platform=linux_aarch64`\n",
    ),
    "a target twice": (
        ("--wheels=house", f"--target={FIELD},name=a", f"--target={GATE},name=a"),
        "error: two targets have the name `a`\n"
        "  hint: rename one: `--target name=…,python=…,platform=…`\n",
    ),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_place_that_cannot_be_looked_at(work: WorkingDirectory, name: str) -> None:
    work.write("file", "")
    work.write("runtime.yaml", TARGETS)
    words, stderr = PLACES[name]
    config = () if "-c" in words else ("-c", "empty.yaml")
    work.write("empty.yaml", "{}\n")
    assert work.coral("lock", *words, *config).require(2).stderr == stderr
    assert not work.lock_path.exists()


@pytest.fixture
def native(work: WorkingDirectory, house: Path, wheelhouse: Path) -> WorkingDirectory:
    """A plugin that requires native code, with wheels for two kinds of machines."""
    if ELSEWHERE.architecture != "aarch64" or sys.platform != "linux":
        pytest.skip("the wheels of this machine are for x86_64")
    make_plugin(house, "zoom", requires="markupsafe")
    make_plugin(house, "thermal", tag="py3-none-manylinux_2_17_aarch64")
    here = find_wheel(wheelhouse, "markupsafe")
    assert here is not None
    elsewhere = fetch_target_wheels(wheelhouse, ELSEWHERE)
    for wheel in (here, *(each for each in elsewhere if each.name.startswith("markupsafe-"))):
        shutil.copy2(wheel, house)
    work.write("runtime.yaml", TARGETS)
    return work


def test_targets_from_the_descriptor(native: WorkingDirectory) -> None:
    words = ("-c", "runtime.yaml", "--wheels", "house")
    lock = json.loads(native.locked(*words))
    assert sorted(lock["targets"]) == ["field", "gate"]
    assert lock["plugins"]["patches:thermal"]["targets"] == ["field"]
    tags = sorted(tag.partition("-")[0] for tag in lock["distributions"]["markupsafe"]["digests"])
    assert tags == sorted(["cp310", f"cp{THIS.python.replace('.', '')}"])
    assert native.coral("lock", *words, "--check").require(0).stderr == (
        "coral.lock is fresh: 2 plugins, 3 distributions, 2 targets\n"
    )


def test_targets_by_name_and_by_description(native: WorkingDirectory) -> None:
    words = ("-c", "runtime.yaml", "--wheels", "house")
    described = native.locked(*words, "--target", f"name=field,{FIELD}")
    assert json.loads(described)["targets"] == {
        "field": {"python": "3.10", "platform": "manylinux_2_31_aarch64"}
    }
    assert native.locked("--wheels", "house", "--target", f"name=field,{FIELD}") == described
    unnamed = json.loads(native.locked("--wheels", "house", "--target", FIELD))
    assert list(unnamed["targets"]) == ["py3.10-manylinux_2_31_aarch64"]
    both = native.locked(*words)
    named = ("--target", "gate", "--target", f"{FIELD},name=field")
    assert native.locked(*words, *named) == both
    assert native.locked(*words, *reversed(("gate", "--target", "field", "--target"))) == both


PARTIAL = (
    "error: the lock has several targets, and only some of them were inspected\n"
    "  expected: the distributions of `field`, `gate`\n"
    "  found: those of `field`\n"
    "  hint: lock from a wheelhouse with `--wheels DIR` and without `--target`, check this part "
    "with `--check`, or lock for one target with `--target name=…,python=…,platform=…`\n"
)


@pytest.fixture
def fleet(work: WorkingDirectory, house: Path) -> WorkingDirectory:
    """A lock for two targets, of which each has a plugin that the other hasn't."""
    make_plugin(house, "zoom")
    make_plugin(house, "thermal", tag="py3-none-manylinux_2_17_aarch64")
    make_plugin(house, "crop", tag="py3-none-manylinux_2_17_x86_64")
    work.write("runtime.yaml", TARGETS)
    work.locked("-c", "runtime.yaml", "--wheels=house")
    return work


def test_one_target_alone_is_only_checked(fleet: WorkingDirectory, house: Path) -> None:
    words = ("lock", "-c", "runtime.yaml", "--wheels=house", "--target=field")
    before = fleet.lock_path.read_bytes()
    assert fleet.coral(*words).require(2).stderr == PARTIAL
    assert fleet.lock_path.read_bytes() == before
    assert fleet.coral(*words, "--check").require(0).stderr == (
        "coral.lock is fresh for the target `field` (not checked: `gate`): 3 plugins, "
        "3 distributions, 2 targets\n"
    )
    both = fleet.coral(*words, "--target=gate", "--check").require(0)
    assert both.stderr == "coral.lock is fresh: 3 plugins, 3 distributions, 2 targets\n"
    (house / "crop-1.0-py3-none-manylinux_2_17_x86_64.whl").unlink()
    fleet.coral(*words, "--check").require(0)
    (house / "thermal-1.0-py3-none-manylinux_2_17_aarch64.whl").unlink()
    make_plugin(house, "thermal", "1.1", tag="py3-none-manylinux_2_17_aarch64")
    outcome = fleet.coral(*words, "--check").require(1)
    assert "~ `thermal` is upgraded: 1.0 → 1.1\n" in outcome.stdout
    assert "crop" not in outcome.stdout
    *_, last, hint = outcome.stderr.splitlines()
    assert last.startswith("coral.lock is stale for the target `field` (not checked: `gate`): ")
    assert hint == (
        "  hint: re-lock all targets from a wheelhouse (`--wheels DIR`) and have the "
        "changes reviewed"
    )


def test_some_of_several_targets_are_checked_together(fleet: WorkingDirectory, house: Path) -> None:
    """A plugin that is new for both is told once."""
    text = TARGETS + '  - {name: nano, python: "3.12", platform: linux_riscv64}\n'
    fleet.write("runtime.yaml", text)
    words = ("lock", "-c", "runtime.yaml", "--wheels=house")
    fleet.coral(*words).require(0)
    named = ("--target=field", "--target=gate")
    assert fleet.coral(*words, *named).require(2).stderr == PARTIAL.replace(
        "`gate`\n", "`gate`, `nano`\n"
    ).replace("those of `field`", "those of `field`, `gate`")
    assert fleet.coral(*words, *named, "--check").require(0).stderr == (
        "coral.lock is fresh for the targets `field`, `gate` (not checked: `nano`): 3 plugins, "
        "3 distributions, 3 targets\n"
    )
    make_plugin(house, "added")
    outcome = fleet.coral(*words, *named, "--check").require(1)
    assert outcome.stdout.count("`patches:added`") == 1
    assert outcome.stderr.splitlines()[0] == (
        "coral.lock is stale for the targets `field`, `gate` (not checked: `nano`): 2 changes, "
        "see above"
    )


def test_a_description_stands_in_place_of_the_descriptors_targets(
    fleet: WorkingDirectory,
) -> None:
    words = ("-c", "runtime.yaml", "--wheels=house", f"--target=name=field,{FIELD}")
    stale = fleet.coral("lock", *words, "--check").require(1)
    assert stale.stdout.startswith("lock\n  - the target `gate` is removed\n")
    assert list(json.loads(fleet.locked(*words))["targets"]) == ["field"]


@pytest.mark.parametrize("command", [("lock",), ("plugins", "list"), ("explain", "patches:zoom")])
@pytest.mark.parametrize("role", ["core", "inference"])
def test_a_host_is_told_as_a_version(
    work: WorkingDirectory, house: Path, command: tuple[str, ...], role: str
) -> None:
    make_plugin(house, "zoom")
    outcome = work.coral(*command, "--wheels=house", f"--{role}-version=banana").require(2)
    assert outcome.stdout == ""
    assert outcome.stderr == (
        f"error: `host.{role}` has a wrong value\n"
        "  expected: a version (PEP 440) in quotes, like '0.0.4'\n"
        '  found: "banana"\n'
        f"  where: --{role}-version banana\n"
    )
    assert not work.lock_path.exists()


UNREADABLE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "  found: the lock is empty\n  where: coral.lock\n"),
    "truncated": (
        b'{\n  "lock_version": "1.0",\n',
        "  found: the lock is damaged: it is cut off\n  where: coral.lock:3:1\n",
    ),
    "not UTF-8": (
        b'{\n  "lock_version": "1.0",\n  "platform": "\xff"\n}\n',
        "  found: the lock isn't UTF-8\n  where: coral.lock:3:16\n",
    ),
    "a byte order mark": (
        b'\xef\xbb\xbf{\n  "lock_version": "1.0"\n}\n',
        "  found: the lock starts with a byte order mark\n  where: coral.lock:1:1\n",
    ),
    "another form": (
        b'{\n  "lock_version": "1.0"\n}\n',
        "  found: the field `platform` is missing\n  where: coral.lock\n",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_versions_of_a_lock_that_cannot_be_read_are_not_dropped(
    work: WorkingDirectory, house: Path, name: str
) -> None:
    fill(house)
    content, found = UNREADABLE[name]
    work.lock_path.write_bytes(content)
    for words in ((), ("--upgrade-plugin=patches:zoom",)):
        assert work.coral("lock", "--wheels=house", *words).require(2).stderr == (
            "error: the lock can't be read, so its versions can't be kept\n"
            f"{found}"
            "  hint: restore it from version control; `--upgrade` starts from scratch\n"
        )
        assert work.lock_path.read_bytes() == content
    anew = work.locked("--wheels=house", "--upgrade")
    assert versions(anew) == {"crop": "1.0", "lens": "2.0", "zoom": "2.0"}


LATER = (
    "error: the lock has the format version `2.0`, which this release can't read\n"
    "  expected: format version 1.x\n"
    "  found: 2.0\n"
    "  where: coral.lock: lock_version\n"
    "  hint: upgrade coral-lock to a release that reads format version 2.0\n"
)


@pytest.mark.parametrize("words", [(), ("--upgrade",), ("--check",)])
def test_a_lock_of_another_major_version_is_never_overwritten(
    work: WorkingDirectory, house: Path, words: tuple[str, ...]
) -> None:
    fill(house)
    text = work.locked("--wheels=house").replace('"lock_version": "1.0"', '"lock_version": "2.0"')
    work.lock_path.write_text(text)
    outcome = work.coral("lock", "--wheels=house", *words).require(2)
    assert outcome.stderr == LATER
    assert work.lock_path.read_text() == text


def test_a_finding_of_one_target_names_it(work: WorkingDirectory, house: Path) -> None:
    work.write("runtime.yaml", TARGETS)
    make_plugin(house, "zoom", requires="lens; platform_machine == 'aarch64'")
    outcome = work.coral("lock", "-c", "runtime.yaml", "--wheels", "house").require(1)
    assert outcome.stderr == (
        "error[requirement-unmet]: `patches:zoom` (zoom 1.0) requires `lens`, and `lens` has no "
        "wheel for the target `field`\n"
        "  expected: `lens`\n"
        "  found: nothing; zoom 1.0\n"
        "  hint: add a wheel of `lens` that fits the target `field`, or switch `patches:zoom` off\n"
        "failed to lock; `coral.lock` is unchanged\n"
    )


def test_a_hostile_wheel_is_named_with_its_member(work: WorkingDirectory, house: Path) -> None:
    make_plugin(house, "crop")
    before = work.locked("--wheels", "house")
    hostile = make_plugin(house, "zoom")
    with zipfile.ZipFile(hostile, "a") as archive:
        archive.writestr("../evil.py", "")
    for words in ((), ("--check",)):
        outcome = work.coral("lock", "--wheels", "house", *words).require(1)
        assert outcome.stderr == (
            "error[wheel-malformed]: the member `../evil.py` has an unsafe path\n"
            f"  where: {Path('house', hostile.name)}\n"
            "  hint: rebuild the wheel with a sound build backend, or get it from a source you "
            "trust\n"
            "failed to lock" + ("" if words else "; `coral.lock` is unchanged") + "\n"
        )
    assert work.lock_path.read_text() == before
    assert not (work.directory / "evil.py").exists()


OVERLAP = (
    "{severity}[file-overlap]: `a-lib` and `{other}` put different files in one place: {places}\n"
    "  expected: each file in one distribution\n"
    "  found: 1 in both\n"
    "  where: shared/x.py\n"
    "  hint: install only one of the two, or report it upstream: {why}\n"
)
EITHER = "the last one installed wins, and a start accepts what either of them lists"
ORDER = "which file is there depends on the order in which they are installed"


@pytest.mark.parametrize("requires", ["a-lib", ""])
def test_wheels_with_different_files_in_one_place_are_pinned(
    work: WorkingDirectory, house: Path, requires: str
) -> None:
    make_wheel(house, "a-lib", {"shared/x.py": "1"})
    core = {"shared/x.py": "2"}
    make_wheel(house, "coral-inference", core, requires="a-lib", version="0.0.4")
    make_plugin(house, "zoom", requires=requires)
    outcome = work.coral("lock", "--wheels", "house").require(0)
    assert outcome.stderr == (
        OVERLAP.format(
            severity="warning", other="coral-inference", places="`shared/x.py`", why=EITHER
        )
        + "wrote coral.lock: 1 plugin, 3 distributions\n"
    )
    distributions = json.loads(work.lock_path.read_text())["distributions"]
    assert all(each["digests"] for each in distributions.values())


def test_wheels_that_cannot_be_installed_together_are_an_error(
    work: WorkingDirectory, house: Path
) -> None:
    make_wheel(house, "a-lib", {"shared/x.py": "1"})
    make_wheel(house, "b-lib", {"Shared/x.py": "1"})
    make_plugin(house, "zoom", requires="a-lib")
    make_plugin(house, "crop", requires="b-lib")
    outcome = work.coral("lock", "--wheels", "house").require(1)
    assert outcome.stderr == (
        OVERLAP.format(
            severity="error", other="b-lib", places="`shared/x.py` and `Shared/x.py`", why=ORDER
        )
        + "failed to lock; `coral.lock` is unchanged\n"
    )
    assert not work.lock_path.exists()


DYNAMIC = """
import os
from coral_inference.runtime.plugins import PluginSpec

open("ran", "w").close()


def activate(config):
    return True


spec = PluginSpec(name={name}, activate=activate)
"""


@pytest.mark.parametrize("words", [("lock",), ("plugins", "list"), ("explain", "patches:dyn")])
def test_a_wheel_is_never_run(work: WorkingDirectory, house: Path, words: tuple[str, ...]) -> None:
    dynamic = DYNAMIC.format(name='os.environ["ANY"]')
    make_wheel(house, "dyn", {"dyn.py": dynamic}, entry_point="dyn:spec")
    make_wheel(house, "lit", {"lit.py": DYNAMIC.format(name='"lit"')}, entry_point="lit:spec")
    outcome = work.coral(*words, "--wheels", "house").require(1)
    assert outcome.stderr.startswith(
        "error[spec-unknown]: `patches:dyn` of `dyn` can't be used: dyn.py:12: it depends on "
        "`os.environ['ANY']`, and a wheel is never run: have it ship a manifest (`coral-runtime "
        "manifest compile`)\n"
        "  where: dyn:spec\n"
    )
    work.locked("--wheels", "house", "--set=patches.dyn=false")
    assert not (work.directory / "ran").exists()


def test_what_no_descriptor_can_name_has_no_hint_to_switch_it_off(
    work: WorkingDirectory, house: Path
) -> None:
    dynamic = DYNAMIC.format(name='os.environ["ANY"]')
    make_wheel(house, "dyn", {"dyn.py": dynamic}, entry_point="a@b = dyn:spec\n")
    outcome = work.coral("lock", "--wheels", "house").require(1)
    assert "  hint: report it upstream, or uninstall `dyn`\n" in outcome.stderr


def cache_entries(work: WorkingDirectory) -> dict[str, Path]:
    """The entries of the cache, by the SHA-256 of their wheels."""
    directory = work.cache / "coral-lock" / "wheels" / "v7"
    return {path.name: path for path in directory.iterdir()}


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_cache_changes_nothing(work: WorkingDirectory, house: Path) -> None:
    fill(house)
    expected = work.locked("--wheels", "house", "--no-cache")
    assert not work.cache.exists()
    for _ in range(2):
        assert work.locked("--wheels", "house") == expected
    locked = ("crop-1.0", "lens-2.0", "zoom-2.0")
    wheels = [house / f"{name}-py3-none-any.whl" for name in locked]
    assert sorted(cache_entries(work)) == sorted(map(sha256_of, wheels))
    shutil.rmtree(work.cache)
    assert work.locked("--wheels", "house") == expected


def test_the_cache_is_used_and_an_edited_entry_is_not(work: WorkingDirectory, house: Path) -> None:
    wheel = make_plugin(house, "zoom")
    expected = work.locked("--wheels", "house")
    other = f"t1:{'A' * 43}="
    cache = WheelCache(str(work.cache))
    known = cache.load(sha256_of(wheel))
    assert known is not None
    cache.store(sha256_of(wheel), replace(known, digest=other))
    changed = ("--wheels", "house", "--allow-changed-digest", "zoom")
    assert other in work.locked(*changed)
    assert work.locked(*changed, "--no-cache") == expected

    (entry,) = cache_entries(work).values()
    entry.write_bytes(entry.read_bytes().replace(b"AAA=", b"AAB="))
    assert work.locked("--wheels", "house") == expected


@pytest.mark.skipif(os.name != "posix", reason="directories have no modes elsewhere")
def test_a_cache_that_cannot_be_used(work: WorkingDirectory, house: Path) -> None:
    fill(house)
    expected = work.locked("--wheels", "house", "--no-cache")
    directory = work.cache / "coral-lock"
    directory.mkdir(parents=True)
    directory.chmod(0o777)
    outcome = work.coral("lock", "--wheels", "house", "-o", "other.lock").require(0)
    assert outcome.stderr == (
        f"warning: every wheel is hashed again: `{directory}` can't be used: others "
        "can write to it\n"
        "wrote other.lock: 2 plugins, 3 distributions\n"
    )
    assert (work.directory / "other.lock").read_text() == expected


def test_a_wheel_that_changes_under_its_name_is_alarming(
    work: WorkingDirectory, house: Path
) -> None:
    def digest(text: str) -> str:
        locked: dict[str, Any] = json.loads(text)["distributions"]["zoom"]["digests"]
        shown: str = locked["py3-none-any"]
        return f"{shown[:15]}…{shown[-7:]}"

    make_wheel(house, "lens", {"lens.py": ""})
    plugin = make_plugin(house, "zoom", requires="lens")
    before = work.locked("--wheels", "house")
    plugin.unlink()
    make_plugin(house, "zoom", requires="lens>=1")
    outcome = work.coral("lock", "--wheels", "house", "--check").require(3)
    after = digest(work.locked("--wheels", "house", "--allow-changed-digest", "zoom"))
    assert outcome.stdout == (
        "zoom\n"
        "  ! the digest of `zoom` for `py3-none-any` changed under the same version "
        "(bytes-changed)\n"
        f"      - {digest(before)}\n"
        f"      + {after}\n"
    )
    assert outcome.stderr == (
        "coral.lock is stale: 1 change, see above\n"
        "  hint: run `coral-runtime lock --wheels house` and have the changes reviewed\n"
    )


def test_where_and_how_wheels_lie_changes_nothing(work: WorkingDirectory, house: Path) -> None:
    fill(house)
    expected = work.locked("--wheels", "house")
    moved, linked = work.directory / "far" / "away", work.directory / "linked"
    halves = [work.directory / "one", work.directory / "two"]
    for directory in (moved, linked, *halves):
        directory.mkdir(parents=True)
    for index, wheel in enumerate(sorted(house.iterdir(), reverse=True)):
        shutil.copy(wheel, moved)
        shutil.copy(wheel, halves[index % 2])
        (linked / wheel.name).symlink_to(wheel)
    for directories in ((moved,), (linked,), halves, halves[::-1], (house, moved, linked)):
        work.lock_path.unlink()
        words = [f"--wheels={directory}" for directory in directories]
        assert work.locked(*words) == expected
