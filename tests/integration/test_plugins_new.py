"""A project that `plugins new` makes goes from nothing to a locked start."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from coral_lock.names import GROUPS
from tests.conftest import MakeDevice
from tests.support.clone import Clone
from tests.support.in_process import WorkingDirectory
from tests.support.wheels import build_wheels

HOSTS = ("coral-inference==0.0.4", "inference==0.58.0")
PLATFORMS = {"backends": "rknn", "patches": "onnx", "workflows": "onnx"}


@pytest.fixture
def author(tmp_path: Path) -> WorkingDirectory:
    """Where an author makes a project."""
    directory = tmp_path / "author"
    directory.mkdir()
    return WorkingDirectory(directory=directory)


def _made(author: WorkingDirectory, *options: str) -> Clone:
    author.coral("plugins", "new", "acme-glow", *options).require(0)
    return Clone(directory=author.directory / "acme-glow")


@pytest.mark.parametrize(
    ("group", "installers"),
    [(group, ("uv", "pip") if group == "patches" else ("uv",)) for group in GROUPS],
)
def test_from_nothing_to_a_locked_start(
    author: WorkingDirectory,
    device: MakeDevice,
    tmp_path: Path,
    group: str,
    installers: tuple[str, ...],
) -> None:
    project = _made(author, "--group", group)
    project.git("init", "-q")
    project.git("add", ".")
    project.git("commit", "-q", "-m", "Begin")
    project.coral("manifest", "compile", "--check").require(0)
    assert project.coral("plugins", "check").require(0).stdout == ""
    tester = device("pytest")
    tester.build("--editable", f"{project.directory}[dev]")
    tester.coral("plugins", "check", "--run", cwd=project.directory).require(0)
    tests = tester.run("python", "-m", "pytest", "-q", cwd=project.directory).require(0)
    assert tests.stdout.rstrip().partition(" in ")[0].endswith("3 passed")
    # What a test run and a build leave behind is ignored.
    assert project.git("status", "--porcelain") == ""

    (wheel,) = build_wheels((project.directory,), tmp_path / "wheels")
    assert project.coral("plugins", "check", wheel).require(0).stdout == ""
    locks = set()
    for installer in installers:
        machine = device(*HOSTS, installer=installer, name=installer)
        machine.install(str(wheel), installer=installer)
        identifier = f"{group}:acme_glow"
        listed = machine.coral("plugins", "list", "--output-format", "json").require(0).json()
        (plugin,) = listed["plugins"]
        assert (plugin["id"], plugin["evidence"], plugin["selected"]) == (
            identifier,
            "manifest",
            True,
        )
        config = project.directory / "runtime.yaml"
        locks.add(machine.locked("-c", config))
        machine.coral("lock", "-c", config, "--check").require(0)
        report = machine.coral("init", "--locked", "-c", config).require(0).json()
        assert report["state"]["platform"] == PLATFORMS[group]
        if group == "backends":
            assert report["state"]["backends_enabled"] == [PLATFORMS[group], "acme_glow"]
        else:
            assert report["state"]["plugins_loaded"] == {identifier: True}
        assert report["findings"] == []
    assert len(locks) == 1


def test_the_command_says_what_it_wrote(author: WorkingDirectory) -> None:
    (author.directory / "projects").mkdir()
    outcome = author.coral(
        "plugins", "new", "Acme.Glow", "--group", "backends", "--directory", "projects"
    ).require(0)
    project = author.directory / "projects" / "Acme.Glow"
    written = [path for path in project.rglob("*") if path.is_file()]
    assert sorted(outcome.stdout.splitlines()) == sorted(
        str(path.relative_to(author.directory)) for path in written
    )
    assert len(written) == 9
    assert outcome.stderr == (
        "wrote projects/Acme.Glow: 9 files; see its README.md for the next steps\n"
    )


def test_nothing_is_overwritten(author: WorkingDirectory) -> None:
    project = _made(author).directory
    (project / "README.md").write_text("mine\n", encoding="utf-8")
    outcome = author.coral("plugins", "new", "acme-glow").require(2)
    assert outcome.stdout == ""
    assert outcome.stderr == (
        "error: the target exists; nothing was written\n"
        "  expected: no file, or an empty directory\n"
        "  found: a directory with files\n"
        "  where: acme-glow\n"
        "  hint: choose another name, or another directory with `--directory DIR`\n"
    )
    assert (project / "README.md").read_text(encoding="utf-8") == "mine\n"
    assert [path.name for path in author.directory.iterdir()] == ["acme-glow"]


def test_a_name_that_can_t_be_used(author: WorkingDirectory) -> None:
    outcome = author.coral("plugins", "new", "email").require(2)
    assert outcome.stderr == (
        "error: a project can't be called `email`: the package `email` would hide another one\n"
        "  hint: add a prefix of your own, like `acme-email`\n"
    )
    assert list(author.directory.iterdir()) == []


def test_a_test_run_that_doesn_t_use_the_fixtures_isn_t_touched(device: MakeDevice) -> None:
    """The pytest plugin is loaded by every run of pytest in its environment."""
    machine = device("pytest")
    machine.write(
        "test_other.py",
        "import sys\n"
        "def test_other():\n"
        "    assert 'coral_lock.testing.pytest_plugin' in sys.modules\n"
        "    assert 'coral_lock.testing.activation' not in sys.modules\n"
        "    assert 'yaml' not in sys.modules and 'click' not in sys.modules\n"
        "    assert not any('coral' in type(finder).__module__ for finder in sys.meta_path)\n",
    )
    machine.run("python", "-W", "error", "-m", "pytest", "-q").require(0)
    listed = machine.run("python", "-m", "pytest", "--fixtures", "-q").require(0).stdout
    for name in ("coral_config", "coral_host", "coral_activation"):
        assert f"\n{name} -- " in f"\n{listed}"


@pytest.mark.parametrize(("option", "warnings"), [("-B", "error"), ("-OO", "default")])
def test_a_test_run_under_the_lock_is_as_without_it(
    device: MakeDevice, option: str, warnings: str
) -> None:
    """Pytest itself warns under `-OO`, which leaves no docstrings either."""
    machine = device("pytest", "my-package==1.0.0")
    machine.write("pytest.ini", f"[pytest]\nfilterwarnings = {warnings}\n")
    machine.write(
        "test_fixtures.py",
        "import sys\n"
        "def test_fixtures(coral_config, coral_host, coral_activation):\n"
        "    coral_host(core='0.0.4', inference='0.58.0')\n"
        "    config = coral_config(platform='onnx')\n"
        "    activation = coral_activation('patches:camera_stabilizer', config=config)\n"
        "    activation.assert_activated('patches:camera_stabilizer')\n"
        "def test_the_lock():\n"
        "    locked = any('LockedImports' in type(each).__name__ for each in sys.meta_path)\n"
        "    print('under the lock:', locked)\n",
    )
    machine.locked_once("--core-version=0.0.4", "--inference-version=0.58.0")
    words = ("python", option, "-m", "pytest", "-rP", "-p", "no:cacheprovider")
    plain = machine.run(*words).require(0).stdout
    locked = machine.coral("run", "--locked", "--", *words).require(0).stdout
    assert "under the lock: True" in locked
    seconds = re.compile(r"in \d+\.\d+s")
    assert seconds.sub("", locked.replace("lock: True", "lock: False")) == seconds.sub("", plain)


_LEAKS = """\
import os, sys
import pytest

ID = "patches:camera_stabilizer"


def surroundings():
    variables = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    return variables, list(sys.path), list(sys.meta_path), sys.pycache_prefix


before = surroundings()


@pytest.mark.parametrize("core", ["0.0.4", "0.0.3", "0.0.4"])
@pytest.mark.parametrize("fresh", [False, True])
def test_activation(coral_host, coral_activation, core, fresh):
    assert surroundings() == before
    assert "my_package" not in sys.modules
    coral_host(core=core, inference="0.58.0")
    activation = coral_activation(ID, fresh=fresh)
    if core == "0.0.4":
        activation.assert_activated(ID)
        assert ("my_package" in sys.modules) is not fresh
    else:
        activation.assert_failed(ID, reason_contains="requires coral-inference >= 0.0.4")


def test_nothing_is_left():
    assert surroundings() == before
    assert not any(name.startswith("my_package") for name in sys.modules)
"""


def test_fixtures_don_t_leak_from_test_to_test(device: MakeDevice) -> None:
    """A host that is really installed, of the same version even, is passed over."""
    machine = device("pytest", "my-package==1.0.0", *HOSTS)
    machine.write("test_leaks.py", _LEAKS)
    machine.run("python", "-m", "pytest", "-q").require(0)
