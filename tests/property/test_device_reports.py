"""Laws of device reports: what is one, and which of them counts."""

from __future__ import annotations

import copy
import json
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from coral_lock.document.schema import schema_text
from coral_lock.fleet.gathering import Source
from coral_lock.fleet.last_words import LastWords
from coral_lock.fleet.report import RejectedReportError, parse_report
from coral_lock.fleet.words import WordReader
from tests.support.device_reports import NOW, device_report, ndjson, refusal

VALIDATOR = Draft202012Validator(json.loads(schema_text("device-report")))
ACCEPTED = {"channel": "stable", "serial": 1, "signers": ["0" * 64], "rollback": "it lags"}
REPORT = device_report(
    changes=refusal()
    | {"plugins": device_report()["plugins"], "lock": {"accepted": ACCEPTED, "target": "jetson"}}
)
TEXT = ndjson(REPORT).encode()

# To `jsonschema`, 1.0 is an integer, and a text matches a pattern with a line feed behind it.
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**50), 2**50)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda each: not each.is_integer())
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"))
    | st.sampled_from(["started", "holds", "1.7", "2.0", "a" * 64, "2026-01-31T12:00:00.000000Z"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


def _places(value: Any, steps: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the steps that lead to each value within another one."""
    inner: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    found = [place for step, each in inner for place in _places(each, (*steps, step))]
    return [steps, *found] if steps else found


def _is_report(content: bytes) -> bool:
    """Whether a text is read as a report; the reason why not is fit to be shown."""
    try:
        parse_report(content)
    except RejectedReportError as error:
        reason = error.reason
    else:
        return True
    assert reason.isprintable()
    assert len(reason) < 500
    return False


@given(place=st.sampled_from(_places(REPORT)), value=VALUES, is_removed=st.booleans())
def test_a_report_is_what_its_schema_says(
    place: tuple[str | int, ...], value: Any, is_removed: bool
) -> None:
    report = copy.deepcopy(REPORT)
    parent: Any = report
    for step in place[:-1]:
        parent = parent[step]
    if is_removed:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    assert _is_report(json.dumps(report).encode()) == VALIDATOR.is_valid(report)


@given(
    start=st.integers(0, len(TEXT)), end=st.integers(0, len(TEXT)), content=st.binary(max_size=20)
)
def test_damage_is_a_reason_and_no_exception(start: int, end: int, content: bytes) -> None:
    damaged = TEXT[:start] + content + TEXT[end:]
    _is_report(damaged)


STARTS = st.builds(
    lambda hours, **changes: device_report(ago=timedelta(hours=hours), changes=changes),
    hours=st.sampled_from([1, 2, 30, 24 * 365 * 40, -0.01]),
    sequence=st.integers(1, 3),
    boot=st.sampled_from([None, "one", "two"]),
    uptime_s=st.sampled_from([None, 5.0, 7.0]),
    age_s=st.sampled_from([None, 60.0, 7200.0]),
    command=st.sampled_from(["init", "verify"]),
    outcome=st.sampled_from(["started", "refused", "unfinished"]),
)


@given(reports=st.lists(STARTS, min_size=1, max_size=5), data=st.data())
def test_the_order_of_reports_never_matters(reports: list[dict[str, Any]], data: Any) -> None:
    told = []
    for order in (reports, data.draw(st.permutations(reports))):
        reader, words = WordReader(NOW.timestamp()), LastWords()
        for number, report in enumerate(order):
            words.add(reader.read(report, Source("edge.ndjson", number, NOW.timestamp())))
        (both,) = words.devices()
        told.append(
            [
                (word.substance, word.start, word.age, word.clock, other is not None)
                for word, other, _ in filter(None, both)
            ]
        )
    assert told[0] == told[1]
