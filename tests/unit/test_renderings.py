"""Findings and changes in the formats of forges, held against what those formats demand."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import unescape
from itertools import groupby
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from markdown_it import MarkdownIt
from markdown_it.token import Token

from coral_lock.canonical_json import quote
from coral_lock.difference.capabilities import CAPABILITIES, Use
from coral_lock.difference.changes import difference
from coral_lock.difference.code import DistributionCode, FileChange
from coral_lock.difference.model import LEVELS, RISKS, Change
from coral_lock.finding import CODES, ERROR, WARNING, Finding
from coral_lock.lockfile.entries import ExcludedPlugin, LockedDistribution, LockedPlugin
from coral_lock.lockfile.model import Lock
from coral_lock.lockfile.text import write_lock
from coral_lock.rendering.github import render_github
from coral_lock.rendering.gitlab import render_gitlab
from coral_lock.rendering.markdown import MARKER, MAX_BYTES, render_markdown
from coral_lock.rendering.outcome import Outcome, Position, change_positions
from coral_lock.rendering.sarif import render_sarif
from tests.property.strategies import locks
from tests.support.locks import TAG, digest_of, lock_of_targets, sample_lock
from tests.support.wheelhouse import REPOSITORY

SARIF = Draft7Validator(json.loads((REPOSITORY / "tests/schemas/sarif-2.1.0.json").read_text()))


def outcome_of(
    old: Lock,
    new: Lock,
    file: str = "coral.lock",
    findings: tuple[Finding, ...] | None = None,
) -> Outcome:
    return Outcome(
        document={},
        findings=findings,
        changes=difference(old, new),
        locks=((old, "old.lock"), (new, file)),
    )


def changed_lock() -> Lock:
    """The sample, with a change of each level of risk and some without."""
    lock = sample_lock()
    camera = lock.plugins[1]
    package, numpy, backend = lock.distributions
    return lock.replace(
        plugins=(
            camera.replace(description="Steady", after=()),
            LockedPlugin(id="patches:new", distribution="my-package", entry_point="my_package:n"),
        ),
        distributions=(
            package.replace(digests={TAG: digest_of("Z")}, requires=("numpy", "tiny")),
            numpy.replace(version="3.0.0", digests={TAG: digest_of("Y")}),
            backend,
            LockedDistribution(name="tiny", version="1", digests={TAG: digest_of("X")}),
        ),
    )


def finding(**fields: Any) -> Finding:
    given: dict[str, Any] = {"code": "manifest-stale", "subject": "acme", "summary": "it is so"}
    return Finding(**given | fields)


HOSTILE_TEXTS = [
    "[click](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "<img src=x onerror=alert(1)>",
    "<https://evil.example>",
    "https://evil.example www.evil.example a@evil.example",
    "WWW.evil.example",
    "@octocat",
    "@octocat and #1 !2 $3 &4 ~bug %5 GH-1",
    "a | b || c",
    "a`b ``c @octocat`",
    "</code></td></table><script>",
    "</details>",
    "<!-- coral-runtime -->",
    "**bold** _it_ ~~no~~ $x$",
    "a\n\n# heading\n- item\n| x |",
    "\u202eright to left\u2066\u200b",
    "\x1b[2J\r\x00",
    "&lt;b&gt; &#60; &amp;",
    "::error::x%0A::set-output name=a::b",
    "\\`\\|\\<",
    "é日本😀",
    "x" * 5_000,
    "😀" * 5_000,
]
PLUGIN_NAMES = ["a|b", "x`y`", "<b>", "[a](b)", "www.evil.example", "#1", "*b*", "x y"]


def hostile_lock(text: str, name: str) -> Lock:
    """The changed sample, with one text wherever a lock may hold any."""
    lock = changed_lock()
    _, numpy, *others = lock.distributions
    return lock.replace(
        platform=text,
        plugins=(
            *lock.plugins,
            LockedPlugin(
                id=f"workflows:{name}",
                distribution="tiny",
                entry_point="tiny:f",
                description=text,
                min_core_version=text,
                default_config_overrides={"services": {text: text}},
            ),
        ),
        excluded=(
            ExcludedPlugin(id=f"backends:{name}", distribution="future-plugin", reason=text),
        ),
        distributions=(
            lock.distribution("my-package"),
            numpy.replace(version=text, digests={text: digest_of("Y")}),
            *others,
        ),
    )


HOSTILE = [
    hostile_lock(text, PLUGIN_NAMES[index % len(PLUGIN_NAMES)])
    for index, text in enumerate(HOSTILE_TEXTS)
]
"""Locks whose texts try to be more than text."""

HOSTILE_FINDINGS = tuple(
    finding(
        code=code,
        severity=severity,
        subject=text,
        summary=f"`{text}` isn't {text}",
        expected=text,
        found=text,
        where=where,
        hint=text,
    )
    for severity, code in ((ERROR, "conflict"), (WARNING, "unpinned"))
    for where in (None, "runtime.yaml:3:7", "pyproject.toml")
    for text in HOSTILE_TEXTS
)
ODD_FILE = "a|b,c: 100% @octocat <b>.lock"
OUTCOMES = [
    outcome_of(sample_lock(), changed_lock()),
    *(outcome_of(sample_lock(), lock, ODD_FILE) for lock in HOSTILE),
    outcome_of(HOSTILE[0], sample_lock(), ODD_FILE),
    outcome_of(sample_lock(), sample_lock(), findings=HOSTILE_FINDINGS),
]


# SARIF


def check_sarif(text: str) -> list[dict[str, Any]]:
    """Hold that a text is a valid log whose results can be told apart; return these."""
    document = json.loads(text)
    assert list(SARIF.iter_errors(document)) == []
    (run,) = document["runs"]
    results: list[dict[str, Any]] = run["results"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == sorted({result["ruleId"] for result in results})
    assert all(rule in RISKS or rule in CODES or re.fullmatch("[a-z-]+", rule) for rule in rules)
    fingerprints = [result["partialFingerprints"]["coralLock/v1"] for result in results]
    assert len(set(fingerprints)) == len(fingerprints)
    for result in results:
        assert "](" not in result["message"]["text"]
        assert result["message"]["text"].isprintable()
        for location in result.get("locations", ()):
            uri = location["physicalLocation"]["artifactLocation"]["uri"]
            assert re.fullmatch(r"[A-Za-z0-9_.~/:%+-]*", uri)
    return results


FINGERPRINT = "c7a490c097b65991795c5afe498ee38da6012e1f1867d167fb75459b19102c8f"
"""That of the platform's change from rknn to onnx: it outlives versions of this program."""


def test_a_sarif_log() -> None:
    old = sample_lock()
    new = old.replace(platform="onnx")
    assert json.loads(render_sarif(outcome_of(old, new))) == {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "coral-runtime",
                        "rules": [
                            {
                                "id": "platform-changed",
                                "shortDescription": {
                                    "text": "A change of the lock: platform changed."
                                },
                                "help": {
                                    "text": "A change of the lock: platform changed. "
                                    "`coral-runtime diff --help` tells what changes mean."
                                },
                                "defaultConfiguration": {"level": "note"},
                            }
                        ],
                    }
                },
                "results": [
                    {
                        "ruleId": "platform-changed",
                        "level": "note",
                        "message": {"text": "the platform changed: rknn → onnx"},
                        "partialFingerprints": {"coralLock/v1": FINGERPRINT},
                        "locations": [
                            {
                                "physicalLocation": {
                                    "artifactLocation": {"uri": "coral.lock"},
                                    "region": {"startLine": 3},
                                }
                            }
                        ],
                    }
                ],
            }
        ],
    }


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_sarif_log_is_valid(outcome: Outcome) -> None:
    results = check_sarif(render_sarif(outcome))
    assert len(results) == len(outcome.changes or ()) + len(outcome.findings or ())


def test_the_levels_of_sarif() -> None:
    findings = (finding(severity=ERROR), finding(severity=WARNING))
    results = check_sarif(
        render_sarif(outcome_of(sample_lock(), changed_lock(), findings=findings))
    )
    levels = [result["level"] for result in results]
    assert levels[:2] == ["error", "warning"]
    ranks = ["error", "warning", "note"]
    assert set(levels) == {*ranks}
    assert levels[2:] == sorted(levels[2:], key=ranks.index)


@pytest.mark.parametrize("rule", [*RISKS, *CODES])
def test_a_rule_is_explained(rule: str) -> None:
    change = Change(code=rule, subject="x", summary="x", place=("platform",))
    text = render_sarif(Outcome(document={}, changes=(change,)))
    (described,) = json.loads(text)["runs"][0]["tool"]["driver"]["rules"]
    sentence = described["shortDescription"]["text"]
    assert sentence[0].isupper() or sentence.startswith("`")
    assert sentence.endswith(".")
    assert described["help"]["text"].startswith(sentence)


FILES = [
    ("coral.lock", "coral.lock", "coral.lock"),
    ("./locks/../coral.lock", "coral.lock", "coral.lock"),
    ("a b/100%.lock", "a%20b/100%25.lock", "a b/100%.lock"),
    ("größe/日本.lock", "gr%C3%B6%C3%9Fe/%E6%97%A5%E6%9C%AC.lock", "größe/日本.lock"),
    ("c:oral.lock", "c%3Aoral.lock", "c:oral.lock"),
    ("odd\udcff.lock", "odd%FF.lock", "odd\ufffd.lock"),
    ("a#b?.lock", "a%23b%3F.lock", "a#b?.lock"),
    ("/srv/a b/coral.lock", "file:///srv/a%20b/coral.lock", "coral.lock"),
    ("../other/coral.lock", "../other/coral.lock", "coral.lock"),
]


@pytest.mark.parametrize(("file", "uri", "path"), FILES)
def test_where_a_file_is(file: str, uri: str, path: str) -> None:
    """In SARIF by a URI, relative as the path is; in GitLab by a relative path or not at all."""
    outcome = outcome_of(sample_lock(), sample_lock().replace(platform="onnx"), file)
    (result,) = check_sarif(render_sarif(outcome))
    location = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert location == {"uri": uri}
    if urlsplit(uri).scheme == "file":
        assert unquote(urlsplit(uri).path) == file
    (issue,) = check_gitlab(render_gitlab(outcome))
    assert issue["location"] == {
        "path": path,
        "lines": {"begin": 3 if Position(file=file).is_inside else 1},
    }


def test_a_lock_in_no_file_has_no_place() -> None:
    outcome = outcome_of(sample_lock(), changed_lock(), "-")
    assert all("locations" not in result for result in check_sarif(render_sarif(outcome)))
    assert {issue["location"]["path"] for issue in check_gitlab(render_gitlab(outcome))} == {
        "coral.lock"
    }
    assert "file=" not in render_github(outcome)


# GitLab


def check_gitlab(text: str) -> list[dict[str, Any]]:
    """Hold that a text is a code quality report; return its issues.

    https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
    """
    issues: list[dict[str, Any]] = json.loads(text)
    assert isinstance(issues, list)
    for issue in issues:
        assert issue.keys() == {"description", "check_name", "fingerprint", "severity", "location"}
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["description"].isprintable()
        assert 0 < len(issue["description"]) < 3_000
        assert re.fullmatch("[a-z-]+", issue["check_name"])
        assert re.fullmatch("[0-9a-f]{64}", issue["fingerprint"])
        assert issue["location"].keys() == {"path", "lines"}
        path = issue["location"]["path"]
        assert not path.startswith(("/", "./", "../"))
        path.encode("utf-8")
        begin = issue["location"]["lines"]["begin"]
        assert isinstance(begin, int)
        assert begin >= 1
    fingerprints = [issue["fingerprint"] for issue in issues]
    assert len(set(fingerprints)) == len(fingerprints)
    return issues


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_gitlab_report_is_valid(outcome: Outcome) -> None:
    issues = check_gitlab(render_gitlab(outcome))
    assert len(issues) == len(outcome.changes or ()) + len(outcome.findings or ())


def test_a_gitlab_report_without_issues() -> None:
    assert render_gitlab(outcome_of(sample_lock(), sample_lock())) == "[]\n"


def test_the_severities_of_gitlab() -> None:
    outcome = outcome_of(sample_lock(), changed_lock())
    severities = [issue["severity"] for issue in check_gitlab(render_gitlab(outcome))]
    ranks = ["critical", "major", "minor", "info"]
    assert set(severities) == {*ranks}
    assert severities == sorted(severities, key=ranks.index)


# Fingerprints


def fingerprints_of(outcome: Outcome) -> tuple[dict[str, str], dict[str, str]]:
    """Return the fingerprints of a log and of a report, by what they are about."""
    return (
        {
            result["message"]["text"]: result["partialFingerprints"]["coralLock/v1"]
            for result in check_sarif(render_sarif(outcome))
        },
        {
            issue["description"]: issue["fingerprint"]
            for issue in check_gitlab(render_gitlab(outcome))
        },
    )


def test_fingerprints_stay_when_lines_move() -> None:
    def moved(lock: Lock) -> Lock:
        first = LockedPlugin(id="backends:a", distribution="a", entry_point="a:b")
        distribution = LockedDistribution(name="a", version="1", digests={TAG: digest_of("W")})
        return lock.replace(
            plugins=(first, *lock.plugins), distributions=(distribution, *lock.distributions)
        )

    findings = (finding(where="runtime.yaml:3"),)
    later = (finding(where="runtime.yaml:30"),)
    outcome = outcome_of(sample_lock(), changed_lock(), findings=findings)
    after = outcome_of(moved(sample_lock()), moved(changed_lock()), findings=later)
    lines, moved_lines = (
        [position.line for _, position in change_positions(each) if position]
        for each in (outcome, after)
    )
    assert lines != moved_lines
    one, other = (fingerprints_of(each) for each in (outcome, after))
    assert [list(each.values()) for each in one] == [list(each.values()) for each in other]


def test_findings_that_read_alike_have_fingerprints_of_their_own() -> None:
    findings = tuple(finding(where=f"runtime.yaml:{line}") for line in (3, 30))
    outcome = Outcome(document={}, findings=findings)
    check_sarif(render_sarif(outcome))
    check_gitlab(render_gitlab(outcome))


# GitHub


def check_github(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Read workflow commands as GitHub's runner does: kind, properties and message of each.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    commands = []
    for line in text.splitlines():
        assert line.isprintable()
        if not line.startswith("::"):
            assert re.fullmatch(r"\d+ more (error|warning|notice)s aren't shown", line)
            continue
        kind, _, rest = line[2:].partition(" ")
        listed, _, message = rest.partition("::")
        properties = dict(item.split("=", 1) for item in listed.split(","))
        assert properties.keys() <= {"file", "line", "col", "title"}
        commands.append(
            (
                kind,
                {name: _unescaped(value) for name, value in properties.items()},
                _unescaped(message),
            )
        )
    for kind in ("error", "warning", "notice"):
        assert sum(command[0] == kind for command in commands) <= 10
    assert {command[0] for command in commands} <= {"error", "warning", "notice"}
    return commands


def _unescaped(text: str) -> str:
    for escape, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ",")):
        text = text.replace(escape, character)
    return text.replace("%25", "%")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_github_s_commands_can_be_read(outcome: Outcome) -> None:
    for _, properties, message in check_github(render_github(outcome)):
        assert properties["title"]
        assert len(message) < 3_000
        if not outcome.findings and outcome.locks:
            assert properties["file"] == outcome.locks[1][1]


def test_ten_of_a_kind_the_worst_first_and_the_rest_counted() -> None:
    lock = sample_lock()
    many = [
        LockedDistribution(name=f"d{number:02}", version="1", digests={TAG: digest_of("A")})
        for number in range(25)
    ]
    before = lock.replace(distributions=(*lock.distributions, *many))
    after = lock.replace(
        distributions=(
            *lock.distributions,
            *(each.replace(digests={TAG: digest_of("B")}) for each in many[:12]),
            *(each.replace(version="0.5") for each in many[12:]),
        )
    )
    text = render_github(outcome_of(before, after))
    kinds = [kind for kind, _, _ in check_github(text)]
    assert [(kind, len(list(same))) for kind, same in groupby(kinds)] == [
        ("error", 10),
        ("warning", 10),
    ]
    assert text.endswith("2 more errors aren't shown\n3 more warnings aren't shown\n")


LISTED = [
    (sample_lock(), changed_lock()),
    (changed_lock(), sample_lock()),
    (lock_of_targets(), sample_lock()),
    (sample_lock(), lock_of_targets()),
]


@pytest.mark.parametrize(("old", "new"), LISTED)
def test_the_line_is_the_one_that_changed(old: Lock, new: Lock) -> None:
    check_lines(outcome_of(old, new))


def check_lines(outcome: Outcome) -> None:
    """Hold that each change has the line of what changed, or of the entry it is gone from."""
    assert outcome.locks is not None
    lock = outcome.locks[1][0]
    assert lock is not None
    lines = write_lock(lock).split("\n")
    document = json.loads(write_lock(lock))
    for change, position in change_positions(outcome):
        assert position is not None
        assert position.line is not None
        shown = lines[position.line - 1].strip(" ,")
        value, depth = document, 0
        for key in change.place:
            if not isinstance(value, dict) or key not in value:
                break
            value, depth = value[key], depth + 1
        if depth == len(change.place) and isinstance(value, list) and change.after in value:
            assert json.loads(shown) == change.after
        elif depth:
            assert shown.startswith(f"{quote(change.place[depth - 1])}: ")
        else:
            assert position.line == 1


# Markdown

_LINKED_IN_CODE = re.compile(r"(?i)@[^\u200b ]|://|www\.")
_LINKED = re.compile(rf"{_LINKED_IN_CODE.pattern}|[#!$%&~][^\u200b ]")
"""What forges make links of: addresses and people anywhere, issues and the like outside of code."""

_OUR_TAGS = frozenset(("<code>", "</code>", "<br>"))
_PARSER = MarkdownIt("commonmark").enable("table")


def check_markdown(text: str, limit: int = MAX_BYTES) -> list[list[str]]:
    """Hold that a comment has the marker first, fits, and that nothing but text came of text.

    Returns:
        The cells of each row of its tables, without the headings.
    """
    assert text.startswith(f"{MARKER}\n")
    assert len(text.encode()) <= limit
    rows: list[list[str]] = []
    columns = 0
    for token in _PARSER.parse(text):
        if token.type == "html_block":
            for line in token.content.splitlines():
                title = re.fullmatch("<details><summary>([^<>]+)</summary>", line)
                assert title or line in (MARKER, "</details>")
                assert not title or not _LINKED.search(unescape(title[1]))
        elif token.type == "tr_open":
            rows.append([])
        elif token.type == "tr_close":
            columns = columns or len(rows[-1])
            assert len(rows[-1]) == columns
        elif token.type == "thead_close":
            rows.pop()
        elif token.type == "table_close":
            columns = 0
        elif token.type == "fence":
            assert token.info in ("mermaid", "diff", "text")
        elif token.type == "inline":
            shown = check_inline(token.children or ())
            if token.level == 4 and rows and columns >= 0:
                rows[-1].append(shown)
        else:
            assert token.type in _STRUCTURE, token.type
    return rows


_STRUCTURE = frozenset(
    f"{name}_{end}"
    for name in (
        *("heading", "paragraph", "table", "thead", "tbody", "tr", "th", "td"),
        *("bullet_list", "list_item"),
    )
    for end in ("open", "close")
)


def check_inline(tokens: Sequence[Token]) -> str:
    """Hold that there are but text, our tags and bold titles; return the text."""
    shown, is_code = "", False
    for token in tokens:
        if token.type == "html_inline":
            assert token.content in _OUR_TAGS
            is_code = token.content == "<code>" or (is_code and token.content == "<br>")
        elif token.type in ("text", "text_special"):
            text = token.content
            assert not _LINKED_IN_CODE.search(text)
            assert is_code or not _LINKED.search(text)
            assert text.replace("\u200b", "").isprintable()
            shown += text.replace("\u200b", "")
        else:
            assert token.type in ("strong_open", "strong_close", "softbreak"), token.type
    return shown


def test_markdown_has_nothing_but_the_text_of_code() -> None:
    use = next(iter(CAPABILITIES))
    code = [
        DistributionCode(
            distribution="my-package",
            old_version=text,
            new_version=text,
            files=(
                FileChange(path=text, kind="changed", lines=(f"+{text}", f"-{text}")),
                FileChange(path=text, kind="added", problem=text),
            ),
            uses=(Use(capability=use, name=text, path=text, line=1, text=text),),
            commands=(text,),
            unseen=(text,),
        )
        for text in [*HOSTILE_TEXTS, "```", "~~~\n```\n</details>"]
    ]
    for first in range(0, len(code), 5):
        outcome = Outcome(document={}, changes=(), code=tuple(code[first : first + 5]))
        text = render_markdown(outcome)
        check_markdown(text)
        assert text.count("\n</details>\n") == len(outcome.code or ())
    check_markdown(render_markdown(Outcome(document={}, changes=(), code=tuple(code * 2))))


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_markdown_has_nothing_but_text_of_others(outcome: Outcome) -> None:
    check_markdown(render_markdown(outcome))


def test_every_change_has_its_row() -> None:
    outcome = outcome_of(sample_lock(), changed_lock())
    text = render_markdown(outcome)
    rows = check_markdown(text)
    changes = outcome.changes or ()
    risks = {risk.code for change in changes for risk in change.risks}
    assert len(rows) == len(changes) + len(risks)
    for change in changes:
        about = change.summary.replace("`", "")
        assert any(about in " ".join(row) for row in rows)
        if change.level:
            codes = "".join(risk.code for risk in change.risks)
            assert any(row[0] == codes and row[1].startswith(about) for row in rows)
    counts = ", ".join(
        f"{count} of {level} risk"
        for level in LEVELS
        if (count := sum(change.level == level for change in changes))
    )
    assert f"\n{len(changes)} changes, {counts}.\n" in text


def test_no_changes_are_said() -> None:
    text = render_markdown(outcome_of(sample_lock(), sample_lock()))
    assert text == (
        f"{MARKER}\n### Changes of <code>coral.lock</code>\n\n"
        "No changes: the same plugins, from the same bytes.\n"
    )


def test_no_findings_are_said() -> None:
    assert render_markdown(Outcome(document={}, findings=())) == f"{MARKER}\nNo findings.\n"


def many_changes(name: str, count: int = 1_000) -> tuple[Lock, Lock]:
    """Two locks with two changes of each of many distributions, and a few risky ones last."""
    lock = sample_lock()
    many = tuple(
        LockedDistribution(name=f"d{number:04}", version=name, digests={name: digest_of("A")})
        for number in range(count)
    )
    changed = [
        each.replace(version=f"{name}2", digests={name: digest_of("B")}) for each in many[:-20]
    ]
    changed += [each.replace(digests={name: digest_of("B")}) for each in many[-20:]]
    return (
        lock.replace(distributions=(*lock.distributions, *many)),
        lock.replace(distributions=(*lock.distributions, *changed)),
    )


@pytest.mark.parametrize("name", ["1", "😀" * 210])
def test_a_comment_on_thousands_of_changes_fits(name: str) -> None:
    old, new = many_changes(name)
    outcome = outcome_of(old, new, name)
    changes = outcome.changes or ()
    assert len(changes) == 1_980
    text = render_markdown(outcome)
    rows = check_markdown(text)
    tables = text.partition("<summary>What requires what</summary>")[0]
    left_out = [int(count) for count in re.findall(r"^(\d+) of them are left out", tables, re.M)]
    risks = len({risk.code for change in changes for risk in change.risks})
    assert len(rows) + sum(left_out) == len(changes) + risks
    risky = [row for row in rows if row[0] == "bytes-changed"]
    assert len(risky) >= 10
    if name == "1":
        assert len(risky) == 20 + 1
        assert len(text.encode()) > MAX_BYTES - 1_000


def test_a_row_that_has_no_room_leaves_it_to_others() -> None:
    huge = "😀" * 300
    long = Change(
        code="x", subject="x", summary=" ".join([f"`{huge}`"] * 60), place=("platform",),
        risks=(RISKS["bytes-changed"],),
    )  # fmt: skip
    text = render_markdown(Outcome(document={}, changes=(long, long.replace(risks=()))))
    assert "1 of them are left out here." in text
    assert "| <code>bytes-changed</code> | the version is the same" in text
    check_markdown(text)


# Any two locks


@given(locks(), locks(), st.sampled_from(["coral.lock", "/srv/a b.lock", "日本,%:.lock"]))
def test_any_two_locks_can_be_shown_in_every_format(old: Lock, new: Lock, file: str) -> None:
    outcome = outcome_of(old, new, file)
    changes = outcome.changes or ()
    assert len(check_sarif(render_sarif(outcome))) == len(changes)
    assert len(check_gitlab(render_gitlab(outcome))) == len(changes)
    assert len(check_github(render_github(outcome))) <= len(changes)
    check_lines(outcome)
    text = render_markdown(outcome)
    check_markdown(text)
    assert bool(changes) != ("No changes" in text)
