"""What is said of wheels: a sound one, and one thing changed."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coral_lock.author.check import wheel_archive
from coral_lock.author.check.opening import open_target
from coral_lock.author.check.report import check_subject
from coral_lock.errors import InputError
from tests.support.hostile_wheels import (
    sound_members,
    text,
    with_changed,
    with_more,
    write_wheel,
    zip_bytes,
)
from tests.unit.author.check_subjects import FILES

Members = dict[str, str]

NAME = "acme-1.0-py3-none-any.whl"
INFO = "acme-1.0.dist-info"
MEMBERS: Members = {
    **FILES,
    f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n",
    f"{INFO}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n"
    "Tag: py3-none-any\n",
    f"{INFO}/entry_points.txt": """\
[console_scripts]
denoise = acme.main:main

[coral_inference.backends]
npu = acme.coral_backends:npu

[coral_inference.patches]
denoise = acme.coral_plugins:register_denoise
sharpen = acme.coral_plugins:sharpen
""",
}


def _row(path: str, text: str) -> str:
    digest = urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    return f"{path},sha256={digest},{len(text.encode())}\n"


def record_of(members: Members) -> str:
    return "".join(_row(path, text) for path, text in members.items()) + f"{INFO}/RECORD,,\n"


def write(directory: Path, members: Members, record: str | None = None, name: str = NAME) -> Path:
    """Write a wheel; its RECORD is true unless another is given."""
    path = directory / name
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in members.items():
            archive.writestr(member, text)
        if f"{INFO}/RECORD" not in members:
            archive.writestr(f"{INFO}/RECORD", record_of(members) if record is None else record)
    return path


def found(path: Path) -> list[tuple[str, str, str | None]]:
    with open_target(str(path)) as subject:
        report = check_subject(subject)
    return [(finding.code, finding.summary, finding.where) for finding in report.findings]


def test_a_sound_wheel_has_no_findings(tmp_path: Path) -> None:
    assert found(write(tmp_path, MEMBERS)) == []
    assert found(write(tmp_path, _with("acme-1.0.data/scripts/acme", "#!python"))) == []


def test_an_entry_point_s_place_is_its_line(tmp_path: Path) -> None:
    with open_target(str(write(tmp_path, MEMBERS))) as subject:
        assert [declared.where for declared in subject.entry_points] == [
            f"{INFO}/entry_points.txt:{line}:1" for line in (5, 8, 9)
        ]


def _with(path: str, text: str = "") -> Members:
    return {**MEMBERS, path: text}


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (
            _with("acme.pth", "import acme"),
            ("pth-file", "`acme` ships `acme.pth`, which runs at every start of Python, locked or "
             "not", "acme.pth"),
        ),
        (
            _with("acme-1.0.data/purelib/acme.pth", "import acme"),
            ("pth-file", "`acme` ships `acme.pth`, which runs at every start of Python, locked or "
             "not", "acme.pth"),
        ),
        (
            _with("tests/test_acme.py"),
            ("foreign-file", "the distribution puts files where they aren't its own alone: "
             "`tests/test_acme.py`", "tests/test_acme.py"),
        ),
        (
            _with("coral_inference/runtime/extra.py"),
            ("foreign-file", "`acme` ships modules whose names belong to `coral-inference`: "
             "`coral_inference`", "coral_inference"),
        ),
        (
            _with("sitecustomize.py"),
            ("pth-file", "`acme` ships `sitecustomize.py`, which runs at every start of Python, "
             "locked or not", "sitecustomize.py"),
        ),
        (
            _with("LICENSE"),
            ("foreign-file", "the distribution puts files where they aren't its own alone: "
             "`LICENSE`", "LICENSE"),
        ),
        (
            _with("json/__init__.py"),
            ("foreign-file", "`acme` ships modules whose names belong to the standard library: "
             "`json`", "json"),
        ),
        (
            _with("acme/sub/coral_plugin.yaml"),
            ("manifest-misplaced", "a manifest lies where no entry point leads to, so nobody "
             "reads it", "acme/sub/coral_plugin.yaml"),
        ),
        (
            _with("../escaped.py"),
            ("wheel-malformed", "the member `../escaped.py` has an unsafe path",
             "../escaped.py"),
        ),
        (
            _with("/absolute.py"),
            ("wheel-malformed", "the member `/absolute.py` has an absolute path", "/absolute.py"),
        ),
        (
            _with("C:/drive.py"),
            ("wheel-malformed", "the member `C:/drive.py` has an absolute path", "C:/drive.py"),
        ),
        (
            _with("acme/./dotted.py"),
            ("wheel-malformed", "the member `acme/./dotted.py` has an unsafe path",
             "acme/./dotted.py"),
        ),
        (
            _with("acme\\windows.py"),
            ("wheel-malformed", "the member `acme\\windows.py` has a name with a character that "
             "isn't portable", "acme\\windows.py"),
        ),
        (
            _with("acme/Coral_Plugins.py"),
            ("wheel-malformed", "the member `acme/Coral_Plugins.py` differs from "
             "`acme/coral_plugins.py` in nothing but case", "acme/Coral_Plugins.py"),
        ),
        (
            _with("acme-1.0.data/platlib/acme/__init__.py"),
            ("wheel-malformed", "the member `acme-1.0.data/platlib/acme/__init__.py` comes to "
             "lie where another file lies, `acme/__init__.py`",
             "acme-1.0.data/platlib/acme/__init__.py"),
        ),
    ],
)  # fmt: skip
def test_a_file_too_many(tmp_path: Path, members: Members, expected: tuple[str, str, str]) -> None:
    others = found(write(tmp_path, members))
    assert others.pop(others.index(expected)) == expected
    assert {code for code, *_ in others} <= {"false-record"}
    assert not (tmp_path.parent / "escaped.py").exists()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "acme/__init__.py,",
            "acme/gone.py,",
            [("false-record", "RECORD doesn't list files of the wheel: `acme/__init__.py`"),
             ("false-record", "RECORD lists files that aren't there: `acme/gone.py`")],
        ),
        (
            _row("acme/__init__.py", ""),
            _row("acme/__init__.py", "changed"),
            [("false-record", "files aren't what RECORD states: `acme/__init__.py`")],
        ),
        (
            _row("acme/__init__.py", ""),
            "acme/__init__.py,,\n",
            [("false-record", "RECORD states no SHA-256 of files: `acme/__init__.py`")],
        ),
        (
            _row("acme/__init__.py", ""),
            _row("acme/__init__.py", "") * 2,
            [("wheel-malformed", f"the member `{INFO}/RECORD` lists `acme/__init__.py` twice")],
        ),
    ],
)  # fmt: skip
def test_a_record_that_is_not_true(
    tmp_path: Path, old: str, new: str, expected: list[tuple[str, str]]
) -> None:
    record = record_of(MEMBERS)
    assert old in record
    path = write(tmp_path, MEMBERS, record.replace(old, new))
    assert [(code, summary) for code, summary, _ in found(path)] == expected


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("METADATA", "Version: 1.0", "Version: 1.1",
         "the file's name says another distribution than METADATA"),
        ("METADATA", "Name: acme", "Name: other",
         "the file's name says another distribution than METADATA"),
        ("WHEEL", "py3-none-any", "cp311-cp311-linux_x86_64",
         "the file's name says other tags than WHEEL, whose tags a lock records"),
        ("WHEEL", "Wheel-Version: 1.0", "Wheel-Version: 2.0",
         "WHEEL states a version of the format that isn't known"),
        ("WHEEL", "Root-Is-Purelib: true\n", "",
         "WHEEL doesn't say whether the files are pure Python"),
    ],
)  # fmt: skip
def test_metadata_that_does_not_fit(
    tmp_path: Path, path: str, old: str, new: str, expected: str
) -> None:
    text = MEMBERS[f"{INFO}/{path}"].replace(old, new)
    assert text != MEMBERS[f"{INFO}/{path}"]
    assert [summary for _, summary, _ in found(write(tmp_path, _with(f"{INFO}/{path}", text)))] == [
        expected
    ]


def test_versions_compare_as_versions(tmp_path: Path) -> None:
    assert found(write(tmp_path, MEMBERS, name="acme-1.0.0-py3-none-any.whl")) == []


def test_a_name_that_is_no_wheel_s(tmp_path: Path) -> None:
    path = write(tmp_path, MEMBERS, name="acme.whl")
    assert [summary for _, summary, _ in found(path)] == ["the file's name isn't a wheel's"]


def test_members_that_are_there_twice(tmp_path: Path) -> None:
    path = write(tmp_path, MEMBERS)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("acme/__init__.py", "import os")
    assert [summary for _, summary, _ in found(path)] == [
        "the member `acme/__init__.py` is there twice"
    ]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("acme/link.py")
    link.external_attr = 0o120777 << 16
    path = write(tmp_path, MEMBERS)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert [summary for _, summary, _ in found(path)] == [
        "the member `acme/link.py` isn't a regular file"
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            zip_bytes(with_changed("acme/plugins.py", local={"method": 0})),
            "the member `acme/plugins.py` has other flags or another compression method in "
            "its local header",
        ),
        (
            zip_bytes(with_changed("acme/plugins.py", local={"version": 64})),
            "the member `acme/plugins.py` needs version 6.4 of the ZIP format; installers read up "
            "to 6.3",
        ),
        (
            zip_bytes(with_more(text("acme-1.0.data/stdlib/x", ""))),
            "the member `acme-1.0.data/stdlib/x` is in no known scheme of the `.data` directory",
        ),
    ],
)
def test_what_a_lock_refuses_is_a_finding(tmp_path: Path, content: bytes, expected: str) -> None:
    opened = wheel_archive.open_wheel(write_wheel(tmp_path, content), str(tmp_path / "unpacked"))
    assert [f"the member `{member}` {what}" for member, what in opened.archive.problems] == [
        expected
    ]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_damage_is_a_problem_and_no_exception(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(zip_bytes(sound_members()))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError), tempfile.TemporaryDirectory() as directory:
        wheel_archive.open_wheel(write_wheel(tmp_path, bytes(content)), directory)


def test_bytes_that_are_damaged(tmp_path: Path) -> None:
    path = write(tmp_path, MEMBERS)
    path.write_bytes(path.read_bytes().replace(b"Sharpen the edges", b"Sharpen the hedge", 1))
    assert [summary for _, summary, _ in found(path)][:1] == [
        "RECORD lists files that aren't there: `acme/coral_plugins.py`"
    ]
    assert any("can't be unpacked: Bad CRC-32" in summary for _, summary, _ in found(path))


def _not_a_zip(path: Path) -> None:
    path.write_bytes(b"PK but no zip")


def _no_file(path: Path) -> None:
    path.unlink()


def _no_entry_points(path: Path) -> None:
    write(path.parent, {p: t for p, t in MEMBERS.items() if "entry_points" not in p})


def _malformed_entry_points(path: Path) -> None:
    write(path.parent, _with(f"{INFO}/entry_points.txt", "[coral_inference.patches]\na = b\n"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            _not_a_zip,
            "the wheel isn't a ZIP file, is truncated, or has a comment or data after its end "
            "record",
        ),
        (_no_file, "there is no wheel"),
        (_no_entry_points, "`{path}` declares no plugin"),
        (
            _malformed_entry_points,
            "an entry point is declared in a form that isn't `name = module:attribute`: `a = b`",
        ),
    ],
)
def test_what_can_not_be_checked(
    tmp_path: Path, change: Callable[[Path], None], message: str
) -> None:
    path = write(tmp_path, MEMBERS)
    change(path)
    with pytest.raises(InputError) as refused, open_target(str(path)):
        pass
    assert refused.value.message == message.replace("{path}", str(path))


@pytest.mark.parametrize(
    ("bound", "limit", "message"),
    [
        ("MAX_MEMBERS", 3, "it has more than 3 members"),
        ("MAX_TOTAL_BYTES", 100, "it has more than 100 bytes when it is unpacked"),
    ],
)
def test_a_bomb_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, limit: int, message: str
) -> None:
    monkeypatch.setattr(wheel_archive, bound, limit)
    with pytest.raises(InputError) as refused, open_target(str(write(tmp_path, MEMBERS))):
        pass
    assert refused.value.message == f"the wheel is larger than what is looked into: {message}"
