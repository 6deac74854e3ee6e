"""`fetch`: what a wheelhouse lacks is downloaded by the real pip, and compared with the lock."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.device import Outcome
from tests.support.environments import clean_environment
from tests.support.in_process import WorkingDirectory
from tests.support.plugin_wheels import make_library, make_plugin

TARGETS = """\
targets:
  - {name: field, python: "3.10", platform: manylinux_2_31_aarch64}
  - {name: gate, python: "3.12", platform: manylinux_2_28_x86_64}
host: {core: "0.0.4", inference: "0.58.0"}
"""
ZOOM = "zoom-1.0-py3-none-any.whl"
ARM, X86 = (
    "lens-1.0-cp310-cp310-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
    "lens-1.0-cp39-abi3-manylinux_2_17_x86_64.whl",
)
HOSTS = (
    "not fetched: coral-inference 0.0.4, as the lock has only its version\n"
    "not fetched: inference 0.58.0, as the lock has only its version\n"
)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    directory = tmp_path / "index"
    directory.mkdir()
    return directory


@pytest.fixture
def work(tmp_path: Path, index: Path) -> WorkingDirectory:
    """A plugin and a library with native code, locked for two targets; the index has more."""
    make_plugin(index, "zoom", requires="lens")
    for name in (ARM, X86):
        make_library(index, "lens", tag=name.removeprefix("lens-1.0-").removesuffix(".whl"))
    made = WorkingDirectory(directory=tmp_path)
    made.write("runtime.yaml", TARGETS)
    made.locked("-c", "runtime.yaml", "--wheels=index")
    make_library(index, "lens", "1.0+local", tag="cp39-abi3-manylinux_2_17_x86_64")
    make_library(index, "lens", tag="cp312-cp312-manylinux_2_28_x86_64")
    make_library(index, "lens", "2.0")
    return made


def variables(work: WorkingDirectory) -> dict[str, str]:
    """Return what configures pip to find wheels in a directory alone."""
    return {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(work.directory / "index"),
    }


def fetch(work: WorkingDirectory, *words: str) -> Outcome:
    return work.coral("fetch", "--wheels=house", *words, env=variables(work))


def housed(work: WorkingDirectory) -> list[str]:
    return sorted(os.listdir(work.directory / "house"))


def test_all_targets_and_then_nothing(
    work: WorkingDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only a process of its own has the import guard.
    outcome = subprocess.run(
        (sys.executable, "-m", "coral_lock", "fetch", "--wheels=house"),
        cwd=work.directory,
        env=clean_environment(variables(work)),
        capture_output=True,
        encoding="utf-8",
    )
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout == f"{ARM}\n{X86}\n{ZOOM}\n"
    assert outcome.stderr == f"{HOSTS}house: 3 wheels fetched, 0 already there\n"
    assert housed(work) == [ARM, X86, ZOOM]
    work.coral("verify", "--wheels=house").require(0)
    monkeypatch.setattr("coral_lock.export.download.run_child", None)
    again = fetch(work).require(0)
    assert (again.stdout, again.stderr) == (
        "",
        f"{HOSTS}house: all locked wheels are there: 3\n",
    )


def test_a_changed_and_a_missing_wheel_of_one_target(work: WorkingDirectory, index: Path) -> None:
    (index / X86).unlink()
    make_plugin(index, "zoom", requires="lens>0")
    outcome = fetch(work, "--target=gate", "--", "--quiet").require(3)
    assert outcome.stdout == ""
    missing, changed = outcome.stderr.split("error[digest-mismatch]: ")
    assert missing == (
        "error[distribution-missing]: the locked wheel of `lens` 1.0 can't be downloaded\n"
        "  expected: cp39-abi3-manylinux_2_17_x86_64\n"
        "  found: No matching distribution found for lens===1.0\n"
        '  where: distributions.lens.digests["cp39-abi3-manylinux_2_17_x86_64"]\n'
        "  hint: name an index that has it in pip's configuration or behind `--`; `pip download "
        "--only-binary=:all: --no-deps --ignore-requires-python --python-version=3.12 "
        "--implementation=cp --abi=abi3 --platform=manylinux_2_17_x86_64 lens===1.0` asks for it "
        "alone\n"
    )
    lines = changed.splitlines()
    assert lines[0] == "the wheel of `zoom` 1.0 isn't the one that was locked"
    assert lines[3:] == [
        f"  where: {ZOOM}",
        "  hint: get the wheel from the source of the locked one, and find out who changed it",
        *HOSTS.splitlines(),
        "house: 0 wheels fetched, 0 already there",
    ]
    assert housed(work) == []


def test_arguments_that_pip_does_not_know(work: WorkingDirectory) -> None:
    outcome = fetch(work, "--", "--indices=https://user:secret@example.org/secret").require(2)
    assert outcome.stderr == (
        "error: pip doesn't take the arguments behind `--`\n"
        "  found: no such option: --indices\n"
        "  hint: see `pip download --help`\n"
    )
    assert "`lens` isn't downloaded: the lock says what is" in fetch(work, "lens").require(2).stderr


def test_the_hint_where_locked_wheels_are_missing(work: WorkingDirectory, index: Path) -> None:
    hint = "  hint: download the locked wheels with `coral-runtime fetch --wheels DIR`"
    house = work.directory / "house"
    house.mkdir()
    requested = ("lock", "-c", "runtime.yaml", "--set=patches.zoom=true")
    cases: tuple[tuple[tuple[str, ...], int], ...] = ((), 2), ((ZOOM,), 1), ((ARM, X86), 1)
    for wheels, code in cases:
        for name in wheels:
            shutil.copy2(index / name, house)
        for words in (("verify",), ("export", "--format=pylock"), requested):
            assert hint in work.coral(*words, "--wheels=house").require(code).stderr
        shutil.rmtree(house)
        house.mkdir()
    shutil.copy2(index / ARM, house)
    gone = work.coral("lock", "-c", "runtime.yaml", "--wheels=house", "--dry-run").require(0)
    assert "if it wasn't removed on purpose, download the locked wheels with `coral-" in gone.stderr
    work.lock_path.unlink()
    assert hint not in work.coral(*requested, "--wheels=house").require(1).stderr
