"""The findings about wheels: a sound one, and one thing changed."""

from __future__ import annotations

import hashlib
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coral_lock.author import subject as subject_module
from coral_lock.author.check import check_subject
from coral_lock.author.subject import open_target
from coral_lock.errors import InputError
from tests.support.hostile_wheels import (
    sound_members,
    text,
    with_changed,
    with_more,
    write_wheel,
    zip_bytes,
)
from tests.support.refusals import is_answered
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
            ("foreign-file", "the distribution installs files outside its own packages: "
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
            ("foreign-file", "the distribution installs files outside its own packages: "
             "`LICENSE`", "LICENSE"),
        ),
        (
            _with("json/__init__.py"),
            ("foreign-file", "`acme` ships modules whose names belong to the standard library: "
             "`json`", "json"),
        ),
        (
            _with("acme/sub/coral_plugin.yaml"),
            ("manifest-misplaced", "the manifest isn't in a package that an entry point names, so "
             "it is ignored", "acme/sub/coral_plugin.yaml"),
        ),
    ],
)  # fmt: skip
def test_a_file_too_many(tmp_path: Path, members: Members, expected: tuple[str, str, str]) -> None:
    assert found(write(tmp_path, members)) == [expected]


@pytest.mark.parametrize(
    ("member", "what"),
    [
        ("../escaped.py", "has an unsafe path"),
        ("/absolute.py", "has an absolute path"),
        ("C:/drive.py", "has an absolute path"),
        ("acme/./dotted.py", "has an unsafe path"),
        ("acme\\windows.py", "has a name with a character that isn't portable"),
        ("acme/Coral_Plugins.py", "differs from `acme/coral_plugins.py` only in case"),
        (
            "acme-1.0.data/platlib/acme/__init__.py",
            "is installed to the same path as `acme/__init__.py`",
        ),
    ],
)
def test_an_unsafe_member(tmp_path: Path, member: str, what: str) -> None:
    path = write(tmp_path, _with(member))
    assert found(path) == [("wheel-malformed", f"the member `{member}` {what}", str(path))]
    with open_target(str(path), run=True) as subject:
        assert subject.import_path == ()
    assert not (tmp_path.parent / "escaped.py").exists()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("acme/__init__.py,", "acme/gone.py,", "RECORD doesn't list the member `acme/__init__.py`"),
        (
            _row("acme/__init__.py", ""),
            _row("acme/__init__.py", "changed"),
            "the member `acme/__init__.py` doesn't match RECORD",
        ),
        (
            _row("acme/__init__.py", ""),
            "acme/__init__.py,,\n",
            "RECORD doesn't state hash and size of `acme/__init__.py`",
        ),
        (
            _row("acme/__init__.py", ""),
            _row("acme/__init__.py", "") * 2,
            "RECORD lists `acme/__init__.py` twice",
        ),
    ],
)
def test_a_record_that_is_not_true(tmp_path: Path, old: str, new: str, expected: str) -> None:
    record = record_of(MEMBERS)
    assert old in record
    path = write(tmp_path, MEMBERS, record.replace(old, new))
    assert found(path) == [("false-record", expected, str(path))]


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        (
            "METADATA",
            "Version: 1.0",
            "Version: 1.1",
            "the member `{member}` is that of `acme` 1.1, and the file name says `acme` 1.0",
        ),
        (
            "METADATA",
            "Name: acme",
            "Name: other",
            "the member `{member}` is that of `other` 1.0, and the file name says `acme` 1.0",
        ),
        (
            "WHEEL",
            "py3-none-any",
            "cp311-cp311-linux_x86_64",
            "the file name states other tags than WHEEL, which states `cp311-cp311-linux_x86_64`",
        ),
        (
            "WHEEL",
            "Wheel-Version: 1.0",
            "Wheel-Version: 2.0",
            "the member `{member}` states no known version of the format",
        ),
    ],
)
def test_metadata_that_does_not_fit(
    tmp_path: Path, name: str, old: str, new: str, expected: str
) -> None:
    member = f"{INFO}/{name}"
    changed = MEMBERS[member].replace(old, new)
    assert changed != MEMBERS[member]
    path = write(tmp_path, _with(member, changed))
    assert found(path) == [("wheel-malformed", expected.replace("{member}", member), str(path))]


def test_versions_compare_as_versions(tmp_path: Path) -> None:
    assert found(write(tmp_path, MEMBERS, name="acme-1.0.0-py3-none-any.whl")) == []


def test_a_name_that_is_no_wheel_s(tmp_path: Path) -> None:
    path = write(tmp_path, MEMBERS, name="acme.whl")
    assert [summary for _, summary, _ in found(path)] == [
        "the file name `acme.whl` isn't a wheel's"
    ]


def test_members_that_are_there_twice(tmp_path: Path) -> None:
    path = write(tmp_path, MEMBERS)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("acme/__init__.py", "import os")
    assert [summary for _, summary, _ in found(path)] == [
        "the member `acme/__init__.py` appears twice"
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
            "the member `acme/plugins.py` needs version 6.4 of the ZIP format",
        ),
        (
            zip_bytes(with_more(text("acme-1.0.data/stdlib/x", ""))),
            "the member `acme-1.0.data/stdlib/x` is in no known scheme of the `.data` directory",
        ),
    ],
)
def test_what_a_lock_refuses_is_a_finding(tmp_path: Path, content: bytes, expected: str) -> None:
    path = Path(write_wheel(tmp_path, content))
    assert found(path) == [("wheel-malformed", expected, str(path))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_damage_is_a_problem_and_no_exception(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(zip_bytes(sound_members()))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = write_wheel(tmp_path, bytes(content))

    def check() -> None:
        with open_target(path, run=True) as subject:
            check_subject(subject)

    assert is_answered(check, InputError)


def test_a_later_version_of_the_format_is_a_finding(tmp_path: Path) -> None:
    content = zip_bytes(with_changed("acme/plugins.py", listed={"version": 64}))
    [(code, summary, _)] = found(Path(write_wheel(tmp_path, content)))
    assert code == "wheel-malformed"
    assert summary == "the wheel isn't a sound ZIP file: zip file version 6.4"


def test_bytes_that_are_damaged(tmp_path: Path) -> None:
    path = write(tmp_path, MEMBERS)
    path.write_bytes(path.read_bytes().replace(b"Sharpen the edges", b"Sharpen the hedge", 1))
    assert found(path)[0] == (
        "wheel-malformed",
        "the member `acme/coral_plugins.py` doesn't have the stated checksum",
        str(path),
    )


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
        (_not_a_zip, "the wheel isn't a ZIP file"),
        (_no_file, "wheel not found"),
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


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject_module, "MAX_UNPACKED_BYTES", 100)
    with (
        pytest.raises(InputError) as refused,
        open_target(str(write(tmp_path, MEMBERS)), run=True),
    ):
        pass
    assert refused.value.message == ("the wheel is too large to be run: it has more than 100 bytes")
