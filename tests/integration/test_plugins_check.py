"""`plugins check` on every fixture plugin: its project, its wheel, and what is installed."""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from coral_lock.__main__ import main
from coral_lock.author import run as run_module
from coral_lock.author.subject import open_target
from tests.conftest import MakeDevice
from tests.support.device import Device
from tests.support.in_process import WorkingDirectory
from tests.support.wheels import build_wheels, fixture_projects

FIXTURES = tuple(project for project in fixture_projects() if project.parent.name == "plugins")
UNREADABLE = ("spec-unreadable",)
EXPECTED = {
    "bad-requirement": ("invalid-requirement",),
    "dynamic-exits": UNREADABLE,
    "dynamic-hangs": UNREADABLE,
    "dynamic-kills": UNREADABLE,
    "dynamic-prints": UNREADABLE,
    "dynamic-spec": UNREADABLE,
    "legacy-activate": ("poor-description",),
}
"""What is found without running anything, besides that there is no manifest yet."""

INSTALLED_ONCE = tuple(
    project.name for project in FIXTURES if project.name not in ("my-package-1.1.0",)
)
PROJECTS = [pytest.param(project, id=project.name) for project in FIXTURES]


def _codes(document: Any) -> tuple[str, ...]:
    """Return the codes that were found; a manifest may be there or not be there yet."""
    return tuple(
        finding["code"] for finding in document["findings"] if finding["code"] != "manifest-missing"
    )


def _check(*words: str | Path, capfd: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    code = main(["plugins", "check", *map(str, words), "--output-format", "json"])
    return code, json.loads(capfd.readouterr().out)


@pytest.fixture(scope="session")
def wheels(wheelhouse: Path) -> dict[str, Path]:
    return dict(zip((p.name for p in FIXTURES), build_wheels(FIXTURES, wheelhouse), strict=True))


@pytest.mark.parametrize("project", PROJECTS)
def test_a_project(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, document = _check(project, capfd=capfd)
    expected = EXPECTED.get(project.name, ())
    assert (document["kind"], _codes(document)) == ("project", expected)
    assert code == ("invalid-requirement" in expected)
    assert document["plugins"]
    for finding in document["findings"]:
        file, line, column = finding["where"].rsplit(":", 2)
        assert Path(file).is_file()
        assert int(line) > 0
        assert int(column) > 0


@pytest.mark.parametrize("project", PROJECTS)
def test_a_wheel(project: Path, wheels: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    code, document = _check(wheels[project.name], capfd=capfd)
    expected = EXPECTED.get(project.name, ())
    assert (document["kind"], _codes(document)) == ("wheel", expected)
    assert code == ("invalid-requirement" in expected)


CHECK_EACH = """\
import contextlib, io, json, sys
from coral_lock.__main__ import main
for name in sys.argv[1:]:
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())) as printed:
        code = main(["plugins", "check", name, "--output-format", "json"])
    print(json.dumps([code, json.loads(printed.buffer.getvalue())]))
"""
"""It checks installed distributions one after the other, and prints the exit codes and results."""


def test_installed_distributions(device: MakeDevice) -> None:
    names = [name for name in INSTALLED_ONCE if name != "my-package"]
    machine = device(*names, "my-package==1.0.0")
    outcome = machine.run("python", "-c", CHECK_EACH, *names, "my-package").require(0)
    for name, line in zip((*names, "my-package"), outcome.stdout.splitlines(), strict=True):
        code, document = json.loads(line)
        expected = EXPECTED.get(name, ())
        assert (document["kind"], _codes(document)) == ("installed", expected), name
        assert code == ("invalid-requirement" in expected)


RUNS = {
    "prints-stdout": (0, ("import-output",)),
    "hangs-import": (1, ("import-failed",)),
    "kills-process": (1, ("import-failed",)),
    "fails-exit-import": (1, ("import-failed",)),
    "fails-import": (1, ("import-failed",)),
    "fails-exit-activate": (1, ("activation-failed",) * 2),
    "fails-raise": (1, ("activation-failed",) * 2),
    "fails-false": (0, ("activation-failed",) * 2),
    "dynamic-spec": (0, ("spec-unreadable",)),
    "dynamic-exits": (1, ("import-failed", "spec-unreadable")),
    "acme-denoise": (0, ()),
    "acme-vision": (0, ()),
    "rknn-backend": (0, ()),
    "generic-backend": (0, ()),
    "legacy-activate": (0, ("poor-description",)),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_a_project(
    name: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coral_lock.author.run.TIME_LIMIT", 2)
    (project,) = fixture_projects(name)
    code, document = _check(project, "--run", capfd=capfd)
    assert (code, _codes(document)) == RUNS[name]
    assert document["measurements"]["imports"]


def test_a_run_measures_each_platform(capfd: pytest.CaptureFixture[str]) -> None:
    (project,) = fixture_projects("rknn-backend")
    _, document = _check(project, "--run", capfd=capfd)
    measured = document["measurements"]
    assert measured["configuration"] == "the defaults"
    assert [
        (item["plugin"], item["platform"], item["supported"], item["result"])
        for item in measured["activations"]
    ] == [
        ("backends:rknn_npu", "onnx", False, "unsupported"),
        ("backends:rknn_npu", "rknn", True, "true"),
    ]
    (imported,) = measured["imports"]
    assert imported["import_ms"] < run_module.MAX_IMPORT_MS
    assert imported["error"] is None


def test_a_wheel_runs_from_where_it_is_unpacked(
    wheels: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    code, document = _check(wheels["acme-vision"], "--run", capfd=capfd)
    assert (code, _codes(document)) == (0, ())
    assert {item["result"] for item in document["measurements"]["activations"]} == {"true"}


def test_an_installed_plugin_runs_with_what_it_requires(device: MakeDevice) -> None:
    machine = device("deep-plugin", "coral-inference==0.0.4", "inference==0.58.0")
    outcome = machine.coral("plugins", "check", "deep-plugin", "--run", "--output-format", "json")
    document = outcome.require(0).json()
    assert _codes(document) == ()
    assert {item["result"] for item in document["measurements"]["activations"]} == {"true"}


@pytest.fixture
def machine(device: MakeDevice) -> Device:
    return device("my-package==1.0.0")


def test_an_installed_distribution_that_was_changed(machine: Device) -> None:
    sources = machine.site_packages / "my_package" / "coral_plugins.py"
    sources.write_text(sources.read_text() + "\n")
    outcome = machine.coral("plugins", "check", "my-package", "--output-format", "json")
    (finding, *_) = outcome.require(1).json()["findings"]
    assert finding["code"] == "false-record"
    assert finding["summary"] == (
        "`my_package/coral_plugins.py` of `my-package` isn't the file that its RECORD states"
    )


def test_a_stray_file_beside_an_installed_distribution(machine: Device) -> None:
    (machine.site_packages / "my_package" / "stray.py").write_text("")
    outcome = machine.coral("plugins", "check", "my-package", "--output-format", "json")
    (finding, *_) = outcome.require(1).json()["findings"]
    assert finding["code"] == "false-record"
    assert finding["summary"] == (
        "unexpected file in a directory of `my-package`: `my_package/stray.py`"
    )


def test_the_text_the_annotations_and_the_exit_codes(machine: Device) -> None:
    (project,) = fixture_projects("bad-requirement")
    copy = machine.directory / "project"
    shutil.copytree(project, copy)
    (copy / "bad_requirement" / "coral_plugin.yaml").unlink(missing_ok=True)
    outcome = machine.coral("plugins", "check", "project").require(1)
    assert outcome.stdout == (
        "error[invalid-requirement]: the min_core_version of `patches:bad_requirement` isn't a "
        "PEP 440 version\n"
        "  expected: a version like `0.0.4`\n"
        "  found: `not-a-version`\n"
        "  where: project/bad_requirement/coral_plugins.py:12:26\n"
        "  hint: write min_core_version like `0.0.4`\n"
        "warning[manifest-missing]: the package `bad_requirement` ships no `coral_plugin.yaml`\n"
        "  where: project/pyproject.toml:12:19\n"
        "  hint: run `coral-runtime manifest compile`\n"
    )
    assert outcome.stderr == "bad-requirement 1.0.0 (project): 1 plugin, 1 error, 1 warning\n"
    outcome = machine.coral("plugins", "check", "--output-format", "github", cwd=copy).require(1)
    assert outcome.stdout.splitlines() == [
        "::error file=bad_requirement/coral_plugins.py,line=12,col=26,title=invalid-requirement"
        "::the min_core_version of `patches:bad_requirement` isn't a PEP 440 version"
        "%0Aexpected: a version like `0.0.4`%0Afound: `not-a-version`"
        "%0Ahint: write min_core_version like `0.0.4`",
        "::warning file=pyproject.toml,line=12,col=19,title=manifest-missing"
        "::the package `bad_requirement` ships no `coral_plugin.yaml`"
        "%0Ahint: run `coral-runtime manifest compile`",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["not-installed"], "`not-installed` not found"),
        (["gone/"], "there is no `pyproject.toml`"),
        (["gone.whl"], "wheel not found"),
        ([str(FIXTURES[0]), "-c", "gone.yaml"], "there is no descriptor"),
        (["click"], "`click` declares no plugin"),
    ],
)
def test_a_bad_target_is_bad_input(tmp_path: Path, words: list[str], message: str) -> None:
    work = WorkingDirectory(directory=tmp_path)
    outcome = work.coral("plugins", "check", *words).require(2)
    assert outcome.stdout == ""
    assert outcome.stderr.splitlines()[0] == f"error: {message}"


def test_hostile_wheels_leave_nothing_outside(tmp_path: Path, wheels: dict[str, Path]) -> None:
    hostile = tmp_path / "in" / wheels["my-package"].name
    hostile.parent.mkdir()
    shutil.copy(wheels["my-package"], hostile)
    with zipfile.ZipFile(hostile, "a") as archive:
        archive.writestr("../../escaped.py", "")
        archive.writestr(f"{tmp_path}/absolute.py", "")
        archive.writestr("my_package/../../../up.py", "")
    before = sorted(os.listdir(tmp_path))
    with open_target(str(hostile), run=True) as subject:
        assert [problem.code for problem in subject.problems] == ["wheel-malformed"]
        assert subject.import_path == ()
    assert sorted(os.listdir(tmp_path)) == before


def test_a_wheel_is_unpacked_as_long_as_it_is_run(wheels: dict[str, Path]) -> None:
    with open_target(str(wheels["my-package"]), run=True) as subject:
        (unpacked,) = subject.import_path
        assert {path.name for path in Path(unpacked).rglob("*.py")} == {
            "__init__.py",
            "coral_plugins.py",
        }
    assert not Path(unpacked).exists()


def test_checking_imports_nothing_of_the_target(capfd: pytest.CaptureFixture[str]) -> None:
    (project,) = fixture_projects("kills-process")
    assert main(["plugins", "check", str(project)]) == 0
    assert "kills_process" not in sys.modules
