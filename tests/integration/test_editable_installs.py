"""Editable installs of every kind: one copy is seen, listed, locked where allowed, and started."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import MakeDevice
from tests.support.device import Device, make_device
from tests.support.in_process import WorkingDirectory
from tests.support.wheels import FIXTURES

PLUGIN = "patches:camera_stabilizer"
UNVERIFIED = ("init", "--locked", "--integrity", "metadata")
"""A start that takes what no digest pins, as it is with editable installs."""

GUIDE_MODULE = (FIXTURES / "plugins/my-package/my_package/coral_plugins.py").read_text()
"""The module of the guide, letter by letter."""

PROBED_MODULE = """\
from coral_inference.runtime.plugins import PluginSpec

def register_camera_stabilizer():
    return PluginSpec(name="_".join(["camera", "stabilizer"]), activate=lambda config: True)
"""
"""A module whose spec only running it tells."""

REFERENCE = "my_package.coral_plugins:register_camera_stabilizer"
ENTRY_POINT = f"""
[project.entry-points."coral_inference.patches"]
camera_stabilizer = "{REFERENCE}"
"""
PROJECT = '[project]\nname = "my-package"\nversion = "1.0.0"\ndescription = "A plugin"\n'
SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
POETRY = '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
FLIT = '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "flit_core.buildapi"\n'
FLIT_MODULE = '\n[tool.flit.module]\nname = "my_package"\n'
POETRY_PROJECT = f"""
[tool.poetry]
name = "my-package"
version = "1.0.0"
description = "A plugin"
authors = []

[tool.poetry.plugins."coral_inference.patches"]
camera_stabilizer = "{REFERENCE}"
"""
NAMESPACES = '\n[tool.setuptools.packages.find]\ninclude = ["my_package*"]\nnamespaces = true\n'
EXACT = "\n[tool.hatch.build]\ndev-mode-exact = true\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    pyproject: str
    layout: str
    has_init: bool = True
    options: tuple[str, ...] = ()


KINDS = {
    "setuptools, src": Kind(pyproject=SETUPTOOLS + PROJECT + ENTRY_POINT, layout="src"),
    "setuptools, flat": Kind(pyproject=SETUPTOOLS + PROJECT + ENTRY_POINT, layout="."),
    "setuptools, src, no __init__": Kind(
        pyproject=SETUPTOOLS + PROJECT + ENTRY_POINT, layout="src", has_init=False
    ),
    "setuptools, flat, no __init__": Kind(
        pyproject=SETUPTOOLS + PROJECT + ENTRY_POINT + NAMESPACES, layout=".", has_init=False
    ),
    "hatchling, src": Kind(pyproject=HATCHLING + PROJECT + ENTRY_POINT, layout="src"),
    "hatchling, flat": Kind(pyproject=HATCHLING + PROJECT + ENTRY_POINT, layout="."),
    "hatchling, exact": Kind(pyproject=HATCHLING + PROJECT + ENTRY_POINT + EXACT, layout="src"),
    "poetry-core, src": Kind(pyproject=POETRY + POETRY_PROJECT, layout="src"),
    "poetry-core, flat": Kind(pyproject=POETRY + PROJECT + ENTRY_POINT, layout="."),
    "flit, src": Kind(pyproject=FLIT + PROJECT + ENTRY_POINT + FLIT_MODULE, layout="src"),
    "flit, flat": Kind(pyproject=FLIT + PROJECT + ENTRY_POINT + FLIT_MODULE, layout="."),
}
HOSTS = ("coral-inference==0.0.4", "inference==0.58.0")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Device:
    """An environment with hosts; a test takes its project out again."""
    directory = tmp_path_factory.mktemp("editable") / "workshop"
    return make_device(directory, wheelhouse, *HOSTS, "editables")


@pytest.fixture
def machine(workshop: Device) -> Iterator[Device]:
    """The workshop, in which a test may install `my-package`."""
    yield workshop
    for path in workshop.site_packages.glob("*my_package*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    workshop.lock_path.unlink(missing_ok=True)


def _project(directory: Path, kind: Kind, module: str = GUIDE_MODULE) -> Path:
    package = directory / kind.layout / "my_package"
    package.mkdir(parents=True)
    if kind.has_init:
        (package / "__init__.py").write_text('"""My package."""\n')
    (package / "coral_plugins.py").write_text(module)
    (directory / "pyproject.toml").write_text(kind.pyproject)
    return directory


def _install(machine: Device, project: Path, installer: str = "uv") -> None:
    machine.build("--editable", project, installer=installer)


def _install_in_isolation(machine: Device, project: Path) -> None:
    """Install as users do: setuptools, when asked what it needs, leaves an `.egg-info` behind."""
    machine.install("--editable", str(project))


@pytest.mark.parametrize("name", KINDS)
def test_one_copy_is_seen_locked_and_started(machine: Device, tmp_path: Path, name: str) -> None:
    _install(machine, _project(tmp_path / "project", KINDS[name]))
    elsewhere = WorkingDirectory(directory=tmp_path)
    words = ("plugins", "list", "--output-format", "json", "--python", machine.environment.root)
    seen = elsewhere.coral(*words).require(0).json()
    assert [(each["id"], each["selected"]) for each in seen["plugins"]] == [(PLUGIN, True)]
    # From inside the source is found in any case: it has to tell what it is.
    assert list(json.loads(machine.locked("--allow-editable", "--no-exec"))["plugins"]) == [PLUGIN]
    report = machine.coral(*UNVERIFIED).require(0).json()
    assert report["state"]["plugins_loaded"] == {PLUGIN: True}
    # Most editable installs are a `.pth`, which runs at every start.
    found = [(each["code"], each["severity"]) for each in report["findings"]]
    assert [each for each in found if each[0] != "unlocked-startup"] == [("unpinned", "warning")]


@pytest.mark.parametrize(
    ("name", "installer"),
    [("setuptools, src", "pip"), ("setuptools, flat", "uv"), ("hatchling, exact", "pip")],
)
def test_every_command_knows_it(machine: Device, tmp_path: Path, name: str, installer: str) -> None:
    """A path, a finder of setuptools and one of hatchling, by pip and by uv."""
    _install(machine, _project(tmp_path / "project", KINDS[name]), installer)
    listed = machine.coral("plugins", "list", "--output-format", "json").require(0).json()
    assert [(each["id"], each["selected"], each["evidence"]) for each in listed["plugins"]] == [
        (PLUGIN, True, "static")
    ]
    assert listed["findings"] == []
    assert machine.coral("init").require(0).json()["state"]["plugins_loaded"] == {PLUGIN: True}

    refused = machine.coral("lock").require(1)
    assert "error[editable-install]: `my-package` is an editable install" in refused.stderr
    machine.locked("--allow-editable")
    machine.coral("lock", "--allow-editable", "--check").require(0)
    unpinned = machine.coral("init", "--locked").require(1)
    assert "  hint: lock it from a wheel; `--integrity metadata` starts without it\n" in (
        unpinned.stderr
    )
    report = machine.coral(*UNVERIFIED).require(0).json()
    assert report["state"]["plugins_loaded"] == {PLUGIN: True}
    machine.coral("verify", "--integrity", "metadata").require(0)


@pytest.mark.parametrize("name", ["setuptools, src", "setuptools, flat"])
def test_the_project_on_the_path_is_no_second_copy(
    machine: Device, tmp_path: Path, name: str
) -> None:
    project = _project(tmp_path / "project", KINDS[name])
    _install_in_isolation(machine, project)
    assert list(project.rglob("*.egg-info"))
    variables = {"PYTHONPATH": f"{project}:{project / KINDS[name].layout}"}
    machine.coral("lock", "--allow-editable", env=variables).require(0)
    machine.coral(*UNVERIFIED, env=variables).require(0)


def test_an_egg_info_elsewhere_is_a_second_copy(machine: Device, tmp_path: Path) -> None:
    project = _project(tmp_path / "project", KINDS["setuptools, flat"])
    _install_in_isolation(machine, project)
    machine.locked("--allow-editable")
    elsewhere = tmp_path / "project-of-others"
    shutil.copytree(project / "my_package.egg-info", elsewhere / "my_package.egg-info")
    variables = {"PYTHONPATH": str(elsewhere)}
    listed = machine.coral("plugins", "list", env=variables).require(1)
    assert "error[duplicate-distribution]: `my-package` is installed 2 times: " in listed.stderr
    report = machine.coral(*UNVERIFIED, env=variables).require(1).json()
    assert "duplicate-distribution" in {each["code"] for each in report["findings"]}


def test_an_egg_info_beside_the_dist_info_is_a_second_copy(
    workshop: Device, machine: Device, tmp_path: Path
) -> None:
    """As in an environment within the project itself."""
    kind = KINDS["setuptools, flat"]
    project = _project(tmp_path / "project", kind)
    _install_in_isolation(machine, project)
    (dist_info,) = machine.site_packages.glob("my_package-*.dist-info")
    (dist_info / "direct_url.json").write_text(
        json.dumps({"url": workshop.environment.root.as_uri(), "dir_info": {"editable": True}})
    )
    shutil.copytree(project / "my_package.egg-info", dist_info.with_name("my_package.egg-info"))
    listed = machine.coral("plugins", "list").require(1)
    assert "error[duplicate-distribution]: `my-package` is installed 2 times: " in listed.stderr


def test_the_sources_of_what_is_installed_from_a_wheel_are_a_second_copy(
    machine: Device, tmp_path: Path
) -> None:
    project = _project(tmp_path / "project", KINDS["setuptools, src"])
    machine.build(project)
    assert (project / "src" / "my_package.egg-info").is_dir()
    outcome = machine.coral("plugins", "list", env={"PYTHONPATH": str(project / "src")})
    assert "error[duplicate-distribution]" in outcome.require(1).stderr


@pytest.mark.parametrize("name", ["setuptools, src", "setuptools, flat, no __init__"])
def test_a_plugin_that_has_to_be_probed(machine: Device, tmp_path: Path, name: str) -> None:
    _install(machine, _project(tmp_path / "project", KINDS[name], PROBED_MODULE))
    listed = machine.coral("plugins", "list", "--output-format", "json").require(0).json()
    assert [(each["id"], each["evidence"]) for each in listed["plugins"]] == [(PLUGIN, "probe")]


def test_a_manifest_in_the_sources(machine: Device, tmp_path: Path) -> None:
    for name in ("setuptools, src, no __init__", "setuptools, flat, no __init__"):
        kind = KINDS[name]
        project = _project(tmp_path / name, kind)
        WorkingDirectory(directory=project).coral("manifest", "compile").require(0)
        assert (project / kind.layout / "my_package" / "coral_plugin.yaml").is_file()
        _install(machine, project)
        listed = machine.coral("plugins", "list", "--output-format", "json").require(0).json()
        assert [each["evidence"] for each in listed["plugins"]] == ["manifest"]


def test_a_package_within_a_namespace(machine: Device, tmp_path: Path) -> None:
    project = tmp_path / "project"
    package = project / "my_package" / "vision"
    package.mkdir(parents=True)
    (package / "coral_plugins.py").write_text(GUIDE_MODULE)
    text = (SETUPTOOLS + PROJECT + ENTRY_POINT + NAMESPACES).replace(
        "my_package.coral_plugins", "my_package.vision.coral_plugins"
    )
    (project / "pyproject.toml").write_text(text)
    _install(machine, project)
    listed = machine.coral("plugins", "list", "--output-format", "json").require(0).json()
    assert [(each["id"], each["evidence"]) for each in listed["plugins"]] == [(PLUGIN, "static")]
    machine.locked("--allow-editable")
    report = machine.coral(*UNVERIFIED).require(0).json()
    assert report["state"]["plugins_loaded"] == {PLUGIN: True}


def test_a_host_that_is_an_editable_install(device: MakeDevice, tmp_path: Path) -> None:
    machine = device("inference==0.58.0", "my-package")
    project = tmp_path / "coral-inference"
    shutil.copytree(FIXTURES / "hosts/coral-inference-0.0.4", project)
    _install(machine, project)
    machine.locked("--allow-editable")
    report = machine.coral(*UNVERIFIED).require(0).json()
    assert report["state"]["plugins_loaded"] == {PLUGIN: True}
    found = [(each["code"], each["subject"]) for each in report["findings"]]
    assert [each for each in found if each[0] != "unlocked-startup"] == [
        ("unpinned", "coral-inference")
    ]
