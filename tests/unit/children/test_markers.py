"""What children report to their program, which any process of the user can write."""

from __future__ import annotations

import marshal
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from coral_lock import canonical_json
from coral_lock.canonical_json import Value
from coral_lock.children.session import OpenSession, Session, leave_marker, open_session
from coral_lock.finding import ERROR, Finding

SESSION = Session(
    start={},
    config={},
    plugin_modules=(),
    has_host=False,
    index=None,
    bytecode_directory=None,
    is_strict=False,
    startup=(),
)
FINDING = Finding(code="version-drift", subject="a", summary='é \udcff "', where="x")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[OpenSession]:
    tmp_path.chmod(0o700)
    session = open_session(SESSION, str(tmp_path))
    yield session
    session.close()


def test_what_children_report_is_read(opened: OpenSession) -> None:
    leave_marker(opened.directory, 3, (FINDING, FINDING))
    leave_marker(opened.directory, None, ())
    assert opened.markers() == ((3, (FINDING, FINDING)), (None, ()))


def _hex(value: Value) -> bytes:
    return canonical_json.write(value).encode().hex().encode()


FIELDS: dict[str, Value] = {
    "code": "version-drift",
    "severity": "error",
    "subject": "a",
    "summary": "b",
    "expected": None,
    "found": None,
    "where": None,
    "hint": None,
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=30).filter(lambda line: line and len(line.splitlines()) == 1))
@example(marshal.dumps(("x", [])).hex().encode())
@example(marshal.dumps((0, [])).hex().encode())
@example(_hex("x"))
@example(_hex(["x", []]))
@example(_hex([True, []]))
@example(_hex([4, []]))
@example(_hex([0, {}]))
@example(_hex([0, [None]]))
@example(_hex([0, [{**FIELDS, "code": "unknown"}]]))
@example(_hex([0, [{**FIELDS, "severity": "none"}]]))
@example(_hex([0, [{**FIELDS, "summary": None}]]))
@example(_hex([0, [{**FIELDS, "hint": 1}]]))
@example(_hex([0, [{"code": "version-drift"}]]))
def test_anything_else_counts_as_a_refusal(opened: OpenSession, line: bytes) -> None:
    path = os.path.join(opened.directory, "markers")
    Path(path).write_bytes(line + b"\n")
    ((code, (finding,)),) = opened.markers()
    assert (code, finding.code, finding.severity, finding.where) == (
        3,
        "uncovered-child",
        ERROR,
        path,
    )
