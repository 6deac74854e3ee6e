"""Compiling manifests in real projects: every layout, every build back end, real wheels."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from coral_lock.__main__ import main
from tests.conftest import MakeDevice
from tests.support.wheels import FIXTURES, build_wheels

SOURCE = """\
from coral_inference.runtime.plugins import PluginSpec


def register():
    def activate(config):
        return True

    return PluginSpec(
        name="cam", activate=activate, description="See", min_core_version="0.0.4"
    )
"""
DYNAMIC = SOURCE.replace('"cam"', "__file__")
MANIFEST = """\
# Its JSON Schema: coral-runtime manifest schema
manifest_version: 1
plugins:
  - group: patches
    name: cam
    entry_point: acme.plugins:register
    description: See
    min_core_version: "0.0.4"
"""
SETUPTOOLS = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
POETRY = '[build-system]\nrequires = ["poetry-core"]\nbuild-backend = "poetry.core.masonry.api"\n'
PROJECT = """
[project]
name = "acme"
version = "1.0"

[project.entry-points."coral_inference.patches"]
cam = "acme.plugins:register"  # the camera
"""
OLD_POETRY = """
[tool.poetry]
name = "acme"
version = "1.0"
description = ""
authors = []

[tool.poetry.plugins."coral_inference.patches"]
cam = "acme.plugins:register"
"""

MakeProject = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeProject:
    """Make a project and go there; the source lies in `package`."""

    def make(pyproject: str, package: str = "acme", files: Mapping[str, str] | None = None) -> Path:
        root = tmp_path / "project"
        written = {
            "pyproject.toml": pyproject,
            f"{package}/__init__.py": "",
            f"{package}/plugins.py": SOURCE,
            **(files or {}),
        }
        for name, text in written.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
        monkeypatch.chdir(root)
        return root

    return make


def wheel_names(root: Path, tmp_path: Path) -> list[str]:
    (wheel,) = build_wheels([root], tmp_path / "wheels")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


SNIPPET = (
    "hint: setuptools omits `coral_plugin.yaml` from the wheel unless it is package data; add to "
    '`pyproject.toml`:\n  [tool.setuptools.package-data]\n  "{}" = ["coral_plugin.yaml"]\n'
)

# The back end and its settings, where the package is, and whether a setting is suggested.
LAYOUTS = {
    "setuptools-flat": (SETUPTOOLS + PROJECT, "acme", True),
    "setuptools-src": (SETUPTOOLS + PROJECT, "src/acme", True),
    "setuptools-where": (
        SETUPTOOLS + PROJECT + '\n[tool.setuptools.packages.find]\nwhere = ["lib"]\n', "lib/acme",
        True,
    ),
    "setuptools-root-dir": (
        SETUPTOOLS + PROJECT
        + '\n[tool.setuptools]\npackages = ["acme"]\n\n'
        + '[tool.setuptools.package-dir]\n"" = "lib"\n', "lib/acme", True,
    ),
    "setuptools-has-data": (
        SETUPTOOLS + PROJECT + '\n[tool.setuptools.package-data]\n"*" = ["*.yaml"]\n', "acme",
        False,
    ),
    "hatchling-flat": (HATCHLING + PROJECT, "acme", False),
    "hatchling-src": (HATCHLING + PROJECT, "src/acme", False),
    "hatchling-packages": (
        HATCHLING + PROJECT + '\n[tool.hatch.build.targets.wheel]\npackages = ["lib/acme"]\n',
        "lib/acme", False,
    ),
    "hatchling-sources": (
        HATCHLING + PROJECT + '\n[tool.hatch.build.targets.wheel]\nonly-include = ["lib"]\n'
        + 'sources = ["lib"]\n', "lib/acme", False,
    ),
    "poetry-flat": (POETRY + PROJECT, "acme", False),
    "poetry-src": (POETRY + PROJECT, "src/acme", False),
    "poetry-plugins": (POETRY + OLD_POETRY, "acme", False),
    "poetry-from": (
        POETRY + PROJECT + '\n[tool.poetry]\npackages = [{include = "acme", from = "lib"}]\n',
        "lib/acme", False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_wheel_has_the_manifest(
    layout: str, project: MakeProject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pyproject, package, is_suggested = LAYOUTS[layout]
    root = project(pyproject, package)
    manifest = root / package / "coral_plugin.yaml"
    assert main(["manifest", "compile"]) == 0
    assert manifest.read_text() == MANIFEST
    assert (root / "pyproject.toml").read_text() == pyproject
    snippet = SNIPPET.format("acme") if is_suggested else ""
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (
        "",
        f"wrote {package}/coral_plugin.yaml: 1 plugin\n{snippet}",
    )
    added = "\n".join(line.strip() for line in snippet.split("\n")[1:])
    (root / "pyproject.toml").write_text(f"{pyproject}\n{added}")
    names = wheel_names(root, tmp_path)
    assert "acme/plugins.py" in names
    assert "acme/coral_plugin.yaml" in names
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert main(["manifest", "compile"]) == 0
    assert main(["manifest", "compile", "--check"]) == 0
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (
        "",
        f"{package}/coral_plugin.yaml is up to date: 1 plugin\n" * 2,
    )


@pytest.mark.parametrize(
    "pyproject",
    [
        SETUPTOOLS + PROJECT,
        HATCHLING + PROJECT + '\n[tool.hatch.build.targets.wheel]\nexclude = ["*.yaml"]\n',
        POETRY + PROJECT + '\n[tool.poetry]\nexclude = ["**/*.yaml"]\n',
    ],
    ids=["setuptools", "hatchling", "poetry"],
)
def test_a_wheel_without_the_manifest_is_noticed(
    pyproject: str, project: MakeProject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = project(pyproject)
    assert main(["manifest", "compile"]) == 0
    (wheel,) = build_wheels([root], tmp_path / "wheels")
    capsys.readouterr()
    assert main(["plugins", "check", str(wheel)]) == 0
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "warning[manifest-missing]: the package `acme` ships no `coral_plugin.yaml`",
        "  where: acme-1.0.dist-info/entry_points.txt:2:1",
        "  hint: run `coral-runtime manifest compile`, and configure the build back end to include "
        "the file in the wheel",
    ]


NAMESPACE = PROJECT.replace('"acme.plugins:', '"acme.cameras.plugins:')


@pytest.mark.parametrize(
    ("pyproject", "base"),
    [
        (
            SETUPTOOLS
            + NAMESPACE
            + '\n[tool.setuptools.package-data]\n"acme.cameras" = ["*.yaml"]\n',
            "src/acme/cameras",
        ),
        (
            HATCHLING + NAMESPACE + '\n[tool.hatch.build.targets.wheel]\npackages = ["acme"]\n',
            "acme/cameras",
        ),
        (
            POETRY + NAMESPACE + '\n[tool.poetry]\npackages = [{include = "acme", from = "lib"}]\n',
            "lib/acme/cameras",
        ),
    ],
    ids=["setuptools", "hatchling", "poetry"],
)
def test_a_namespace_package_isnt_the_place_of_a_manifest(
    pyproject: str, base: str, project: MakeProject, tmp_path: Path
) -> None:
    root = project(pyproject, base)
    assert main(["manifest", "compile"]) == 0
    assert [path.relative_to(root).as_posix() for path in root.rglob("*.yaml")] == [
        f"{base}/coral_plugin.yaml"
    ]
    assert "acme/cameras/coral_plugin.yaml" in wheel_names(root, tmp_path)


def test_each_top_level_package_has_a_manifest(
    project: MakeProject, capsys: pytest.CaptureFixture[str]
) -> None:
    pyproject = SETUPTOOLS + PROJECT + 'lens = "lens:register"\nnight = "acme.plugins:night"\n'
    root = project(
        pyproject,
        files={
            "lens/__init__.py": SOURCE.replace('"cam"', '"lens"'),
            "acme/plugins.py": SOURCE
            + SOURCE[SOURCE.index("def") :]
            .replace("register", "night")
            .replace('"cam"', '"night"'),
        },
    )
    assert main(["manifest", "compile"]) == 0
    assert "name: lens" in (root / "lens/coral_plugin.yaml").read_text()
    names = [
        line
        for line in (root / "acme/coral_plugin.yaml").read_text().split("\n")
        if "name:" in line
    ]
    assert names == ["    name: cam", "    name: night"]
    assert capsys.readouterr().err.endswith(
        SNIPPET.format("acme") + '  "lens" = ["coral_plugin.yaml"]\n'
    )


BY_HAND = """\
# What acme offers.
manifest_version: 1

plugins:
  # The camera.
  - name: cam   # as people know it
    group: patches
    platforms: [rknn]   # nowhere else

    entry_point: 'acme.plugins:register'
    min_core_version: "0.0.3"
    description: >-
      See
    after:
      - "patches:light"

  # Gone from the code.
  - {group: patches, name: old, entry_point: "acme.plugins:old", homepage: "https://example.org"}
"""


def test_what_the_author_wrote_stays(
    project: MakeProject, capsys: pytest.CaptureFixture[str]
) -> None:
    root = project(HATCHLING + PROJECT, files={"acme/coral_plugin.yaml": BY_HAND})
    assert main(["manifest", "compile", "--check"]) == 1
    captured = capsys.readouterr()
    assert [line for line in captured.out.split("\n") if line[:1] in ("-", "+")] == [
        "--- acme/coral_plugin.yaml",
        "+++ acme/coral_plugin.yaml",
        '-    min_core_version: "0.0.3"',
        '+    min_core_version: "0.0.4"',
        "-",
        "-  # Gone from the code.",
        '-  - {group: patches, name: old, entry_point: "acme.plugins:old", homepage: '
        '"https://example.org"}',
    ]
    warning = (
        "warning: `patches:old` isn't in the code, so it is removed with the fields written by "
        "hand: homepage (acme/coral_plugin.yaml:18:5)\n"
    )
    assert captured.err == (
        f"{warning}stale: acme/coral_plugin.yaml\n  hint: run `coral-runtime manifest compile`\n"
    )
    assert (root / "acme/coral_plugin.yaml").read_text() == BY_HAND
    assert main(["manifest", "compile", str(root)]) == 0
    assert capsys.readouterr().err == f"{warning}wrote acme/coral_plugin.yaml: 1 plugin\n"
    expected = BY_HAND.replace('"0.0.3"', '"0.0.4"')
    expected = expected[: expected.index("\n  # Gone")]
    assert (root / "acme/coral_plugin.yaml").read_text() == expected
    assert main(["manifest", "compile", "--check"]) == 0


def test_a_renamed_plugin_keeps_its_terms(project: MakeProject) -> None:
    text = MANIFEST.replace("name: cam", "name: camera") + "    homepage: https://example.org\n"
    root = project(HATCHLING + PROJECT, files={"acme/coral_plugin.yaml": text})
    assert main(["manifest", "compile"]) == 0
    assert (root / "acme/coral_plugin.yaml").read_text() == text.replace("camera", "cam")


def test_what_cant_be_evaluated_is_left_to_the_author(
    project: MakeProject, capsys: pytest.CaptureFixture[str]
) -> None:
    pyproject = HATCHLING + PROJECT + 'own = "acme.dynamic:register"\n'
    root = project(pyproject, files={"acme/dynamic.py": DYNAMIC})
    assert main(["manifest", "compile"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "error: `acme.dynamic:register` can't be evaluated: `__file__` isn't defined in "
        "`acme.dynamic`\n"
        "  where: acme/dynamic.py:9:1\n"
        "  hint: write its plugins by hand under `plugins` in acme/coral_plugin.yaml: "
        "{group: patches, name: …, entry_point: acme.dynamic:register}\n"
        "error: the manifest can't be compiled: 1 problem; nothing was written\n"
    )
    assert not (root / "acme/coral_plugin.yaml").exists()
    by_hand = (
        "manifest_version: 1\nplugins:\n  - group: patches\n    name: own\n"
        "    entry_point: acme.dynamic:register\n    min_core_version: '9'\n"
    )
    (root / "acme/coral_plugin.yaml").write_text(by_hand)
    assert main(["manifest", "compile"]) == 0
    assert (root / "acme/coral_plugin.yaml").read_text() == by_hand + MANIFEST.split("plugins:\n")[
        1
    ]
    assert capsys.readouterr().err == (
        "warning: `acme.dynamic:register` can't be evaluated, so its plugins are kept as "
        "written: acme/dynamic.py:9:1: `__file__` isn't defined in `acme.dynamic`\n"
        "wrote acme/coral_plugin.yaml: 2 plugins\n"
    )
    assert main(["manifest", "compile", "--check"]) == 0


PROBLEMS = {
    "version": (
        {"acme/plugins.py": SOURCE.replace("0.0.4", "four")},
        "error: the min_core_version of `patches:cam` isn't a PEP 440 version\n"
        "  expected: a version like `0.0.4`\n  found: `four`\n  where: acme/plugins.py:9:76\n"
        "  hint: write min_core_version like `0.0.4`\n",
    ),
    "description": (
        {"acme/plugins.py": SOURCE.replace('"See"', r'"one\ntwo"')},
        "error: `patches:cam` can't be declared: its `description` isn't one line of "
        "printable text\n  where: acme/plugins.py:4:1\n",
    ),
    "name": (
        {"acme/plugins.py": SOURCE.replace('"cam"', '"c@m"')},
        "error: the spec of `acme.plugins:register` is malformed: `name` isn't a plugin name: "
        "'c@m'\n  where: acme/plugins.py:4:1\n  hint: correct the field\n",
    ),
    "module": (
        {"pyproject.toml": HATCHLING + PROJECT.replace("acme.plugins:", "acne.plugins:")},
        "error: the entry point `acne.plugins:register` doesn't resolve: the distribution has no "
        "module `acne.plugins`\n  where: pyproject.toml:10:7\n"
        "  hint: correct the entry point or its module\n",
    ),
    "single file": (
        {
            "pyproject.toml": HATCHLING + PROJECT.replace("acme.plugins:", "camera:"),
            "camera.py": SOURCE,
        },
        "error: the project has no package that could ship the manifest of `camera`\n"
        "  expected: `camera` to be a package\n  where: pyproject.toml:10:7\n"
        "  hint: turn the module into the `__init__.py` of a package\n",
    ),
    "twice": (
        {
            "pyproject.toml": HATCHLING + PROJECT + 'two = "acme.more:register"\n',
            "acme/more.py": SOURCE,
        },
        "error: `patches:cam` is yielded twice\n  expected: each plugin once\n"
        "  found: `acme.plugins:register` and `acme.more:register`\n"
        "  where: acme/more.py:4:1\n"
        "  hint: give one of them another name, or declare one entry point only\n",
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_keeps_everything_from_being_written(
    name: str, project: MakeProject, capsys: pytest.CaptureFixture[str]
) -> None:
    files, message = PROBLEMS[name]
    root = project(HATCHLING + PROJECT, files=files)
    assert main(["manifest", "compile"]) == 1
    summary = "error: the manifest can't be compiled: 1 problem; nothing was written\n"
    assert capsys.readouterr().err == message + summary
    assert not list(root.rglob("coral_plugin.yaml"))


@pytest.mark.parametrize("backend", ["flit_core.buildapi", "uv_build", "pdm.backend"])
def test_other_back_ends(
    backend: str, project: MakeProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project(f'[build-system]\nbuild-backend = "{backend}"\n{PROJECT}', "src/acme")
    assert main(["manifest", "compile"]) == 0
    assert capsys.readouterr().err == "wrote src/acme/coral_plugin.yaml: 1 plugin\n"


HOSTILE: dict[str, tuple[str, bytes | Callable[[Path], None] | None, str]] = {
    "pipe": ("pyproject.toml", os.mkfifo, "error: the `pyproject.toml` can't be read: not a "
             "regular file\n  where: pyproject.toml\n"),
    "directory": ("pyproject.toml", os.mkdir, "error: the `pyproject.toml` can't be read: not a "
                  "regular file\n  where: pyproject.toml\n"),
    "absent": ("pyproject.toml", None, "error: there is no `pyproject.toml`\n"
               "  where: pyproject.toml\n  hint: pass the directory of the plugin's project\n"),
    "binary": ("pyproject.toml", b"a = 1\n\xff\x00", "error: the file isn't UTF-8\n"
               "  expected: UTF-8\n  found: byte 0xff\n  where: pyproject.toml:2:1\n"
               "  hint: save the file as UTF-8 without a byte order mark\n"),
    "mark": ("pyproject.toml", b"\xef\xbb\xbfa = 1", "error: the file starts with a byte order "
             "mark\n  expected: UTF-8 without one\n  where: pyproject.toml:1:1\n  hint: save the "
             "file as UTF-8 without a byte order mark\n"),
    "large": ("pyproject.toml", b"#" * 600_000, "error: the `pyproject.toml` can't be read: "
              "600000 bytes, more than the 524288 allowed\n  where: pyproject.toml\n"),
    "manifest pipe": ("acme/coral_plugin.yaml", os.mkfifo, "error: `acme/coral_plugin.yaml` can't "
                      "be read: it isn't a regular file\n"
                      "  expected: a regular file inside the project\n"
                      "  where: acme/coral_plugin.yaml\n  hint: replace it by a regular file\n"),
    "manifest binary": ("acme/coral_plugin.yaml", b"\x00", "error: the file contains an "
                        "invisible character\n  expected: printable text\n  found: U+0000\n"
                        "  where: acme/coral_plugin.yaml:1:1\n"
                        "  hint: remove it, or write it as an escape in double quotes\n"),
    "manifest deep": ("acme/coral_plugin.yaml", b"[" * 100_000, "error: the document is nested "
                      "too deep\n  expected: at most 32 levels\n"
                      "  where: acme/coral_plugin.yaml:1:33\n"),
    "manifest large": ("acme/coral_plugin.yaml", b"#" * 300_000, "error: the manifest is larger "
                       "than 262144 bytes\n  found: 300000 bytes\n"
                       "  where: acme/coral_plugin.yaml\n"),
}  # fmt: skip


def replace_file(path: Path, content: bytes | Callable[[Path], None] | None) -> None:
    path.unlink(missing_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        content(path)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(
    name: str, project: MakeProject, capsys: pytest.CaptureFixture[str]
) -> None:
    file, content, message = HOSTILE[name]
    replace_file(project(HATCHLING + PROJECT) / file, content)
    assert main(["manifest", "compile"]) == 2
    assert capsys.readouterr().err == message


NO_TOML = ["[project\n", "a = " + "[" * 100_000, "a = 1\na = 2"]


@pytest.mark.parametrize("text", NO_TOML, ids=["open", "deep", "twice"])
def test_what_isnt_toml_is_refused_in_the_parsers_words(
    text: str, project: MakeProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project(text)
    assert main(["manifest", "compile"]) == 2
    message, place = capsys.readouterr().err.splitlines()
    assert message.startswith(("error: invalid TOML: ", "error: the document is nested too deep"))
    assert place.startswith("  where: pyproject.toml")


def test_nothing_outside_of_the_project_is_read_or_written(
    project: MakeProject, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text(MANIFEST.replace("cam", "other"))
    root = project(HATCHLING + PROJECT)
    (root / "acme/coral_plugin.yaml").symlink_to(outside)
    assert main(["manifest", "compile"]) == 2
    assert capsys.readouterr().err == (
        "error: `acme/coral_plugin.yaml` can't be read: it is a link that leaves the project\n"
        "  expected: a regular file inside the project\n"
        "  where: acme/coral_plugin.yaml\n  hint: replace it by a regular file\n"
    )
    assert outside.read_text() == MANIFEST.replace("cam", "other")
    (root / "acme/coral_plugin.yaml").unlink()
    (tmp_path / "elsewhere").mkdir()
    (root / "acme").rename(tmp_path / "elsewhere/acme")
    (root / "acme").symlink_to(tmp_path / "elsewhere/acme")
    (root / "pyproject.toml").write_text(
        HATCHLING + PROJECT + '\n[tool.hatch.build.targets.wheel]\nsources = ["../elsewhere"]\n'
    )
    assert main(["manifest", "compile"]) == 1
    assert not (tmp_path / "elsewhere/acme/coral_plugin.yaml").exists()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            SOURCE.replace("def register", "def registered"),
            "did you mean `acme.plugins:registered`?",
        ),
        ("def register(:\n", "the source doesn't parse"),
    ],
)
def test_an_entry_point_that_is_broken_isnt_left_as_it_was(
    project: MakeProject, capsys: pytest.CaptureFixture[str], source: str, reason: str
) -> None:
    root = project(HATCHLING + PROJECT, files={"acme/coral_plugin.yaml": MANIFEST})
    assert main(["manifest", "compile", "--check"]) == 0
    (root / "acme/plugins.py").write_text(source)
    assert main(["manifest", "compile", "--check"]) == 1
    message = capsys.readouterr().err
    assert "error: the entry point `acme.plugins:register` doesn't resolve: " in message
    assert reason in message
    assert (root / "acme/coral_plugin.yaml").read_text() == MANIFEST


def test_an_interruption_leaves_every_file_whole(
    project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(SETUPTOOLS + PROJECT, files={"acme/coral_plugin.yaml": BY_HAND})
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    assert main(["manifest", "compile"]) == 130
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before


def test_a_released_manifest_is_shown(device: MakeDevice, project: MakeProject) -> None:
    pyproject = SETUPTOOLS + PROJECT + '\n[tool.setuptools.package-data]\nacme = ["*.yaml"]\n'
    root = project(pyproject, files={"acme/coral_plugin.yaml": MANIFEST + "    env: {ACME: {}}\n"})
    made = device()
    made.coral("manifest", "compile", root).require(0)
    (wheel,) = build_wheels([root], made.directory)
    shown = made.coral("manifest", "show", wheel.name).require(0)
    assert shown.stdout == (
        MANIFEST.split("\n", 1)[1]
        + "    env:\n      ACME:\n        required: false\n        description: ''\n"
    )
    made.run("python", "-m", "zipfile", "-e", wheel, made.site_packages).require(0)
    installed = made.coral("manifest", "show", "acme", "--output-format", "json").require(0)
    assert installed.json()["plugins"][0]["env"] == {"ACME": {"required": False, "description": ""}}
    made.write("shown.yaml", shown.stdout)
    valid = made.coral("manifest", "validate", "shown.yaml").require(0)
    assert (valid.stdout, valid.stderr) == ("", "shown.yaml is valid: 1 plugin\n")
    none = made.coral("manifest", "show", "click").require(1)
    assert none.stderr.startswith("error: `click` declares no plugin\n")
    absent = made.coral("manifest", "show", "nobody").require(2)
    assert absent.stderr == (
        "error: `nobody` not found\n"
        "  expected: a project's directory, a wheel file, or the name of an available "
        "distribution\n"
        "  found: `nobody`\n"
        "  hint: install it, or pass the path of a project or a wheel\n"
    )


def test_the_manifests_of_the_fixtures_are_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    manifests = sorted((FIXTURES / "plugins").rglob("coral_plugin.yaml"))
    assert len(manifests) >= 12
    for manifest in manifests:
        project = FIXTURES / "plugins" / manifest.relative_to(FIXTURES / "plugins").parts[0]
        assert main(["manifest", "compile", str(project), "--check"]) == 0, capsys.readouterr()
