"""The releases of the role `runtime`, with the power lost at every step of every command."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.wheelhouse import REPOSITORY

SCRIPT = REPOSITORY / "ansible" / "roles" / "runtime" / "files" / "releases.py"
_specification = importlib.util.spec_from_file_location("releases", SCRIPT)
assert _specification is not None
assert _specification.loader is not None
releases = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(releases)

STEPS = ("fsync", "mkdir", "rename", "rmdir", "symlink", "sync", "unlink")
"""What changes the disk, of the functions of `os`."""


@pytest.fixture(autouse=True)
def _nothing_is_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the disk; that it would have been synced is a step all the same."""
    monkeypatch.setattr(os, "sync", lambda: None)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


class PowerLostError(BaseException):
    """Nothing catches it, as nothing goes on without power."""


@contextmanager
def power_for(steps: int) -> Iterator[None]:
    """Let so many steps happen, and none after them."""
    left = steps

    def limited(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*values: Any, **named: Any) -> Any:
            nonlocal left
            if left == 0:
                raise PowerLostError
            left -= 1
            return function(*values, **named)

        return step

    with pytest.MonkeyPatch.context() as patch:
        for name in STEPS:
            patch.setattr(os, name, limited(getattr(os, name)))
        yield


def call(root: Path, *words: str, capture: pytest.CaptureFixture[str]) -> dict[str, Any]:
    command, *rest = words
    capture.readouterr()
    releases.main([command, str(root), *rest])
    facts: dict[str, Any] = json.loads(capture.readouterr().out)
    return facts


def fill(root: Path, release: str) -> None:
    """Do what `build` does, as far as this file is concerned."""
    directory = root / "releases" / release
    (directory / "environment").mkdir()
    (directory / "environment" / "all-of-it").touch()
    (directory / "wheels" / "one.whl").touch()


def deploy(root: Path, release: str, capture: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Do what the role does, but for what it runs in between."""
    if call(root, "begin", release, capture=capture)["began"]:
        fill(root, release)
    call(root, "switch", release, capture=capture)
    return call(root, "confirm", release, "2", capture=capture)


def running(root: Path) -> str | None:
    """Return which release a device starts from, and insist that all of it is there."""
    if not os.path.lexists(root / "current"):
        return None
    assert (root / "current" / "environment" / "all-of-it").is_file()
    assert (root / "current" / "whole").is_file()
    return os.path.basename(os.readlink(root / "current"))


def test_a_release_is_begun_built_switched_to_and_confirmed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "root"
    nothing = {"current": None, "previous": None, "is_whole": False, "is_deployed": False}
    facts = call(root, "look", "one", capture=capsys)
    assert facts == {"began": False, "went_back": False, **nothing, "releases": []}
    assert not root.exists()
    facts = call(root, "begin", "one", capture=capsys)
    assert facts == {"began": True, "went_back": False, **nothing, "releases": ["one"]}
    fill(root, "one")
    facts = call(root, "switch", "one", capture=capsys)
    whole = {
        "began": False,
        "went_back": False,
        "current": "one",
        "previous": None,
        "is_whole": True,
    }
    assert facts == {**whole, "is_deployed": False, "releases": ["one"]}
    assert sorted(os.listdir(root / "releases" / "one")) == ["environment", "whole"]
    facts = call(root, "confirm", "one", "2", capture=capsys)
    assert facts == {**whole, "is_deployed": True, "releases": ["one"]}
    assert call(root, "begin", "one", capture=capsys) == facts


def test_a_half_made_release_is_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(tmp_path, "begin", "one", capture=capsys)["began"]
    fill(tmp_path, "one")
    assert call(tmp_path, "begin", "one", capture=capsys)["began"]
    assert os.listdir(tmp_path / "releases" / "one") == ["wheels"]


def test_old_releases_go_and_never_the_current_or_the_previous_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, name in enumerate(("one", "two", "three")):
        deploy(tmp_path, name, capsys)
        os.utime(tmp_path / "releases" / name / "whole", (number, number))
    assert call(tmp_path, "look", "three", capture=capsys)["releases"] == ["three", "two"]
    # The one that runs is the oldest by then, as the newer ones didn't start.
    for name in ("four", "five"):
        call(tmp_path, "begin", name, capture=capsys)
        fill(tmp_path, name)
        call(tmp_path, "switch", name, capture=capsys)
        call(tmp_path, "back", name, capture=capsys)
        assert running(tmp_path) == "three"
    (tmp_path / "releases" / "half").mkdir()
    facts = deploy(tmp_path, "six", capsys)
    assert (facts["current"], facts["previous"]) == ("six", "three")
    assert facts["releases"] == ["five", "six", "three"]


def test_the_first_release_that_does_not_start_leaves_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(tmp_path, "begin", "one", capture=capsys)
    fill(tmp_path, "one")
    call(tmp_path, "switch", "one", capture=capsys)
    assert running(tmp_path) == "one"
    assert call(tmp_path, "back", "one", capture=capsys)["current"] is None
    assert running(tmp_path) is None


@pytest.mark.parametrize("goes_back", [False, True], ids=["starts", "goes-back"])
def test_at_every_step_a_device_without_power_has_a_whole_release(
    goes_back: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = set()
    for steps in range(100):
        root = tmp_path / str(steps)
        deploy(root, "one", capsys)
        deploy(root, "two", capsys)
        try:
            with power_for(steps):
                if call(root, "begin", "three", capture=capsys)["began"]:
                    fill(root, "three")
                call(root, "switch", "three", capture=capsys)
                if goes_back:
                    call(root, "back", "three", capture=capsys)
                else:
                    call(root, "confirm", "three", "2", capture=capsys)
        except PowerLostError:
            seen.add(running(root))
            facts = deploy(root, "three", capsys)
            assert running(root) == "three"
            assert facts["is_deployed"]
            assert facts["previous"] == "two"
            assert facts["releases"] == ["three", "two"]
        else:
            break
    assert seen == {"two", "three"}
    assert steps > 10
    assert running(root) == ("two" if goes_back else "three")


def test_a_missing_pip_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(tmp_path, "begin", "one", capture=capsys)
    with pytest.raises(SystemExit) as stopped:
        releases.main(["build", str(tmp_path), "one", "coral-lock"])
    assert str(stopped.value) == (
        "there is no wheel of pip among the wheels\n"
        "hint: `pip download --only-binary :all: --dest DIR pip coral-lock` fetches what the "
        "lock doesn't pin"
    )


def test_what_the_system_refuses_is_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "releases").touch()
    finished = subprocess.run(
        (sys.executable, "-I", "-", "begin", str(tmp_path), "one"),
        input=SCRIPT.read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        check=False,
    )
    place = tmp_path / "releases" / "one"
    message = f"the system refused: Not a directory: {place}\n"
    assert (finished.returncode, finished.stderr) == (1, message)
