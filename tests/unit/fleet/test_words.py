"""Which report of a device counts, and how old it is; their order never matters."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from coral_lock.fleet import words as words_module
from coral_lock.fleet.gathering import Source
from coral_lock.fleet.last_words import LastWord, LastWords
from coral_lock.fleet.report import RejectedReportError
from coral_lock.fleet.words import WordReader
from tests.support.device_reports import NOW, device_report, refusal, stamp

OTHER_BOOT = "7d9f2c1e-0000-4000-8000-000000000002"
GATHERED = NOW - timedelta(minutes=30)


def last_of(*reports: dict[str, Any]) -> LastWord:
    """Return the last word of the one device that reports are of, whatever their order."""
    found = set()
    for order in itertools.permutations(enumerate(reports, 1)):
        reader, words = WordReader(NOW.timestamp()), LastWords()
        for line, report in order:
            words.add(reader.read(report, Source("edge.ndjson", line, GATHERED.timestamp())))
        ((last, _),) = words.devices()
        told = last.word.substance, last.word.start, last.word.age
        found.add((told, last.contradicted_by is None, last.is_renumbered))
        assert words.duplicates + words.superseded < len(reports)
    assert len(found) == 1
    return last


def hours_ago(hours: float, **changes: Any) -> dict[str, Any]:
    return device_report(ago=timedelta(hours=hours), changes=changes)


def test_the_highest_number_counts_even_where_the_clock_went_back() -> None:
    late = hours_ago(0, sequence=9, started="1970-01-01T00:00:01.000000Z", finished=None)
    last = last_of(hours_ago(1), hours_ago(2, sequence=6), {**late, "boot": OTHER_BOOT})
    assert last.word.sequence == 9
    assert not last.is_renumbered


def test_a_report_that_was_written_again_counts_as_it_was_written_last() -> None:
    begun = hours_ago(1, outcome="unfinished", finished=None, exit_code=None, uptime_s=500.0)
    begun["started"] = hours_ago(1)["started"]
    ended = hours_ago(1, uptime_s=500.5, **refusal())
    last = last_of(begun, ended, begun)
    assert (last.word.outcome, last.contradicted_by) == ("refused", None)


def test_a_report_that_ended_is_not_written_again() -> None:
    ended = hours_ago(1, uptime_s=500.5, **refusal())
    begun = hours_ago(1, outcome="unfinished", finished=None, uptime_s=1e6)
    assert last_of(ended, begun).word.outcome == "refused"
    assert last_of(ended, hours_ago(1, uptime_s=1e6), ended).contradicted_by is not None
    assert last_of(ended, ended | {"uptime_s": 1e6}).contradicted_by is None


def test_what_no_last_word_has_is_forgotten() -> None:
    reader, words = WordReader(NOW.timestamp()), LastWords()
    with patch.object(words_module, "_SWEEP_AT", 100):
        reader.keep_only([])
        for sequence in range(1, 1_000):
            report = hours_ago(1, sequence=sequence, **refusal(subject=f"package-{sequence}"))
            words.add(reader.read(report, Source("edge.ndjson", sequence, GATHERED.timestamp())))
            if reader.is_full:
                reader.keep_only(words.all())
            assert len(reader._kept) <= 110
    ((last, _),) = words.devices()
    assert [each.subject for each in last.word.findings] == ["package-999"]


def test_without_a_boot_the_end_tells_which_was_written_last() -> None:
    begun = hours_ago(1, outcome="unfinished", finished=None, uptime_s=None, boot=None)
    assert last_of(hours_ago(1, uptime_s=None, boot=None), begun).word.outcome == "started"


@pytest.mark.parametrize(
    "other",
    [
        hours_ago(1, **refusal()),
        hours_ago(1, lock={"sha256": "0" * 64}),
        hours_ago(1, boot=OTHER_BOOT),
        hours_ago(3),
        hours_ago(1, command="verify", outcome="holds"),
    ],
    ids=["findings", "lock", "boot", "time", "command"],
)
def test_two_reports_of_one_number_that_contradict_each_other(other: dict[str, Any]) -> None:
    assert last_of(hours_ago(1), other, hours_ago(2, sequence=6)).contradicted_by is not None
    later = hours_ago(0.5, sequence=8)
    assert last_of(hours_ago(1), other, later).contradicted_by is None


def test_a_start_and_a_verify_each_have_a_last_word() -> None:
    start = hours_ago(3, sequence=6, **refusal())
    verification = hours_ago(1, command="verify", outcome="holds")
    for reports in itertools.permutations((start, verification, hours_ago(4, sequence=5))):
        reader, words = WordReader(NOW.timestamp()), LastWords()
        for line, report in enumerate(reports, 1):
            words.add(reader.read(report, Source("edge.ndjson", line, GATHERED.timestamp())))
        ((last, other),) = words.devices()
        assert (last.word.outcome, other and other.word.outcome) == ("holds", "refused")
        assert words.superseded == 1
    # What it said before it was set up again doesn't count any more.
    again = hours_ago(1, sequence=1, boot=OTHER_BOOT, command="verify", outcome="holds")
    assert last_of(start, again).is_renumbered


def test_the_same_report_twice_is_no_contradiction() -> None:
    collected_later = hours_ago(1) | {"age_s": 3660.0}
    last = last_of(hours_ago(1), hours_ago(1), collected_later)
    assert last.contradicted_by is None


def test_in_a_fleet_of_endless_findings_each_word_keeps_one() -> None:
    found = [*refusal("a")["findings"], *refusal("b")["findings"], *refusal("c")["findings"]]
    report = hours_ago(1, outcome="refused", findings=found)
    assert [each.code for each in last_of(report).word.findings] == ["a", "b", "c"]
    with patch.object(words_module, "_MAX_KEPT", 0):
        assert [each.code for each in last_of(report).word.findings] == ["a"]


def test_a_device_that_was_set_up_again_counts_from_one() -> None:
    last = last_of(hours_ago(48, sequence=500), hours_ago(1, sequence=1, boot=OTHER_BOOT))
    assert (last.word.sequence, last.is_renumbered) == (1, True)
    # Of the same boot, numbers are what they are.
    assert last_of(hours_ago(48, sequence=500), hours_ago(1, sequence=1)).word.sequence == 500
    # What was written in the boot in which it was collected isn't replaced by what wasn't.
    earlier = hours_ago(1, sequence=1, boot=OTHER_BOOT) | {"age_s": None}
    assert last_of(hours_ago(48, sequence=500), earlier).word.sequence == 500


@pytest.mark.parametrize(
    ("report", "age", "clock"),
    [
        (hours_ago(5), 5.0, "right"),
        (hours_ago(5) | {"age_s": None}, 5.0, "right"),
        # It was collected four hours after it had been written, and that was an hour ago.
        (hours_ago(5) | {"age_s": 4 * 3600}, 5.0, "right"),
        # The other clock says that it is at least a day old, half an hour after it was gathered.
        (hours_ago(5) | {"age_s": 24 * 3600}, 24.5, "contradicts"),
        (hours_ago(-5) | {"age_s": 7200.0}, 2.5, "ahead"),
        (hours_ago(-0.05) | {"age_s": None}, 0.0, "right"),
        (hours_ago(24 * 365 * 50) | {"age_s": 7200.0}, 2.5, "behind"),
        (hours_ago(24 * 365 * 50) | {"age_s": None}, 0.5, "behind"),
        (hours_ago(1) | {"age_s": 1e308}, 24 * 365 * 100 + 0.5, "contradicts"),
    ],
)
def test_the_age_of_a_word(report: dict[str, Any], age: float, clock: str) -> None:
    word = last_of(report).word
    assert word.age / 3600 == pytest.approx(age)
    assert word.clock == clock


@pytest.mark.parametrize(
    ("report", "kind", "reason"),
    [
        (hours_ago(-5) | {"age_s": None}, "future", "it was written 18,000 s from now"),
        (
            hours_ago(1) | {"started": "2026-02-30T00:00:00.000000Z"},
            "invalid",
            "there is no time 2026-02-30T00:00:00.000000Z",
        ),
        (
            hours_ago(1) | {"finished": "2026-02-03T24:00:01.000000Z"},
            "invalid",
            "there is no time 2026-02-03T24:00:01.000000Z",
        ),
    ],
)
def test_a_time_that_says_nothing(report: dict[str, Any], kind: str, reason: str) -> None:
    with pytest.raises(RejectedReportError) as caught:
        last_of(report)
    assert (caught.value.kind, caught.value.reason) == (kind, reason)


def test_the_clock_that_is_ahead_starts_when_the_other_one_says() -> None:
    word = last_of(hours_ago(-5) | {"started": stamp(NOW), "age_s": 60.0}).word
    assert word.outcome == "started"
