"""Gathered reports: files and directories read within bounds, and what can't be counted set aside.

Nobody vouches for a report, so a bad one is named and the rest is read all the same.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from coral_lock.canonical_json import Value
from coral_lock.errors import InputError, printable, shortened
from coral_lock.fleet.inventory import DEVICE_VARIABLE
from coral_lock.fleet.report import MAX_REPORT_BYTES, RejectedReportError, Report, parse_report
from coral_lock.safe_files import NotRegularFileError, open_regular_file

KINDS: Mapping[str, str] = {
    "forged": "the file of one device says that it is of another",
    "contradicting": "two reports of a device have the same number and say different things",
    "future": "it was written in the future, and nothing else tells its age",
    "version": "it has another format version",
    "invalid": "it isn't a device report",
    "not-json": "it isn't JSON",
    "truncated": "it ends too early",
    "too-large": f"it has more than {MAX_REPORT_BYTES >> 20} MiB",
    "not-a-file": "it is a link, a pipe or a device, which isn't followed",
    "unreadable": "it can't be read",
}
"""Why a report is set aside, the most alarming reason first."""

MAX_NAMED = 20
"""How many of a kind are named; all are counted."""

_SUFFIXES = (".json", ".ndjson")
_MAX_DEPTH = 16
_MAX_REASON = 300
_MAX_SKIPPED = 64 << 20
_BUFFER_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Source:
    """Where a report is from.

    Attributes:
        file: the path, as it was found.
        line: the line in it, None where it is the only report of the file.
        modified: when the file was last written to, by this machine's clock, in seconds (Unix).
    """

    file: str
    line: int | None
    modified: float

    def __str__(self) -> str:
        return printable(self.file if self.line is None else f"{self.file}:{self.line}")

    @property
    def stem(self) -> str:
        """The name of the file without its ending: the host in whose name it was gathered."""
        name = os.path.basename(self.file)
        return next((name[: -len(end)] for end in _SUFFIXES if name.endswith(end)), name)


@dataclass(frozen=True, kw_only=True, slots=True)
class SetAside:
    """One report, or a file of them, that isn't counted."""

    kind: str
    where: str
    reason: str

    def to_dict(self) -> dict[str, Value]:
        """Return it as a JSON object."""
        return {"kind": self.kind, "where": self.where, "reason": self.reason}


class Ledger:
    """What was read, and what of it was set aside.

    Attributes:
        files: how many files were opened.
        reports: how many reports conform to the format.
        counts: how many reports were set aside, by kind.
        named: the first `MAX_NAMED` of each kind.
        stems: the names of the files that something was set aside of.
    """

    def __init__(self) -> None:
        self.files = 0
        self.reports = 0
        self.counts: Counter[str] = Counter()
        self.stems: Counter[str] = Counter()
        self._named: dict[str, list[SetAside]] = {kind: [] for kind in KINDS}

    @property
    def named(self) -> tuple[SetAside, ...]:
        return tuple(each for named in self._named.values() for each in named)

    def set_aside(self, source: Source, kind: str, reason: str) -> None:
        """Count a report that can't be used, and keep the first ones of each kind."""
        self.counts[kind] += 1
        self.stems[source.stem] += 1
        if len(self._named[kind]) < MAX_NAMED:
            shown = shortened(printable(reason), _MAX_REASON)
            self._named[kind].append(SetAside(kind=kind, where=str(source), reason=shown))


def gather(
    paths: Sequence[str], ledger: Ledger, devices: Mapping[str, str]
) -> Iterator[tuple[Report, Source]]:
    """Yield the reports of files and directories, each with where it is from.

    In a directory, at any depth, those are `*.json` (one report) and `*.ndjson` (one a line).
    They are read in the order of their names; links are followed only where `paths` names them.

    Args:
        paths: files and directories.
        ledger: where it is written down what was read and what was set aside.
        devices: the id of the device of each host that is known. A file that has the name of
            such a host may hold reports of that device alone.

    Raises:
        InputError: there is no such file or directory.
    """
    missing = next((path for path in paths if not os.path.exists(path)), None)
    if missing is not None:
        raise InputError(
            "there are no reports",
            expected="a directory of `*.json` and `*.ndjson`, or such a file",
            where=printable(missing),
            hint="gather them with `coral-runtime report drain` on each device",
        )
    for report, source in _reports_in(paths, ledger):
        if devices.get(source.stem, report["device"]) == report["device"]:
            yield report, source
        else:
            # Most often nobody lies: the device was never told its host's name.
            reason = (
                f"it says that it is of `{report['device']}`: if the device has that id, start it "
                f"with `--device-id {source.stem}`, or give the host `{DEVICE_VARIABLE}`"
            )
            ledger.set_aside(source, "forged", reason)


def _reports_in(paths: Sequence[str], ledger: Ledger) -> Iterator[tuple[Report, Source]]:
    for path in paths:
        if os.path.isdir(path):
            for file in _files_in(path, ledger, 0):
                yield from _reports_of(file, ledger, follows_links=False)
        else:
            yield from _reports_of(path, ledger, follows_links=True)


def _files_in(directory: str, ledger: Ledger, depth: int) -> Iterator[str]:
    """Yield the files of reports in a directory, in the order of their names."""
    source = Source(directory, None, 0.0)
    if depth > _MAX_DEPTH:
        ledger.set_aside(source, "unreadable", f"it is more than {_MAX_DEPTH} directories deep")
        return
    try:
        with os.scandir(directory) as entries:
            found = sorted(
                (entry.name, entry.is_dir(follow_symlinks=False))
                for entry in entries
                if entry.name.endswith(_SUFFIXES) or entry.is_dir(follow_symlinks=False)
            )
    except OSError as error:
        ledger.set_aside(source, "unreadable", _said(error))
        return
    for name, is_directory in found:
        path = os.path.join(directory, name)
        if is_directory:
            yield from _files_in(path, ledger, depth + 1)
        else:
            yield path


def _reports_of(
    path: str, ledger: Ledger, *, follows_links: bool
) -> Iterator[tuple[Report, Source]]:
    source = Source(path, None, 0.0)
    try:
        descriptor, size = open_regular_file(path, follows_links=follows_links)
    except NotRegularFileError as error:
        ledger.set_aside(source, "not-a-file", _said(error))
        return
    except OSError as error:
        is_link = not follows_links and os.path.islink(path)
        kind = "not-a-file" if is_link else "unreadable"
        ledger.set_aside(source, kind, "a symbolic link" if is_link else _said(error))
        return
    ledger.files += 1
    modified = os.fstat(descriptor).st_mtime
    try:
        if path.endswith(".json"):
            content = [(None, _whole(descriptor, size))]
            yield from _parsed(path, modified, content, ledger)
        else:
            with open(descriptor, "rb", buffering=_BUFFER_BYTES, closefd=False) as file:
                yield from _parsed(path, modified, _lines_of(file), ledger)
    except OSError as error:
        ledger.set_aside(source, "unreadable", _said(error))
    finally:
        os.close(descriptor)


def _said(error: OSError) -> str:
    return error.strerror or str(error)


def _whole(descriptor: int, size: int) -> bytes | None:
    """Return the content of a file, None if it is too large."""
    if size > MAX_REPORT_BYTES:
        return None
    content = os.read(descriptor, size + 1)
    while len(content) <= MAX_REPORT_BYTES and (more := os.read(descriptor, 1 << 20)):
        content += more
    return content if len(content) <= MAX_REPORT_BYTES else None


def _lines_of(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield the lines that aren't empty, each with its number; None for one that is too large.

    What comes after a line of more than 64 MiB isn't read.
    """
    number = 0
    while line := file.readline(MAX_REPORT_BYTES + 1):
        number += 1
        if len(line) <= MAX_REPORT_BYTES:
            if not line.isspace():
                yield number, line
            continue
        # A file with holes has any size at no cost: one without an end of a line is given up.
        skipped = len(line)
        while not line.endswith(b"\n") and (line := file.readline(1 << 20)):
            skipped += len(line)
            if skipped > _MAX_SKIPPED:
                yield number, None
                return
        yield number, None


def _parsed(
    path: str,
    modified: float,
    contents: Iterator[tuple[int, bytes | None]] | Sequence[tuple[None, bytes | None]],
    ledger: Ledger,
) -> Iterator[tuple[Report, Source]]:
    for line, content in contents:
        source = Source(path, line, modified)
        if content is None:
            ledger.set_aside(source, "too-large", KINDS["too-large"])
            continue
        try:
            report = parse_report(content)
        except RejectedReportError as error:
            ledger.set_aside(source, error.kind, error.reason)
            continue
        ledger.reports += 1
        yield report, source
