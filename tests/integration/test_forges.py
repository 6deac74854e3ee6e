"""The GitHub Action and the GitLab template, each line of their scripts run in a real clone."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from coral_lock import __version__
from coral_lock.rendering.markdown import MARKER
from tests.docs.pages import blocks_of, english_pages
from tests.support.clone import Clone
from tests.support.downloads import find_wheel
from tests.support.forges import TOKEN, Job, gitlab, run_action, run_script, stand_ins
from tests.support.wheelhouse import REPOSITORY

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git isn't installed")

ACTION = yaml.safe_load((REPOSITORY / "action.yml").read_text(encoding="utf-8"))
TEMPLATE = REPOSITORY / "ci" / "gitlab" / "coral-lock.yml"
GITLAB_JOB = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))["coral-lock"]
HOSTILE = "$(touch${IFS}pwned)`touch${IFS}pwned`'\";${{github.token}}"
"""Part of names that those of pull requests choose: of a branch, of a file."""

DESCRIPTOR = """\
targets: [{name: gateway, python: "3.12", platform: manylinux_2_28_x86_64}]
host: {core: "0.0.4", inference: "0.58.0"}
"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory, wheelhouse: Path) -> Clone:
    """A repository whose branch `change` adds a plugin to the lock of `main`.

    The branch `same` leaves it as it is; each branch has a twin with a hostile name.
    """
    origin = Clone(directory=tmp_path_factory.mktemp("origin"))
    origin.git("init", "-q", "-b", "main")
    origin.write(".gitignore", "cache/\nwheelhouse/\ngl-*.json\n")
    origin.write("runtime.yaml", DESCRIPTOR)
    origin.write("json.py", 'open("pwned", "w")\n')
    wheels = origin.directory / "wheelhouse"
    wheels.mkdir()

    def commit(wheel: str, branch: str) -> None:
        found = find_wheel(wheelhouse, wheel)
        assert found is not None
        shutil.copy2(found, wheels)
        text = origin.locked("--wheels", "wheelhouse")
        origin.write(f"{HOSTILE}.lock".replace("/", ""), text)
        origin.git("add", "-A")
        origin.git("commit", "-q", "-m", branch)
        origin.git("branch", f"{branch}-{HOSTILE}")

    commit("my-package==1.0.0", "main")
    origin.git("branch", "same")
    origin.git("checkout", "-q", "-b", "change")
    commit("acme-denoise", "change")
    return origin


@dataclass(frozen=True, kw_only=True, slots=True)
class Forge:
    """Runs the action or the template's job for a branch, in a new clone of it."""

    directory: Path
    origin: Clone

    @property
    def comments(self) -> list[dict[str, object]]:
        listed: list[dict[str, object]] = json.loads((self.directory / "comments").read_text())
        return listed

    @property
    def pip_call(self) -> list[str]:
        return (self.directory / "pip").read_text(encoding="utf-8").splitlines()

    def github(self, branch: str, base: str = "main", **inputs: str) -> Job:
        """Run the action as for a pull request, in a clone of one commit."""
        work = self._clone(branch, "--depth=1")
        context = {f"inputs.{name.replace('_', '-')}": value for name, value in inputs.items()}
        context = {"github.token": "may-write", "inputs.wheels": "wheelhouse", **context}
        context["github.event.pull_request.number"] = "7" if base else ""
        variables = {
            "COMMENTS": str(self.directory / "comments"),
            "GITHUB_ACTION_PATH": "the/action",
            "GITHUB_BASE_REF": base,
            "GITHUB_REPOSITORY": "acme/robots",
            "GITHUB_STEP_SUMMARY": str(self.directory / "summary"),
            "RUNNER_TEMP": str(self.directory),
        }
        return run_action(ACTION, work, context, {**self._variables, **variables})

    def gitlab(self, branch: str, address: str, **variables: str) -> Job:
        """Run the job of the template as for a merge request."""
        work = self._clone(branch)
        given = {
            "CI_API_V4_URL": address,
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": self.origin.git("rev-parse", "main").strip(),
            "CI_MERGE_REQUEST_IID": "7",
            "CI_MERGE_REQUEST_PROJECT_ID": "12",
            "CORAL_LOCK_TOKEN": TOKEN,
            "CORAL_LOCK_WHEELS": "wheelhouse",
            **variables,
        }
        script = "\n".join(GITLAB_JOB["script"])
        return run_script(script, work, {**GITLAB_JOB["variables"], **self._variables, **given})

    @property
    def _variables(self) -> dict[str, str]:
        return {
            "PATH": f"{self.directory / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PIP_CALL": str(self.directory / "pip"),
            "TMPDIR": str(self.directory),
            "XDG_CACHE_HOME": str(self.directory / "cache"),
        }

    def _clone(self, branch: str, *options: str) -> Path:
        work = self.directory / "work"
        shutil.rmtree(work, ignore_errors=True)
        source = self.origin.directory
        self.origin.git("clone", "-q", *options, "-b", branch, f"file://{source}", str(work))
        (work / "wheelhouse").symlink_to(source / "wheelhouse")
        return work


@pytest.fixture
def forge(tmp_path: Path, origin: Clone) -> Forge:
    stand_ins(tmp_path / "bin")
    of_another = {"id": "IC_0", "viewerDidAuthor": False, "body": f"{MARKER}\nAll is well."}
    (tmp_path / "comments").write_text(json.dumps([of_another]), encoding="utf-8")
    return Forge(directory=tmp_path, origin=origin)


def test_github_keeps_one_comment(forge: Forge) -> None:
    job = forge.github("change")
    markdown = (forge.directory / "coral-lock.md").read_text(encoding="utf-8")
    assert (job.code, job.outputs) == (
        0,
        {"fresh": "true", "changed": "true", "markdown": str(forge.directory / "coral-lock.md")},
    )
    pip = ["-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    assert forge.pip_call == [*pip, "the/action"]
    assert "::warning file=coral.lock,line=" in job.log
    assert "<code>patches:denoise</code> is added" in markdown
    assert (forge.directory / "summary").read_text(encoding="utf-8") == markdown
    assert [each["body"] for each in forge.comments[1:]] == [markdown]
    job = forge.github("main")
    assert (job.code, job.outputs["fresh"], job.outputs["changed"]) == (1, "false", "false")
    assert "::error title=coral-lock::the lock isn't fresh" in job.log
    assert ["No changes" in str(each["body"]) for each in forge.comments] == [False, True]


def test_github_refuses_risks_whatever_things_are_called(forge: Forge) -> None:
    job = forge.github(
        f"change-{HOSTILE}",
        f"main-{HOSTILE}",
        lock=f"{HOSTILE}.lock",
        descriptor="runtime.yaml",
        fail_on="high new-plugin",
        comment="false",
    )
    assert (job.code, job.outputs["fresh"], job.outputs["changed"]) == (1, "true", "true")
    assert "1 change with a risk of `--fail-on high new-plugin`" in job.log
    assert "::error title=coral-lock::a change is refused" in job.log
    assert len(forge.comments) == 1
    assert list(forge.directory.rglob("pwned")) == []


def test_github_goes_on_where_no_comment_may_be_written(forge: Forge) -> None:
    job = forge.github("change", check="false", token="reads")
    assert (job.code, job.outputs["fresh"], job.outputs["changed"]) == (0, "", "true")
    assert "::warning title=coral-lock::no comment is written" in job.log
    assert "Resource not accessible by integration" in job.log


def test_github_leaves_a_pull_request_alone_that_changes_nothing(forge: Forge) -> None:
    job = forge.github("same", check="false")
    assert (job.code, job.outputs["changed"], len(forge.comments)) == (0, "false", 1)
    assert "No changes" in (forge.directory / "summary").read_text(encoding="utf-8")


def test_github_checks_what_is_installed_after_a_push(forge: Forge) -> None:
    job = forge.github("main", base="", wheels="", version="0.1.0")
    assert forge.pip_call[-1] == "coral-lock==0.1.0"
    assert job.outputs == {"fresh": "false", "changed": "", "markdown": ""}
    assert (job.code, "the lock isn't fresh" in job.log) == (1, True)
    assert "not a pull request: there is nothing to compare with" in job.log
    named = forge.github("main", base="", wheels="", python="absent/python")
    assert (named.code, "absent/python" in named.log) == (2, True)


def test_github_is_told_of_an_unknown_risk(forge: Forge) -> None:
    job = forge.github("change", check="false", comment="false", fail_on="nonsense")
    assert job.code == 2
    assert "`nonsense` is not one of" in job.log
    assert "a change is refused" not in job.log


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl isn't installed")
def test_gitlab_keeps_one_note(forge: Forge) -> None:
    report = forge.directory / "work" / "gl-code-quality-report.json"
    with gitlab() as server:
        server.notes += [
            {"id": number, "author": {"id": author}, "body": body}
            for number, (author, body) in enumerate(
                [(2, f"{MARKER}\nAll is well."), (1, "another note"), (3, "a third one")]
            )
        ]
        job = forge.gitlab("change", server.address)
        assert job.code == 0, job.log
        assert (forge.pip_call[0], forge.pip_call[-1]) == ("-I", "coral-lock==0.1.0")
        assert "! `patches:denoise` is added" in job.log
        assert "<code>patches:denoise</code> is added" in server.notes[3]["body"]
        checks = [issue["check_name"] for issue in json.loads(report.read_text())]
        assert checks == ["plugin-added", "distribution-added"]
        job = forge.gitlab("main", server.address)
        assert job.code == 1
        assert "coral.lock is stale: 2 changes" in job.log
        assert "the lock isn't fresh, see above" in job.log
        assert ["No changes" in each["body"] for each in server.notes] == [*[False] * 3, True]
        assert len(json.loads(report.read_text())) == 2
    assert list(forge.directory.rglob("pwned")) == []


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl isn't installed")
def test_gitlab_goes_on_where_no_note_may_be_written(forge: Forge) -> None:
    with gitlab() as server:
        given = {"CORAL_LOCK_CHECK": "false", "CORAL_LOCK_TOKEN": "reads"}
        job = forge.gitlab("change", server.address, **given)
    assert (job.code, server.notes) == (0, []), job.log
    assert "no note is written, see above" in job.log


def test_gitlab_refuses_risks_whatever_things_are_called(forge: Forge) -> None:
    job = forge.gitlab(
        f"change-{HOSTILE}",
        "",
        CI_MERGE_REQUEST_TARGET_BRANCH_SHA=forge.origin.git("rev-parse", "main").strip(),
        CI_MERGE_REQUEST_DIFF_BASE_SHA="",
        CORAL_LOCK_DESCRIPTOR="runtime.yaml",
        CORAL_LOCK_FAIL_ON="high new-plugin",
        CORAL_LOCK_FILE=f"{HOSTILE}.lock",
        CORAL_LOCK_TOKEN="",
    )
    assert job.code == 1
    assert "1 change with a risk of `--fail-on high new-plugin`" in job.log
    assert list(forge.directory.rglob("pwned")) == []


def test_gitlab_only_checks_outside_of_merge_requests(forge: Forge) -> None:
    job = forge.gitlab("change", "", CI_MERGE_REQUEST_IID="")
    assert (job.code, "is added" in job.log) == (0, False)
    assert "coral.lock is fresh" in job.log


def test_values_reach_scripts_by_the_environment_alone() -> None:
    scripts = [*(step["run"] for step in ACTION["runs"]["steps"]), *GITLAB_JOB["script"]]
    assert [script for script in scripts if "${{" in script or "$[[" in script] == []
    assert all("\nset -eu" in f"\n{step['run']}" for step in ACTION["runs"]["steps"])
    assert all(MARKER in (REPOSITORY / path).read_text() for path in ("action.yml", TEMPLATE))
    assert GITLAB_JOB["variables"]["CORAL_LOCK_VERSION"] == __version__


def documented() -> dict[str, str]:
    """Return the files of both forges that pages show."""
    blocks = [
        block
        for page in english_pages()
        for block in blocks_of(page.read_text(encoding="utf-8"))
        if block.marker.get("file", "").startswith((".github/", ".gitlab"))
    ]
    return {block.marker["file"]: block.text for block in blocks}


def test_pages_name_the_inputs_and_variables_that_there_are() -> None:
    page = (REPOSITORY / "docs" / "reviewing-a-lock.md").read_text(encoding="utf-8")
    table = page.partition("\n| input | variable |")[2].partition("\n\n")[0]
    names = re.findall(r"(?m)^\| `([a-z-]+)` \| (?:`(\w+)`)? ?\|", table)
    assert [name for name, _ in names] == list(ACTION["inputs"])
    variables = {name for _, name in names if name} | {"GIT_DEPTH"}
    assert variables == {*GITLAB_JOB["variables"], "CORAL_LOCK_TOKEN"}
    used = 0
    for name, text in documented().items():
        pipeline = yaml.safe_load(text)
        if name.startswith(".gitlab"):
            assert set(pipeline["coral-lock"]["variables"]) <= variables
        steps = (step for job in pipeline.get("jobs", {}).values() for step in job["steps"])
        for step in steps:
            if "/coral-lock@" in step.get("uses", ""):
                used += 1
                assert set(step["with"]) <= set(ACTION["inputs"])
    assert used == 2


# It is click that warns, of what other tools use.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_files_obey_the_schemas_of_their_forges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """https://www.schemastore.org has those of GitHub, and GitLab its own."""
    from check_jsonschema import main as check_jsonschema  # type: ignore[import-untyped]

    schemas: dict[str, list[Path]] = {
        "github-actions": [REPOSITORY / "action.yml"],
        "github-workflows": [],
        "gitlab-ci": [TEMPLATE],
    }
    for name, text in documented().items():
        path = tmp_path / Path(name).name
        path.write_text(text, encoding="utf-8")
        schemas["gitlab-ci" if name.startswith(".gitlab") else "github-workflows"].append(path)
    for schema, paths in schemas.items():
        options = ("--builtin-schema", f"vendor.{schema}", "--color", "never")
        with pytest.raises(SystemExit) as ended:
            check_jsonschema([*options, *map(str, paths)])
        assert ended.value.code == 0, capsys.readouterr().out
