"""Projects of plugin authors, read from `pyproject.toml`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coral_lock.author.compile import compile_project
from coral_lock.author.project import read_project
from coral_lock.errors import CoralLockError, InputError, ProblemsError, UnreadableSourceError
from coral_lock.inventory import EntryPoint
from tests.support.refusals import is_answered
from tests.unit.descriptor.wording import told

PROJECT = """\
[build-system]
build-backend = "hatchling.build"

[project]
name = "Acme.Vision"
version = "1.0"

[project.entry-points."coral_inference.patches"]
second = "acme.plugins:second"
first = 'acme.plugins:first [extra]'  # with an extra

[project.urls]
homepage = "https://example.org"

[project.entry-points]
"coral_inference.backends" = {npu = "acme.npu:register"}
other = {x = "nothing to do with us"}
"""


def write(directory: Path, text: str, *files: str) -> Path:
    (directory / "pyproject.toml").write_text(text)
    for name in files:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(f"# {name}")
    return directory


def mistakes_of(text: str, directory: Path) -> list[str]:
    write(directory, text)
    with pytest.raises(CoralLockError) as caught:
        read_project(str(directory))
    assert caught.value.exit_code == 2
    return [line.replace(f"{directory}/", "") for line in told(caught.value)]


def test_a_project_is_read_in_the_order_of_its_file(tmp_path: Path) -> None:
    project = read_project(str(write(tmp_path, PROJECT)))
    assert (project.root, project.name, project.version, project.backend) == (
        str(tmp_path),
        "acme-vision",
        "1.0",
        "hatchling",
    )
    assert [(e.entry_point, e.where.split(":", 1)[1]) for e in project.entry_points] == [
        (EntryPoint(group="patches", name="second", value="acme.plugins:second"), "9:10"),
        (EntryPoint(group="patches", name="first", value="acme.plugins:first"), "10:9"),
        (EntryPoint(group="backends", name="npu", value="acme.npu:register"), "16:37"),
    ]


POETRY = """\
[build-system]
build-backend = "poetry.core.masonry.api"

[tool.poetry]
name = "acme"
version = "2"

[tool.poetry.plugins."coral_inference.patches"]
first = "acme.plugins:first"
"""


def test_poetry_has_tables_of_its_own(tmp_path: Path) -> None:
    project = read_project(str(write(tmp_path, POETRY)))
    assert (project.name, project.version) == ("acme", "2")
    assert [entry.entry_point.value for entry in project.entry_points] == ["acme.plugins:first"]
    [mistake] = mistakes_of(
        POETRY.replace("poetry.core.masonry.api", "hatchling.build") + '[project]\nname = "acme"',
        tmp_path,
    )
    assert mistake == (
        "the project declares no plugin | where: pyproject.toml:1:1 | expected: an entry point in "
        "one of the groups coral_inference.backends, coral_inference.patches, "
        "coral_inference.workflows | hint: declare one under "
        '`[project.entry-points."coral_inference.patches"]`, like '
        '`my_plugin = "acme.coral_plugins:register"`'
    )


MISTAKES = [
    (
        "acme.plugins:second",
        "acme.plugins",
        "the entry point `second` has an invalid value | where: pyproject.toml:9:10 | expected: "
        "`module:attribute` | found: acme.plugins",
    ),
    (
        '"acme.plugins:second"',
        "1",
        "the entry point `second` has an invalid value | where: pyproject.toml:9:10 | expected: "
        "`module:attribute` | found: int",
    ),
    (
        "coral_inference.backends",
        "coral_inference.backend",
        "unknown entry point group `coral_inference.backend` | where: pyproject.toml:16:36 | "
        "expected: `coral_inference.backends` or `coral_inference.patches` or "
        "`coral_inference.workflows` | hint: did you mean `coral_inference.backends`?",
    ),
    (
        '{npu = "acme.npu:register"}',
        '"acme.npu:register"',
        "`coral_inference.backends` isn't a table of entry points | where: pyproject.toml:16:30",
    ),
    (
        'name = "Acme.Vision"',
        "",
        "the project has no name | where: pyproject.toml:1:1 | expected: a string as "
        "`project.name`",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES)
def test_a_mistake_is_told_with_its_place(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert old in PROJECT
    assert mistakes_of(PROJECT.replace(old, new), tmp_path) == [message]


def test_mistakes_are_told_together(tmp_path: Path) -> None:
    text = PROJECT.replace("acme.plugins:second", "a").replace("acme.npu:register", "b")
    assert [line.split(" | ")[1] for line in mistakes_of(text, tmp_path)] == [
        "where: pyproject.toml:9:10",
        "where: pyproject.toml:16:37",
    ]


def test_a_project_without_plugins_is_told_how_to_declare_one(tmp_path: Path) -> None:
    [mistake] = mistakes_of('[project]\nname = "acme-x"\n', tmp_path)
    assert mistake.endswith(
        ' | hint: declare one under `[project.entry-points."coral_inference.patches"]`, like '
        '`my_plugin = "acme_x.coral_plugins:register"`'
    )


@pytest.mark.parametrize(
    ("settings", "roots"),
    [
        ("", ["", "src"]),
        ('[tool.hatch.build.targets.wheel]\npackages = ["lib/acme"]',
         ["", "src", "lib/acme", "lib"]),
        ('[tool.hatch.build]\nsources = ["../elsewhere", "/etc", "absent", "lib"]',
         ["", "src", "lib"]),
        ('[tool.other]\nsources = ["lib"]', ["", "src"]),
    ],
)  # fmt: skip
def test_sources_are_where_the_settings_of_the_build_back_end_say(
    settings: str, roots: list[str], tmp_path: Path
) -> None:
    root = tmp_path / "project"
    (tmp_path / "elsewhere").mkdir()
    for directory in ("src", "lib/acme"):
        (root / directory).mkdir(parents=True)
    project = read_project(str(write(root, f"{PROJECT}\n{settings}\n")))
    assert project.source_roots == tuple(os.path.join(root, path) for path in roots)


@pytest.mark.parametrize("path", ["", "..", "../x", "/etc/passwd", "a/../../x", "a\0", "a//b"])
def test_no_path_leads_out_of_the_project(path: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    root = tmp_path / "project"
    root.mkdir()
    project = read_project(str(write(root, PROJECT, "a/b")))
    assert project.file(path) is None
    assert project.read_source(path) is None


def test_what_isnt_a_file_isnt_a_source(tmp_path: Path) -> None:
    project = read_project(str(write(tmp_path, PROJECT, "acme/plugins.py", "src/acme/npu.py")))
    os.mkfifo(tmp_path / "acme/pipe.py")
    (tmp_path / "acme/link.py").symlink_to("/etc/hostname")
    (tmp_path / "acme/own.py").symlink_to("plugins.py")
    read = project.read_source
    assert read("acme/plugins.py") == read("acme/own.py") == b"# acme/plugins.py"
    assert read("acme/npu.py") == b"# src/acme/npu.py"
    assert read("acme/absent.py") is None
    for name, reason in (
        ("acme/pipe.py", "it isn't a regular file"),
        ("acme/link.py", "it is a link that leaves the project"),
        ("acme", "it isn't a regular file"),
    ):
        with pytest.raises(UnreadableSourceError) as refused:
            read(name)
        assert refused.value.message == f"`{tmp_path / name}` can't be read: {reason}"


_VALUES = st.recursive(
    st.booleans()
    | st.integers(0, 5)
    | st.sampled_from(["", "a", "src", "..", "/", "a:b", "[", "*"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                ["coral_inference.patches", "name", "path", "include", "where", "a", ""]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
_BACKENDS = ["setuptools.build_meta", "hatchling.build", "poetry.core.masonry.api", "uv_build", "x"]
_SETTINGS = st.dictionaries(
    st.sampled_from(
        [
            "project", "project.entry-points", "tool", "tool.poetry", "tool.poetry.packages",
            "tool.poetry.include", "tool.poetry.exclude", "tool.setuptools", "tool.hatch.build",
            "tool.setuptools.packages.find", "tool.setuptools.package-data",
            "tool.setuptools.package-data.acme", "tool.setuptools.package-dir",
            "tool.hatch.build.targets.wheel", "tool.hatch.build.targets.wheel.sources",
            "tool.hatch.build.targets.wheel.packages", "tool.hatch.build.include",
            "tool.hatch.build.targets.wheel.force-include", "tool.hatch.build.exclude",
            "tool.uv.build-backend.module-root", "tool.uv.build-backend.wheel-exclude",
        ]
    ),
    _VALUES,
    max_size=3,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_SETTINGS, st.sampled_from(_BACKENDS))
def test_no_settings_raise_anything_but_our_errors(
    tmp_path: Path, changes: dict[str, Any], backend: str
) -> None:
    document: dict[str, Any] = {
        "build-system": {"build-backend": backend},
        "project": {
            "name": "acme",
            "entry-points": {"coral_inference.patches": {"a": "acme:register"}},
        },
    }
    for key, value in changes.items():
        *path, last = key.split(".")
        place = document
        for part in path:
            inner = place.setdefault(part, {})
            if not isinstance(inner, dict):
                inner = place[part] = {}
            place = inner
        place[last] = value
    write(tmp_path, tomlkit.dumps(document), "acme/__init__.py")
    source = (
        "from coral_inference.runtime.plugins import PluginSpec\n"
        "def register():\n    return PluginSpec(name='a', activate=lambda config: True)\n"
    )
    (tmp_path / "acme/__init__.py").write_text(source)
    assert is_answered(lambda: compile_project(str(tmp_path)), InputError, ProblemsError)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damaged_file_raises_anything_but_our_errors(
    tmp_path: Path, data: st.DataObject
) -> None:
    text = data.draw(st.sampled_from([PROJECT, POETRY]))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 5)))
        text = (
            text[:start] + data.draw(st.text("[]{}='\".,\n# ab1-\\\x00é", max_size=5)) + text[end:]
        )
    write(tmp_path, text)
    assert is_answered(lambda: read_project(str(tmp_path)), InputError, ProblemsError)
