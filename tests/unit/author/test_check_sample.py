"""The sample configurations of a project."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from coral_lock.author.check import check_subject
from coral_lock.author.subject import open_target
from coral_lock.errors import InputError
from tests.unit.author.check_subjects import FILES, MANIFEST

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "acme"
version = "1.0"

[project.entry-points."coral_inference.patches"]
denoise = "acme.coral_plugins:register_denoise"
sharpen = "acme.coral_plugins:sharpen"

[project.entry-points."coral_inference.backends"]
npu = "acme.coral_backends:npu"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path, text in {**FILES, "pyproject.toml": PYPROJECT}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(config: str | None = None) -> list[tuple[str, str, str | None]]:
    with open_target(".", config) as subject:
        report = check_subject(subject)
    return [(finding.code, finding.summary, finding.where) for finding in report.findings]


def test_a_sound_project_has_no_findings(project: Path) -> None:
    (project / "runtime.yaml").write_text("patches: {denoise: true, camera: false, blur: true}\n")
    assert found() == []


@pytest.mark.parametrize("name", ["runtime.yaml", "runtime_cli.yml", "runtime-edge.json"])
def test_samples_are_found_by_their_names(project: Path, name: str) -> None:
    (project / name).write_text('{"patchs": {}}')
    assert found() == [("sample-invalid", "unknown key `patchs`", f"{name}:1:2")]


def test_other_files_are_no_samples(project: Path) -> None:
    (project / "docs").mkdir()
    for name in ("other.yaml", "docs/runtime.yaml", "runtime.toml"):
        (project / name).write_text("{")
    assert found() == []


def test_a_name_that_is_nearly_right(project: Path) -> None:
    (project / "runtime.yaml").write_text("patches:\n  denoize: true\n")
    assert found() == [
        (
            "near-miss",
            "`patches:denoize` is nearly the name of a plugin of this distribution",
            "runtime.yaml:2:3",
        )
    ]


def test_a_name_that_nothing_resembles_may_be_another_distribution_s(project: Path) -> None:
    (project / "runtime.yaml").write_text("patches:\n  zed_depth: true\n")
    assert found() == []


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _link(path: Path) -> None:
    outside = path.parents[2] / "outside.yaml"
    outside.write_text(FILES[MANIFEST])
    path.symlink_to(outside)


def _dangling(path: Path) -> None:
    path.symlink_to("gone.yaml")


def _directory(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("put", "reason"),
    [
        (_pipe, "it isn't a regular file"),
        (_directory, "it isn't a regular file"),
        (_link, "it is a link that leaves the project"),
        (_dangling, "No such file or directory"),
    ],
)
def test_a_manifest_that_is_there_and_unreadable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: Callable[[Path], None], reason: str
) -> None:
    root = tmp_path / "project"
    for path, text in {**FILES, "pyproject.toml": PYPROJECT}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    monkeypatch.chdir(root)
    (root / MANIFEST).unlink()
    put(root / MANIFEST)
    assert found() == [("manifest-invalid", f"`{MANIFEST}` can't be read: {reason}", MANIFEST)]


def test_a_given_sample_comes_first_and_has_to_exist(project: Path) -> None:
    (project / "runtime.yaml").write_text("platform: rknn\n")
    (project / "given.yaml").write_text("platform: onnx\n")
    with open_target(".", "given.yaml") as subject:
        assert [sample.path for sample in subject.samples] == ["given.yaml", "runtime.yaml"]
    with pytest.raises(InputError, match="there is no descriptor"), open_target(".", "gone.yaml"):
        pass


def test_every_mistake_of_a_sample_is_told(project: Path) -> None:
    (project / "given.yaml").write_text("platform: 1\npatchs: {}\n")
    assert [(code, where) for code, _, where in found("given.yaml")] == [
        ("sample-invalid", "given.yaml:1:11"),
        ("sample-invalid", "given.yaml:2:1"),
    ]


@pytest.mark.parametrize("target", ["not-installed-anywhere", "no name"])
def test_a_target_that_is_nothing(target: str) -> None:
    with pytest.raises(InputError) as refused, open_target(target):
        pass
    assert refused.value.message == f"`{target}` not found"
