"""What changed in the files of a distribution."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_lock.difference import code
from coral_lock.difference.code import (
    CodeComparison,
    CodeSide,
    DistributionCode,
    code_changes,
    hunks_of,
)
from coral_lock.difference.model import Change
from coral_lock.errors import UnreadableSourceError
from coral_lock.rendering.code import render_code
from coral_lock.rendering.markdown import MAX_BYTES, render_markdown
from coral_lock.rendering.outcome import Outcome


def side(files: Mapping[str, str | bytes], *, commands: tuple[str, ...] = ()) -> CodeSide:
    contents = {
        path: text.encode() if isinstance(text, str) else text for path, text in files.items()
    }
    hashes = {path: hashlib.sha256(text).hexdigest() for path, text in contents.items()}

    def read(path: str) -> bytes:
        if contents[path] == b"huge":
            raise UnreadableSourceError("it has more than 1048576 bytes")
        return contents[path]

    return CodeSide(
        files={path: each for path, each in hashes.items() if not path.startswith("scripts/")},
        outside={path: each for path, each in hashes.items() if path.startswith("scripts/")},
        commands=commands,
        read=read,
    )


def compared(
    old: Mapping[str, str | bytes] | None, new: Mapping[str, str | bytes]
) -> tuple[DistributionCode, tuple[Change, ...]]:
    before = None if old is None else side(old)
    return CodeComparison().compare(
        "lens", None if old is None else "1.0", "1.1", [(before, side(new))]
    )


def summaries(changes: tuple[Change, ...]) -> list[tuple[str, str]]:
    return [(change.summary, change.risks[0].code) for change in changes]


def test_files_and_their_text() -> None:
    found, changes = compared(
        {
            "lens-1.0.dist-info/METADATA": "Name: lens\nVersion: 1.0\nRequires-Dist: a\n\nBody",
            "lens-1.0.dist-info/WHEEL": "Tag: x",
            "lens/__init__.py": "a = 1\nb = 2\n",
            "lens/gone.py": "",
            "lens/model.bin": "1",
            "lens/same.py": "",
        },
        {
            "lens-1.1.dist-info/METADATA": "Name: lens\nVersion: 1.1\nRequires-Dist: b\n\nNew",
            "lens-1.1.dist-info/WHEEL": "Tag: x",
            "lens/__init__.py": "a = 1\nb = '\u202e\t'\n",
            "lens/model.bin": "2",
            "lens/new.py": "x = 1",
            "lens/same.py": "",
        },
    )
    assert render_code([found]) == (
        "code of lens 1.0 → 1.1: 3 files changed, 1 file added, 1 file removed\n"
        "  ! isn't shown as it runs, bidirectional text: lens/__init__.py:2: b = '\\u202e\\t'\n"
        "  ~ lens-1.1.dist-info/METADATA\n"
        "      @@ -1 +1 @@\n"
        "      -Requires-Dist: a\n"
        "      +Requires-Dist: b\n"
        "  ~ lens/__init__.py\n"
        "      @@ -1,2 +1,2 @@\n"
        "       a = 1\n"
        "      -b = 2\n"
        "      +b = '\\u202e    '\n"
        "  - lens/gone.py\n"
        "  ~ lens/model.bin\n"
        "  + lens/new.py\n"
        "      @@ -0,0 +1 @@\n"
        "      +x = 1\n"
    )
    assert summaries(changes) == [("`lens` newly uses `bidirectional text`", "suspicious-code")]
    assert changes[0].after == ["lens/__init__.py:2 bidirectional text"]


RISKY: list[tuple[Mapping[str, str | bytes] | None, Mapping[str, str | bytes], list[object]]] = [
    ({}, {"lens.pth": "import lens"}, [("`lens` runs `lens.pth` at every start", "startup-file")]),
    ({}, {"lens/a.pth": "import lens"}, []),
    (
        {"sitecustomize.py": "a"},
        {"sitecustomize.py": "b"},
        [("`lens` runs `sitecustomize.py` at every start", "startup-file")],
    ),
    ({"lens.pth": "a"}, {}, []),
    ({}, {"a.so": "1"}, [("`lens` has native code: `a.so`", "native-wheel")]),
    ({"b.pyd": ""}, {"b.pyd": "", "a.so.1": "1"}, []),
    (None, {"a.so": "1"}, []),
    (
        {},
        {"scripts/x": "1"},
        [
            ("`lens` has code that isn't compared: `scripts/x`", "unseen-code"),
            ("`lens` has the commands `x`", "new-command"),
        ],
    ),
    (
        {},
        {"lens/a.pyc": "1"},
        [("`lens` has code that isn't compared: `lens/a.pyc`", "unseen-code")],
    ),
    (
        {},
        {"a.py": "import socket, ctypes\neval\nexec"},
        [("`lens` newly uses `socket`, `ctypes`, `eval` and 1 more", "suspicious-code")],
    ),
    # What moves from one file to another isn't new; another use on the same line isn't the same.
    ({"a.py": "import socket"}, {"b.py": "\nimport socket"}, []),
    ({"a.py": "eval(a)"}, {"a.py": "eval(b)"}, [("`lens` newly uses `eval`", "suspicious-code")]),
    ({"a.py": "eval(a)"}, {"a.py": ""}, []),
    (
        {"a.py": ""},
        {"a.py": "print 1", "b.py": "huge"},
        [("`lens` has code that isn't compared: `a.py`, `b.py`", "unseen-code")],
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), RISKY)
def test_risks(
    old: Mapping[str, str | bytes] | None, new: Mapping[str, str | bytes], expected: list[object]
) -> None:
    assert summaries(compared(old, new)[1]) == expected


def test_several_wheels_are_told_as_one() -> None:
    old, new = {"a.py": "1\n", "b.so": "1"}, {"a.py": "2\n", "b.so": "2"}
    found, _ = CodeComparison().compare(
        "lens", "1.0", "1.1", [(side(old), side(new)), (side(old), side({**new, "b.so": "3"}))]
    )
    assert [change.path for change in found.files] == ["a.py", "b.so", "b.so"]


def test_other_bytes_than_those_that_were_proved_are_not_compared() -> None:
    proved = side({"a.py": "1"})
    changed = CodeSide(files=proved.files, read=lambda _: b"2")
    found, _ = CodeComparison().compare("lens", "1.0", "1.1", [(side({}), changed)])
    assert [change.problem for change in found.files] == ["isn't the file that was verified"]


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "_MAX_SOURCES", 8)
    monkeypatch.setattr(code, "MAX_LINES_OF_ALL", 65)
    lines = "".join(f"x = {number}\n" for number in range(70))
    new = {"a.py": "eval", "b.py": "x" * 1000, "c.txt": "", "d.py": "\n" + lines, "e.py": lines}
    found, changes = compared({"d.py": "\n"}, new)
    assert [
        (each.path, each.problem, len(each.lines), each.more_lines) for each in found.files
    ] == [
        ("a.py", None, 2, 0),
        ("b.py", "isn't looked into, as there is too much code before it", 2, 0),
        ("c.txt", None, 0, 0),
        ("d.py", "isn't looked into, as there is too much code before it", 60, 12),
        ("e.py", "isn't looked into, as there is too much code before it", 1, 70),
    ]
    assert found.files[1].lines[1] == "+" + "x" * 200 + "… (1,000 characters)"
    assert [change.risks[0].code for change in changes] == ["suspicious-code", "unseen-code"]


def test_texts_that_take_long_to_compare() -> None:
    old = "".join(f"{number % 300}\n" for number in range(9000))
    new = "".join(f"{number % 299}\n" for number in range(9000))
    found, _ = compared({"a.py": old}, {"a.py": new})
    assert found.files[0].problem == "has too many changed lines for a text diff"
    # One changed line in a large file takes no time.
    found, _ = compared({"a.py": old}, {"a.py": old + "1\n"})
    assert found.files[0].lines[0] == "@@ -8998,3 +8998,4 @@"


def test_more_files_and_uses_than_are_told() -> None:
    new = {f"f{number:03}.py": "eval" for number in range(250)}
    found, _ = compared({}, new)
    assert (len(found.files), found.more_files) == (200, 50)
    assert (len(found.uses), found.more_uses) == (100, 150)
    text = render_code([found])
    assert "\n  ! 150 more places like these\n" in text
    assert text.endswith("\n  50 more files\n")


def test_the_most_telling_uses_come_first() -> None:
    """Nobody can bury one among many others."""
    pickles = "import pickle\n" + "pickle.loads(a)\n" * 500
    new = {"a/m.py": pickles, "a/tests/b.py": "import os; os.system('t')", "a/z.py": "import pty"}
    found, changes = compared({}, new)
    assert [(use.name, use.path) for use in found.uses[:4]] == [
        ("pty", "a/z.py"),
        ("os.system", "a/tests/b.py"),
        ("pickle", "a/m.py"),
        ("pickle.loads", "a/m.py"),
    ]
    assert (len(found.uses), found.more_uses) == (100, 403)
    assert changes[0].summary == "`lens` newly uses `pty`, `os.system`, `pickle` and 1 more"
    assert (
        "  ! loads objects that can hold code, pickle.loads: a/m.py:2: pickle.loads(a)\n"
        "      also in a/m.py:3, a/m.py:4, a/m.py:5 and 93 more\n"
        "  ! 403 more places like these\n"
    ) in render_code([found])


def test_markdown_that_a_file_cannot_break_out_of() -> None:
    evil = "x = '''\n``````\n</details><img src=x> @everyone\n'''\n"
    found, changes = compared({}, {"a.py": evil})
    text = render_markdown(Outcome(document={}, changes=changes, code=(found,)))
    fence = "`" * 7
    assert (
        f"{fence}diff\n+ a.py\n@@ -0,0 +1,4 @@\n+x = '''\n+``````\n+</details><img src=x> @everyone"
        f"\n+'''\n{fence}\n"
    ) in text


def test_markdown_stays_small() -> None:
    files = {f"f{number:02}.py": "é" * 199 + "\n" * 40 for number in range(20)}
    found, changes = compared({}, files)
    many = Outcome(document={}, changes=changes, code=(found,) * 500)
    text = render_markdown(many)
    assert len(text.encode()) <= MAX_BYTES
    assert "of them are left out here." in text
    assert text.count("<details>") == text.count("</details>")


def test_changes_stand_with_those_of_their_distribution() -> None:
    upgraded = Change(
        code="version-upgraded",
        subject="lens",
        summary="`lens` is upgraded",
        place=("distributions", "lens", "version"),
        distribution="lens",
        via=("patches:x",),
        via_count=1,
    )
    _, found = compared({}, {"a.pth": "import x"})
    first, second = code_changes(found, [upgraded])
    assert (first.code, first.via, first.via_count) == ("startup-file", ("patches:x",), 1)
    assert second == upgraded


LINES = st.lists(st.sampled_from(["", "a", "b", "c", "return"]), max_size=30)


@given(LINES, LINES)
def test_hunks_lead_from_one_text_to_the_other(before: list[str], after: list[str]) -> None:
    result, taken = [], 0
    for line in hunks_of(before, after):
        if line.startswith("@@"):
            found = re.fullmatch(r"@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@", line)
            assert found
            start = int(found[1]) - (found[2] != ",0")
            result += before[taken:start]
            taken = start
            assert len(result) == int(found[3]) - (found[4] != ",0")
        else:
            if line[0] != "+":
                assert before[taken] == line[1:]
                taken += 1
            if line[0] != "-":
                result.append(line[1:])
    assert result + before[taken:] == after
