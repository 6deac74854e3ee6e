"""The formats in which commands print what they found."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from coral_lock.cli.application import run_application
from coral_lock.cli.formats import FORMATS, emit
from coral_lock.difference.model import RISKS, Change
from coral_lock.finding import ERROR, WARNING, Finding
from coral_lock.rendering.github import MAX_SUMMARY, render_github, render_summary
from coral_lock.rendering.outcome import Outcome


def finding(where: str | None, summary: str = "it is so", severity: str = ERROR) -> Finding:
    return Finding(
        code="manifest-stale",
        severity=severity,
        subject="acme",
        summary=summary,
        where=where,
        hint="mend it",
    )


@pytest.mark.parametrize(
    ("where", "properties"),
    [
        ("a/b.py:3:7", "file=a/b.py,line=3,col=7,"),
        ("a/b.py:3", "file=a/b.py,line=3,"),
        ("a/b.py", "file=a/b.py,"),
        ("pyproject.toml", "file=pyproject.toml,"),
        ("odd,name: 100%.yaml:1:2", "file=odd%2Cname%3A 100%25.yaml,line=1,col=2,"),
    ],
)
def test_a_place_in_a_file_becomes_properties(where: str, properties: str) -> None:
    text = render_github(Outcome(document={}, findings=(finding(where),)))
    assert text == f"::error {properties}title=manifest-stale::it is so%0Ahint: mend it\n"


@pytest.mark.parametrize("where", ["acme.plugins:register", "CORAL_PLATFORM"])
def test_another_place_stays_in_the_message(where: str) -> None:
    text = render_github(Outcome(document={}, findings=(finding(where),)))
    assert text == f"::error title=manifest-stale::it is so%0Awhere: {where}%0Ahint: mend it\n"


def test_a_message_is_escaped() -> None:
    findings = (finding(None, "50% of\r\na, b: c", WARNING),)
    text = render_github(Outcome(document={}, findings=findings))
    assert text == "::warning title=manifest-stale::50%25 of%0D%0Aa, b: c%0Ahint: mend it\n"


CHANGE = Change(
    code="platform-changed",
    subject="platform",
    summary="the platform changed",
    place=("platform",),
    before="rknn",
    after="onnx",
)
OUTCOME = Outcome(
    document={"holds": False},
    text="one line\n",
    findings=(finding(None),),
    changes=(CHANGE, CHANGE.replace(risks=(RISKS["downgraded"],))),
)


FINDING_DOCUMENT = {
    "code": "manifest-stale",
    "severity": "error",
    "subject": "acme",
    "summary": "it is so",
    "expected": None,
    "found": None,
    "where": None,
    "hint": "mend it",
}
CHANGE_DOCUMENT: dict[str, Any] = {
    "code": "platform-changed",
    "subject": "platform",
    "distribution": None,
    "summary": "the platform changed",
    "path": "platform",
    "before": "rknn",
    "after": "onnx",
    "risks": [],
    "via": [],
    "via_count": 0,
}
DOCUMENT = {
    "holds": False,
    "findings": [FINDING_DOCUMENT],
    "changes": [CHANGE_DOCUMENT, CHANGE_DOCUMENT | {"risks": [RISKS["downgraded"].to_dict()]}],
}


@pytest.mark.parametrize(
    ("output_format", "stdout", "stderr"),
    [
        ("text", "one line\n", "error[manifest-stale]: it is so\n  hint: mend it\n"),
        ("json", json.dumps(DOCUMENT, indent=2) + "\n", ""),
        (
            "github",
            "::error title=manifest-stale::it is so%0Ahint: mend it\n"
            "::notice title=platform-changed::the platform changed%0Abefore: rknn%0Aafter: onnx\n"
            "::warning title=platform-changed::the platform changed%0Abefore: rknn%0Aafter: onnx"
            "%0Arisk: the older version may lack fixes (downgraded)\n",
            "",
        ),
    ],
)
def test_every_format(
    output_format: str, stdout: str, stderr: str, capsys: pytest.CaptureFixture[str]
) -> None:
    emit(OUTCOME, output_format)
    assert capsys.readouterr() == (stdout, stderr)


@pytest.mark.parametrize("written", [0, MAX_SUMMARY - 10_000])
def test_a_summary_has_what_there_is_room_for(written: int) -> None:
    changes = tuple(CHANGE.replace(subject=f"{index}") for index in range(20_000))
    text = render_summary(Outcome(document={}, changes=changes), written)
    room = MAX_SUMMARY - written
    assert room - 2_000 < len(text.encode()) <= room
    assert re.search(r"\n\n[0-9]+ of them are left out here\.\n\n</details>\n$", text)


@pytest.mark.parametrize("command", ["diff", "lock", "verify", "plugins list", "plugins check"])
def test_commands_share_all_formats(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(FORMATS)[:3] == ["text", "json", "github"]
    assert run_application([*command.split(), "--help"]) == 0
    assert f"--output-format [{'|'.join(FORMATS)}]" in capsys.readouterr().out
