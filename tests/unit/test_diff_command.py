"""`coral-runtime diff`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from coral_lock.__main__ import main
from coral_lock.cli.application import run_application
from coral_lock.document.schema import schema_text
from coral_lock.errors import LockError
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import write_lock
from coral_lock.rendering.github import MAX_SUMMARY
from coral_lock.rendering.markdown import MARKER
from tests.support.locks import lock_of_targets, sample_lock
from tests.support.wheelhouse import REPOSITORY


def written(path: Path, lock: Lock) -> str:
    path.write_text(write_lock(lock), encoding="utf-8", newline="")
    return str(path)


@pytest.fixture
def old(tmp_path: Path) -> str:
    return written(tmp_path / "old.lock", sample_lock())


@pytest.fixture
def new(tmp_path: Path) -> str:
    return written(tmp_path / "new.lock", sample_lock().replace(platform="名前"))


def test_data_goes_to_stdout(old: str, new: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_application(["diff", old, new]) == 0
    assert capsys.readouterr() == ("lock\n  ~ the platform changed: rknn → 名前\n", "")


def test_targets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = lock_of_targets()
    jetson, server = lock.targets
    old = written(tmp_path / "old.lock", lock)
    moved = written(
        tmp_path / "moved.lock", lock.replace(targets=(jetson.replace(python="3.12"), server))
    )
    assert run_application(["diff", old, moved]) == 0
    assert capsys.readouterr() == (
        "lock\n  ~ the Python version of the target `jetson` changed: 3.10 → 3.12\n",
        "",
    )


def test_an_exit_code_for_scripts(old: str, new: str) -> None:
    assert run_application(["diff", old, new, "--exit-code"]) == 1
    assert run_application(["diff", old, old, "--exit-code"]) == 0


def test_no_changes_are_said_on_stderr(old: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_application(["diff", old, old]) == 0
    assert capsys.readouterr() == ("", "no changes\n")


def test_a_document_for_programs(old: str, new: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_application(["diff", old, new, "--output-format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, json.loads(schema_text("diff")))
    assert (document["old"], document["new"]) == (old, new)
    assert [change["path"] for change in document["changes"]] == ["platform"]


@pytest.mark.parametrize(
    ("fail_on", "code"),
    [("low", 1), ("medium", 1), ("high", 0), ("downgraded", 1), ("bytes-changed", 0)],
)
def test_risks_and_levels_that_fail(
    old: str, tmp_path: Path, fail_on: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = sample_lock()
    package, *others = lock.distributions
    lower = lock.replace(distributions=(package.replace(version="0.9"), *others))
    new = written(tmp_path / "lower.lock", lower)
    assert run_application(["diff", old, new, "--fail-on", fail_on]) == code
    said = f"1 change with a risk of `--fail-on {fail_on}`\n" if code else ""
    assert capsys.readouterr().err == said


def test_the_output_may_go_to_a_file(
    old: str, new: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "change.txt"
    assert run_application(["diff", old, new, "--output-file", str(file)]) == 0
    assert capsys.readouterr() == ("", f"wrote {file}\n")
    assert file.read_text(encoding="utf-8") == "lock\n  ~ the platform changed: rknn → 名前\n"


def test_github_gets_the_summary_of_a_job_too(
    old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("Before.\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert run_application(["diff", old, new]) == 0
    assert run_application(["diff", old, new, "--output-format", "github"]) == 0
    text = summary.read_text(encoding="utf-8")
    assert text.startswith(f"Before.\n{MARKER}\n### Changes of <code>")
    assert text.count(MARKER) == 1


def test_a_summary_that_cannot_be_written_is_a_warning(
    old: str,
    new: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_bytes(b"." * MAX_SUMMARY)
    for path, problem in (
        (summary, "is full, so the changes aren't in it"),
        (tmp_path, f"can't be written: Is a directory: {tmp_path}"),
    ):
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
        assert run_application(["diff", old, new, "--output-format", "github"]) == 0
        assert capsys.readouterr().err == f"warning: the job's summary {problem}\n"
    assert summary.stat().st_size == MAX_SUMMARY


def test_a_later_minor_version_is_warned_of(
    old: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    later = written(tmp_path / "later.lock", sample_lock().replace(lock_version="1.4"))
    run_application(["diff", old, later])
    assert capsys.readouterr().err == (
        f"warning: `{later}` has the later format version 1.4: "
        "fields that format version 1.0 doesn't have are ignored\n"
    )


def test_a_missing_lock(old: str, tmp_path: Path) -> None:
    path = str(tmp_path / "absent.lock")
    with pytest.raises(LockError) as refused:
        run_application(["diff", path, old])
    assert (refused.value.message, refused.value.where, refused.value.hint) == (
        "there is no lock",
        path,
        "deploy the reviewed lock, or pass its path; `coral-runtime lock` writes a new one",
    )


def test_a_lock_may_come_through_a_pipe(old: str, new: str, tmp_path: Path) -> None:
    text = Path(old).read_bytes()
    command = f'{sys.executable} -m coral_lock diff <(cat "{old}") "{new}"'
    finished = subprocess.run(
        ("bash", "-c", command), capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    assert (finished.returncode, finished.stdout) == (
        0,
        "lock\n  ~ the platform changed: rknn → 名前\n",
    )
    from_stdin = subprocess.run(
        (sys.executable, "-m", "coral_lock", "diff", "-", new),
        input=text,
        capture_output=True,
        check=False,
        cwd=REPOSITORY,
    )
    assert from_stdin.stdout.decode() == "lock\n  ~ the platform changed: rknn → 名前\n"


def test_standard_input_holds_one_lock(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diff", "-", "-"]) == 2
    assert capsys.readouterr() == (
        "",
        "error: only one of the locks can be read from standard input\n"
        "  expected: a file for one of them\n"
        "  hint: `git show main:coral.lock | coral-runtime diff - coral.lock`\n",
    )


def test_the_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_application(["diff", "--help"]) == 0
    assert "Examples:\n    coral-runtime diff main.lock coral.lock" in capsys.readouterr().out
