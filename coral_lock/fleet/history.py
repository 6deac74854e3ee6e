"""Reports kept for questions about the past: Parquet files by day, written by DuckDB.

Below the directory is a table each for reports, their findings and their plugins:
`reports/day=2026-01-31/part.parquet`. Its rows are a set: what is loaded twice, or in another
order, is there once. A file is replaced as a whole. Findings and plugins of new reports are there
before the reports are, and those of replaced reports until after that, so a load that is
interrupted leaves every report with all that belongs to it, and the next one finishes the work.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from types import ModuleType
from typing import TYPE_CHECKING, Any

from coral_lock.canonical_json import Value
from coral_lock.errors import InputError, WriteError, printable, shortened
from coral_lock.fleet.gathering import Ledger, gather
from coral_lock.fleet.inventory import FleetInventory
from coral_lock.fleet.report import RejectedReportError, Report
from coral_lock.fleet.states import FleetWords
from coral_lock.fleet.tables import TABLES, digest_of, rows_of
from coral_lock.safe_files import replace_durably

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_FILE = "part.parquet"
_STAGING = ".load-"
_MEMORY_LIMIT = "256MB"
MAX_DAYS = 400
"""How many days a load writes to: each takes time, and a device can say any."""

_PATTERN_CHARACTERS = frozenset("*?[]{}")
_ORDER = "device, started, sequence, boot, report"
_DAY = """
    CASE WHEN started < TIMESTAMP '2025-01-01' THEN '1970-01-01'
    ELSE strftime(started, '%Y-%m-%d') END
"""
"""The day of a report. Clocks that have lost the time share one, so that they make few files."""

_LATEST = """
    SELECT * EXCLUDE (version) FROM (
        SELECT *, row_number() OVER (
            PARTITION BY device, started, sequence, boot, command
            ORDER BY finished IS NULL, uptime_s DESC NULLS LAST, report
        ) AS version FROM ({rows})
    ) WHERE version = 1 OR finished IS NOT NULL
"""
"""Of a report that was written again, what was written last.

A report that is finished isn't written again. So one that says otherwise, which whoever gathers in
a device's name can add, is kept beside it and doesn't replace it.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """What a load did.

    Attributes:
        read: how many reports could be used.
        new: how many of them weren't there, or are later than what was.
        replaced: how many that were there are gone, since a later version of them came.
        days: the days whose files were written, sorted.
        days_left_out: how many days weren't written to, as there are more than `MAX_DAYS`; they
            are the oldest.
        ledger: what was read, and what of it was set aside.
    """

    read: int
    new: int
    replaced: int
    days: tuple[str, ...]
    days_left_out: int
    ledger: Ledger

    def to_dict(self) -> dict[str, Value]:
        """Return it as a JSON object."""
        return {
            "format_version": "1.0",
            "read": self.read,
            "new": self.new,
            "replaced": self.replaced,
            "days": list(self.days),
            "days_left_out": self.days_left_out,
            "set_aside": sum(self.ledger.counts.values()),
            "named": [each.to_dict() for each in self.ledger.named],
        }


def load_reports(
    paths: Sequence[str], directory: str, now: float, inventory: FleetInventory | None = None
) -> Loaded:
    """Add reports to those that a directory keeps.

    Args:
        paths: files and directories of reports.
        directory: where they are kept; it is made if it isn't there.
        now: the time by which reports from the future are known, in seconds (Unix).
        inventory: which device is which host's, None if nobody knows.

    Raises:
        InputError: there are no such reports, DuckDB isn't installed, another load is running, or
            the directory holds something else.
        WriteError: the directory can't be written to.
    """
    duckdb = _duckdb()
    if _PATTERN_CHARACTERS & set(directory):
        raise InputError(
            "DuckDB takes the name of the directory for a pattern",
            found=printable(directory),
            hint="name one without any of `*?[]{}`",
        )
    try:
        os.makedirs(directory, exist_ok=True)
        with _locked(directory), _staging_in(directory) as staging:
            read, rejected, ledger = _write_rows(paths, inventory, now, staging)
            connection = duckdb.connect(config={"memory_limit": _MEMORY_LIMIT})
            try:
                return _Merge(connection, directory, staging).run(read, rejected, ledger)
            except duckdb.Error as error:
                raise InputError(
                    "the reports can't be kept",
                    found=shortened(printable(str(error).partition("\n")[0])),
                    where=directory,
                    hint="remove the file that it names, and load the reports of that day again",
                ) from None
            finally:
                connection.close()
    except OSError as error:
        raise WriteError(
            f"the reports can't be kept: {error.strerror or error}",
            where=printable(error.filename or directory),
            hint="make room, or make the directory writable, and run the command again",
        ) from None


def _duckdb() -> ModuleType:
    try:
        import duckdb
    except ImportError:
        raise InputError(
            "reports are kept by DuckDB, which isn't installed",
            expected="coral-lock with the extra `fleet`",
            hint="`pip install 'coral-lock[fleet]'`",
        ) from None
    return duckdb


@contextlib.contextmanager
def _locked(directory: str) -> Iterator[None]:
    """Keep other loads out of a directory."""
    descriptor = os.open(os.path.join(directory, ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise InputError(
            "another load is writing to the directory", where=directory, hint="wait until it ends"
        ) from None
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _staging_in(directory: str) -> Iterator[str]:
    """Give a directory for files that aren't finished; those of interrupted loads are removed."""
    for name in os.listdir(directory):
        if name.startswith(_STAGING):
            shutil.rmtree(os.path.join(directory, name), ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_STAGING, dir=directory) as staging:
        yield staging


def _write_rows(
    paths: Sequence[str], inventory: FleetInventory | None, now: float, staging: str
) -> tuple[int, frozenset[str], Ledger]:
    """Write the rows of all tables as JSON, one a line.

    Returns:
        How many reports can be used, the digests of those that are contradicted, and what was read.
    """
    count = 0
    last_day = datetime.fromtimestamp(now + 86_400, timezone.utc).strftime("%Y-%m-%d")
    with contextlib.ExitStack() as stack:
        files = {
            table: stack.enter_context(open(os.path.join(staging, f"{table}.json"), "wb"))
            for table in TABLES
        }

        def keep(report: Report) -> None:
            nonlocal count
            if report["started"][:10] > last_day:
                reason = f"its day is {report['started'][:10]}, which hasn't come yet"
                raise RejectedReportError("future", reason)
            count += 1
            for table, row in rows_of(report):
                text = json.dumps(row, ensure_ascii=False, separators=(",", ":"))
                # JSON may hold half of a character (RFC 8259, section 8.2); Parquet can't.
                files[table].write(text.encode("utf-8", "replace") + b"\n")

        fleet = FleetWords(paths, inventory, now, keep)
    # Which reports are contradicted is known at the end; they are few, and read once more.
    contradicted = {
        last.contradicted_by.source
        for words in fleet.devices()
        for last in words
        if last is not None and last.contradicted_by is not None
    }
    again = gather(sorted({each.file for each in contradicted}), Ledger(), {})
    rejected = frozenset(digest_of(report) for report, source in again if source in contradicted)
    return count - fleet.ledger.counts["contradicting"], rejected, fleet.ledger


class _Merge:
    """Adds staged rows to the files of their days."""

    def __init__(self, connection: DuckDBPyConnection, directory: str, staging: str) -> None:
        self._connection = connection
        self._directory = directory
        self._staging = staging

    def run(self, read: int, rejected: Collection[str], ledger: Ledger) -> Loaded:
        """Merge what is staged, but for the reports with the rejected digests."""
        ask = self._ask
        digests = ", ".join(map(_literal, sorted(rejected))) or "NULL"
        ask(f"SET temp_directory = {_literal(os.path.join(self._staging, 'spilled'))}")
        for table, columns in TABLES.items():
            file = _literal(os.path.join(self._staging, f"{table}.json"))
            kinds = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
            source = f"read_json({file}, format = 'newline_delimited', columns = {{{kinds}}})"
            ask(f"CREATE TABLE staged_{table} AS SELECT DISTINCT * FROM {source}")
            ask(f"DELETE FROM staged_{table} WHERE report IN ({digests})")
        ask(f"CREATE TABLE latest AS {_LATEST.format(rows='SELECT * FROM staged_reports')}")
        days = ask(f"SELECT DISTINCT {_DAY} AS day FROM latest ORDER BY day")
        new, replaced, written = 0, 0, []
        for (day,) in days[-MAX_DAYS:]:
            added, removed = self._merge_day(day)
            new, replaced = new + added, replaced + removed
            if added or removed:
                written.append(day)
        return Loaded(
            read=read,
            new=new,
            replaced=replaced,
            days=tuple(written),
            days_left_out=max(len(days) - MAX_DAYS, 0),
            ledger=ledger,
        )

    def _merge_day(self, day: str) -> tuple[int, int]:
        """Return how many reports are new on a day, and how many of those that were aren't any
        more."""
        ask = self._ask
        of_day = f"{_DAY} = '{day}'"
        ask(f"CREATE OR REPLACE TABLE kept AS {self._kept('reports', day)}")
        rows = f"SELECT * FROM kept UNION SELECT * FROM latest WHERE {of_day}"
        ask(f"CREATE OR REPLACE TABLE merged AS {_LATEST.format(rows=rows)}")
        ((added,),) = ask("SELECT count(*) FROM merged ANTI JOIN kept USING (report)")
        ((removed,),) = ask("SELECT count(*) FROM kept ANTI JOIN merged USING (report)")
        details = [table for table in TABLES if table != "reports"]
        for table in details:
            both = f"{self._kept(table, day)} UNION SELECT * FROM staged_{table} WHERE {of_day}"
            ask(f"CREATE OR REPLACE TABLE merged_{table} AS {both}")
        reports_of = {
            "before": "SELECT report FROM kept UNION SELECT report FROM merged",
            "after": "SELECT report FROM merged",
        }
        for moment, reports in reports_of.items():
            for table in details:
                rows = f"SELECT * FROM merged_{table} SEMI JOIN ({reports}) USING (report)"
                ((count,),) = ask(
                    f"SELECT (SELECT count(*) FROM ({rows})) - "
                    f"(SELECT count(*) FROM ({self._kept(table, day)}))"
                )
                if count or (added and moment == "before"):
                    self._write(table, day, f"{rows} ORDER BY {_ORDER}, position")
            if moment == "before" and added:
                self._write("reports", day, f"SELECT * FROM merged ORDER BY {_ORDER}")
        return added, removed

    def _kept(self, table: str, day: str) -> str:
        """Return the query for what is there of a day."""
        path = self._path(table, day)
        columns = ", ".join(TABLES[table])
        if os.path.lexists(path):
            return (
                f"SELECT {columns} FROM read_parquet({_literal(path)}, hive_partitioning = false)"
            )
        return f"SELECT {columns} FROM staged_{table} WHERE false"

    def _path(self, table: str, day: str) -> str:
        return os.path.join(self._directory, table, f"day={day}", _FILE)

    def _write(self, table: str, day: str, rows: str) -> None:
        path = self._path(table, day)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        finished = os.path.join(self._staging, f"{table}-{day}.parquet")
        options = "FORMAT parquet, COMPRESSION zstd"
        self._ask(f"COPY ({rows}) TO {_literal(finished)} ({options})")
        replace_durably(finished, path)

    def _ask(self, query: str) -> list[Any]:
        return self._connection.execute(query).fetchall()


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
