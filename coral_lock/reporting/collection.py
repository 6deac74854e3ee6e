"""Fetching the reports of a device: each at least once, and removed only where it was taken."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from coral_lock import canonical_json
from coral_lock.errors import InputError
from coral_lock.reporting.spool import (
    LATEST,
    MAX_REPORT_BYTES,
    REPORTS,
    SPOOL,
    lock_within,
    name_of,
    sequence_of,
)
from coral_lock.safe_files import open_regular_file, read_open_file, read_regular_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from coral_lock.canonical_json import Value

    Document = dict[str, Value]
    _Identity = tuple[int, int, int, int]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PATIENCE_SECONDS = 10.0
_SET_ASIDE = ".damaged"
_MOST_SET_ASIDE = 10


class Spool:
    """The reports that nobody has fetched, for one reader at a time.

    Nothing in it is trusted: links aren't followed, and what isn't a report is no report.

    Args:
        state_directory: the state directory, of this user or of another.

    Raises:
        InputError: on entry: it can't be read, or another process has been reading it for long.

    Attributes:
        damaged: the names of what `reports` has found to be damaged, with the reasons.
        strange: the names of what isn't called as a report is.
    """

    def __init__(self, state_directory: str) -> None:
        self._directory = os.path.join(os.path.abspath(state_directory), REPORTS)
        self._reports = self._spool = -1
        self._read: dict[str, _Identity] = {}
        self.damaged: dict[str, str] = {}
        self.strange: tuple[str, ...] = ()

    @property
    def is_missing(self) -> bool:
        """Whether there is no spool, since no start has written a report."""
        return self._spool < 0

    @property
    def directory(self) -> str:
        return os.path.join(self._directory, SPOOL)

    def __enter__(self) -> Spool:
        try:
            self._reports = os.open(self._directory, _DIRECTORY)
            self._spool = os.open(SPOOL, _DIRECTORY, dir_fd=self._reports)
            lock_within(self._spool, _PATIENCE_SECONDS)
        except FileNotFoundError:
            # No start has written a report.
            self._close()
        except BlockingIOError:
            self._close()
            raise InputError(
                "another `coral-runtime report drain` is reading these reports",
                where=self.directory,
                hint="wait until it has ended, or end it",
            ) from None
        except OSError as error:
            self._close()
            raise InputError(
                f"the reports can't be read: {error.strerror}",
                where=self.directory,
                hint="name the state directory of the starts with `--state-dir DIR`",
            ) from None
        return self

    def __exit__(self, *_: object) -> Literal[False]:
        self._close()
        return False

    def _close(self) -> None:
        for descriptor in (self._spool, self._reports):
            if descriptor >= 0:
                os.close(descriptor)
        self._reports = self._spool = -1

    def reports(self) -> Iterator[Document]:
        """Yield the reports, the oldest first."""
        names = [] if self.is_missing else sorted(os.listdir(self._spool))
        self.strange = tuple(
            name for name in names if not sequence_of(name.removesuffix(_SET_ASIDE))
        )
        for name in names:
            if not sequence_of(name):
                continue
            try:
                document, identity = self._read_report(name)
            except FileNotFoundError:
                # A start has made room for its own.
                continue
            except (OSError, ValueError) as error:
                self.damaged[name] = getattr(error, "strerror", None) or str(error)
                continue
            self._read[name] = identity
            yield document

    def _read_report(self, name: str) -> tuple[Document, _Identity]:
        opened = open_regular_file(name, follows_links=False, directory=self._spool)
        with opened as (descriptor, size):
            identity = _identity(os.fstat(descriptor))
            content = read_open_file(descriptor, size, MAX_REPORT_BYTES)
        # A start that makes room writes into the file of the oldest, once it has another name.
        os.stat(name, dir_fd=self._spool, follow_symlinks=False)
        document = parse_report(content)
        if name_of(document["sequence"]) != name:  # type: ignore[arg-type]
            raise ValueError("it has another number than its name")
        return document, identity

    def remove(self) -> None:
        """Remove what `reports` has yielded, but for what a start has written again since."""
        if self.is_missing:
            return
        lock_within(self._reports, _PATIENCE_SECONDS)
        for name, identity in self._read.items():
            try:
                status = os.stat(name, dir_fd=self._spool, follow_symlinks=False)
                if _identity(status) == identity:
                    os.unlink(name, dir_fd=self._spool)
            except FileNotFoundError:
                continue

    def set_damaged_aside(self) -> None:
        """Rename what is damaged, so that it is named once; the last ten are kept.

        What can't be renamed or removed, such as a directory, stays, and is named again.
        """
        if self.is_missing:
            return
        for name in self.damaged:
            aside = f"{name}{_SET_ASIDE}"
            with suppress(OSError):
                os.rename(name, aside, src_dir_fd=self._spool, dst_dir_fd=self._spool)
        kept = [
            name
            for name in os.listdir(self._spool)
            if name.endswith(_SET_ASIDE) and sequence_of(name.removesuffix(_SET_ASIDE))
        ]
        for name in sorted(kept)[:-_MOST_SET_ASIDE]:
            with suppress(OSError):
                os.unlink(name, dir_fd=self._spool)


def _identity(status: os.stat_result) -> _Identity:
    """Return what differs once a report was written again; a name less changes its `st_ctime`."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def parse_report(content: bytes) -> Document:
    """Return the document of a report as a start writes it.

    Raises:
        ValueError: it isn't one.
    """
    text = content.decode("utf-8")
    document = canonical_json.parse(text)
    if not isinstance(document, dict) or canonical_json.write(document) != text:
        raise ValueError("it isn't a document as a start writes it")
    sequence, version = document.get("sequence"), document.get("device_report_version")
    if type(sequence) is not int or sequence < 1 or not isinstance(version, str):
        raise ValueError("it isn't a device report")
    if not {"boot", "uptime_s", "age_s"} <= document.keys():
        raise ValueError("it isn't a device report")
    return document


def latest_report(state_directory: str) -> Document:
    """Return the latest report of a device.

    Raises:
        InputError: there is none, or it can't be read.
    """
    path = os.path.join(state_directory, REPORTS, LATEST)
    try:
        return parse_report(read_regular_file(path, MAX_REPORT_BYTES))
    except FileNotFoundError:
        raise InputError(
            "there is no report yet",
            where=path,
            hint="`coral-runtime init --locked` writes one; name its state directory with "
            "`--state-dir DIR`",
        ) from None
    except OSError as error:
        raise InputError(f"the report can't be read: {error.strerror}", where=path) from None
    except ValueError as error:
        raise InputError(
            f"the report is damaged: {error}", where=path, hint="the next start writes a new one"
        ) from None


def latest_sequence(state_directory: str) -> int:
    """Return the number of the latest report, 0 without one."""
    try:
        sequence = latest_report(state_directory)["sequence"]
    except InputError:
        return 0
    assert isinstance(sequence, int)
    return sequence


def one_line(document: Value) -> str:
    """Return the canonical JSON of a document without its line feeds, and one at the end."""
    lines = canonical_json.write(document).split("\n")
    return "".join(line.lstrip(" ") for line in lines) + "\n"


def aged(document: Document, boot: str | None, now: float | None) -> Document:
    """Return a document with its age.

    Args:
        document: a report.
        boot: the id of the present boot.
        now: the seconds since it.
    """
    written, age = document["uptime_s"], None
    is_same_boot = boot is not None and document["boot"] == boot
    if is_same_boot and now is not None and isinstance(written, (int, float)):
        age = round(max(now - written, 0.0), 6)
    return {**document, "age_s": age}
