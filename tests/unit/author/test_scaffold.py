"""What a new project holds, and that it is written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from coral_lock.author.scaffold import package_of, project_files, write_project
from coral_lock.descriptor.load import load_descriptor
from coral_lock.document.schema import schema_text
from coral_lock.errors import InputError, WriteError
from coral_lock.inventory import EntryPoint
from coral_lock.manifest import read_manifest
from coral_lock.names import GROUPS
from coral_lock.plugin.facts import PluginFacts
from coral_lock.static.evaluation import evaluate
from coral_lock.static.source import Sources

PATHS = [
    ".github/workflows/ci.yml",
    ".gitignore",
    "README.md",
    "pyproject.toml",
    "runtime.yaml",
    "src/acme_glow/__init__.py",
    "src/acme_glow/coral_plugin.yaml",
    "src/acme_glow/plugin.py",
    "tests/test_plugin.py",
]
PREFIX = "add a prefix of your own, like `acme-{}`"


def _files(group: str = "patches") -> dict[str, str]:
    return dict(project_files("acme-glow", group))


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("acme-glow", "acme_glow"),
        ("Acme.Glow", "acme_glow"),
        ("acme__glow", "acme_glow"),
        ("glow2", "glow2"),
        ("x" * 100, "x" * 100),
    ],
)
def test_everything_is_named_after_the_distribution(name: str, package: str) -> None:
    assert package_of(name, "patches") == package


@pytest.mark.parametrize(
    "name", ["", "-glow", "glow-", "acme glow", "acme/glow", "..", "glöw", "glow\n", "x" * 101]
)
def test_what_can_t_name_a_distribution(name: str) -> None:
    with pytest.raises(InputError) as refusal:
        package_of(name, "patches")
    assert refusal.value.message == "invalid name of a distribution"
    assert (
        refusal.value.expected == "letters, digits and inner `-`, `_` and `.`, at most 100 of them"
    )
    assert refusal.value.found == name
    assert refusal.value.hint == "use a name like `acme-night-vision`"


@pytest.mark.parametrize(
    ("name", "problem", "normalized"),
    [
        ("class", "its package `class` couldn't be imported", "class"),
        ("3d-view", "its package `3d_view` couldn't be imported", "3d-view"),
        ("Json", "the package `json` would hide another one", "json"),
        (
            "coral_inference",
            "the package `coral_inference` would hide another one",
            "coral-inference",
        ),
        ("inference-gpu", "the package `inference_gpu` would hide another one", "inference-gpu"),
        ("coral-lock", "the package `coral_lock` would hide another one", "coral-lock"),
        ("tests", "the package `tests` would hide another one", "tests"),
        ("camera", "`camera` is a built-in patch of the host", "camera"),
    ],
)
def test_what_would_clash_with_others(name: str, problem: str, normalized: str) -> None:
    with pytest.raises(InputError) as refusal:
        package_of(name, "patches")
    assert refusal.value.message == f"a project can't be called `{name}`: {problem}"
    assert refusal.value.hint == PREFIX.format(normalized)


def test_a_backend_may_bear_the_name_of_a_patch_of_the_host() -> None:
    assert package_of("camera", "backends") == "camera"


@pytest.mark.parametrize("group", GROUPS)
def test_the_files_of_a_project(group: str) -> None:
    files = _files(group)
    assert list(files) == PATHS
    for path, text in files.items():
        assert text.endswith("\n"), path
        assert not text.endswith("\n\n"), path
        assert "\r" not in text, path
        if path.endswith(".py"):
            compile(text, path, "exec")


@pytest.mark.parametrize("group", GROUPS)
def test_the_manifest_says_what_the_source_says(group: str) -> None:
    files = _files(group)
    (declared,) = read_manifest(files["src/acme_glow/coral_plugin.yaml"].encode(), "m")
    assert declared.entry_point == "acme_glow.plugin:register_acme_glow"

    def read_source(path: str) -> bytes | None:
        return files[f"src/{path}"].encode() if f"src/{path}" in files else None

    entry_point = EntryPoint(group=group, name="acme_glow", value=declared.entry_point)
    assert evaluate(entry_point, Sources(read_source)) == (declared.facts,)
    assert (
        f'"coral_inference.{group}"]\nacme_glow = "{declared.entry_point}"'
        in (files["pyproject.toml"])
    )


def test_the_facts_of_a_new_patch() -> None:
    (declared,) = read_manifest(_files()["src/acme_glow/coral_plugin.yaml"].encode(), "m")
    assert declared.facts == PluginFacts(
        name="acme_glow",
        description="The patch acme_glow for Coral Runtime",
        min_core_version="0.0.4",
        min_inference_version="0.9.0",
    )


@pytest.mark.parametrize("group", GROUPS)
def test_the_sample_descriptor_asks_for_the_plugin(group: str, tmp_path: Path) -> None:
    path = tmp_path / "runtime.yaml"
    path.write_text(_files(group)["runtime.yaml"], encoding="utf-8")
    request = load_descriptor(str(path)).request(f"{group}:acme_glow")
    assert request is not None
    assert request.enabled
    assert load_descriptor(str(path)).warnings == ()


def _yaml(text: str) -> Any:
    return yaml.safe_load(text)


def test_files_name_the_command_that_prints_their_schema() -> None:
    files = _files()
    for path, schema, command in (
        ("runtime.yaml", "descriptor", "config"),
        ("src/acme_glow/coral_plugin.yaml", "manifest", "manifest"),
    ):
        first = files[path].split("\n")[0]
        assert first == f"# Its JSON Schema: coral-runtime {command} schema", path
        jsonschema.validate(_yaml(files[path]), json.loads(schema_text(schema)))


def test_the_workflow_runs_tests_and_checks_and_builds() -> None:
    workflow = _yaml(_files()[".github/workflows/ci.yml"])
    commands = [step["run"] for step in workflow["jobs"]["check"]["steps"] if "run" in step]
    assert commands == [
        'python -m pip install --editable ".[dev]"',
        "coral-runtime manifest compile --check",
        "coral-runtime plugins check --run --output-format github",
        "python -m pytest",
        "python -m build --wheel",
        "coral-runtime plugins check dist/*.whl --output-format github",
    ]
    assert "${{ matrix.python-version }}" in _files()[".github/workflows/ci.yml"]


@pytest.mark.parametrize("is_there", [False, True])
def test_a_project_is_written(tmp_path: Path, is_there: bool) -> None:
    target = tmp_path / "acme-glow"
    if is_there:
        target.mkdir()
    write_project(str(target), _files())
    assert [path.name for path in tmp_path.iterdir()] == ["acme-glow"]
    written = {
        path.relative_to(target).as_posix(): path.read_bytes().decode()
        for path in target.rglob("*")
        if path.is_file()
    }
    assert written == _files()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "acme-glow"
    target.mkdir()
    (target / "note.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError) as refusal:
        write_project(str(target), _files())
    assert refusal.value.message == ("the target exists; nothing was written")
    assert refusal.value.expected == "no file, or an empty directory"
    assert refusal.value.found == "a directory with files"
    assert refusal.value.where == str(target)
    assert refusal.value.hint == "choose another name, or another directory with `--directory DIR`"
    assert [path.name for path in tmp_path.rglob("*")] == ["acme-glow", "note.txt"]


@pytest.mark.parametrize("kind", ["file", "link", "dangling link"])
def test_what_is_no_directory_is_left_alone(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "acme-glow"
    if kind == "file":
        target.write_text("mine", encoding="utf-8")
    else:
        target.symlink_to(tmp_path / "elsewhere")
        if kind == "link":
            (tmp_path / "elsewhere").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as refusal:
        write_project(str(target), _files())
    assert refusal.value.found == "a file or a link"
    assert sorted(tmp_path.rglob("*")) == before


def test_the_directory_around_it_is_not_made(tmp_path: Path) -> None:
    parent = tmp_path / "no place"
    with pytest.raises(InputError) as refusal:
        write_project(str(parent / "acme-glow"), _files())
    assert refusal.value.message == "the directory for the project doesn't exist"
    assert refusal.value.where == str(parent)
    assert refusal.value.hint == f"create it with `mkdir -p '{parent}'`"
    assert list(tmp_path.iterdir()) == []


def test_a_failure_half_way_leaves_nothing(tmp_path: Path) -> None:
    files = {**_files(), "z" * 300: "a name that no file system takes\n"}
    target = tmp_path / "acme-glow"
    with pytest.raises(WriteError) as refusal:
        write_project(str(target), files)
    assert refusal.value.message == (
        f"`{target}` can't be written: File name too long; nothing was written"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(source: str, target: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_project(str(tmp_path / "acme-glow"), _files())
    assert list(tmp_path.iterdir()) == []


def test_someone_else_s_files_win_a_race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "acme-glow"
    rename = os.rename

    def late(source: str, destination: str) -> None:
        target.mkdir()
        (target / "theirs.txt").write_text("theirs", encoding="utf-8")
        rename(source, destination)

    monkeypatch.setattr(os, "rename", late)
    with pytest.raises(WriteError):
        write_project(str(target), _files())
    assert [path.name for path in tmp_path.rglob("*")] == ["acme-glow", "theirs.txt"]
