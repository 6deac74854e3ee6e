"""The reports of a device on its disk: the latest, and those that nobody has fetched.

The state directory's `reports` holds `latest.json`, `sequence`, the last number that was given, and
the directory `spool`. Whoever changes any of them holds the lock on `reports` meanwhile. Nothing is
synced: on flash memory that would take longer than the rest of a start.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time

from coral_lock.safe_files import is_private

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

REPORTS = "reports"
LATEST = "latest.json"
SPOOL = "spool"
MOST_REPORTS = 100
LARGEST_SEQUENCE = (1 << 53) - 1
MAX_REPORT_BYTES = 8 << 20
"""How large a report may be; `DeviceReport` stays below that, whatever it is made of."""

_SEQUENCE = "sequence"
_DIGITS = 20
_NEW = ".new"
_NEW_LATEST = ".latest"
_IS_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_SECONDS_FOR_LOCK = 0.5
_PAUSE_SECONDS = 0.001
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITTEN = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_COUNTER = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_IS_IN_THE_WAY = frozenset({errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENOTEMPTY, errno.ENXIO})


class Reports:
    """The reports in a state directory, locked as long as this is entered.

    Args:
        state_directory: the absolute path of the state directory; what is missing is made on entry.

    Raises:
        OSError: on entry: it can't be used, others can write to it, or another process keeps the
            lock. All entries together wait half a second for it at the most.
    """

    def __init__(self, state_directory: str) -> None:
        self._state = state_directory
        self.directory = f"{state_directory}/{REPORTS}"
        self._descriptor = -1
        self._patience = _SECONDS_FOR_LOCK
        self._names: list[str] | None = None

    def __enter__(self) -> Reports:
        self._names = None
        try:
            self._descriptor = os.open(self.directory, _DIRECTORY)
        except FileNotFoundError:
            for directory in (self._state, self.directory):
                os.makedirs(directory, mode=0o700, exist_ok=True)
            self._descriptor = os.open(self.directory, _DIRECTORY)
        try:
            for status in (os.stat(self._state), os.fstat(self._descriptor)):
                if not is_private(status):
                    raise PermissionError(errno.EPERM, "others can write to it", self._state)
            began = time.monotonic()
            try:
                lock_within(self._descriptor, self._patience)
            finally:
                self._patience = max(self._patience - (time.monotonic() - began), 0.0)
        except BaseException:
            os.close(self._descriptor)
            raise
        return self

    def __exit__(self, *_: object) -> Literal[False]:
        os.close(self._descriptor)
        return False

    def next_sequence(self) -> int:
        """Return the number of a new report, which no other gets."""
        descriptor = self._open_file(_SEQUENCE, _COUNTER)
        try:
            written = os.read(descriptor, _DIGITS + 1).decode("ascii", "replace")
            last = sequence_of(f"{written[:_DIGITS]}.json") or self._latest()
            last = max([last, *map(sequence_of, self._spooled()[-1:])])
            if last >= LARGEST_SEQUENCE:
                raise OSError(errno.EOVERFLOW, "there are no more numbers", self.directory)
            try:
                # In place: a file of the same length needs no room on a disk that is full.
                os.pwrite(descriptor, f"{last + 1:0{_DIGITS}d}\n".encode("ascii"), 0)
            except OSError as error:
                # What is in the spool tells the number, too.
                if error.errno not in _IS_FULL:
                    raise
        finally:
            os.close(descriptor)
        return last + 1

    def _latest(self) -> int:
        """Return the number of the latest report, 0 without one."""
        if not os.path.lexists(f"{self.directory}/{LATEST}"):
            return 0
        from coral_lock.reporting.collection import latest_sequence

        return latest_sequence(self._state)

    def put(self, sequence: int, text: str) -> None:
        """Write a report into the spool and as the latest, whole or not at all.

        The oldest are removed where there are too many, or where the disk is full.

        Raises:
            OSError: it can't be written.
        """
        own, content = f"{SPOOL}/{name_of(sequence)}", text.encode("utf-8")
        flags = os.O_CREAT | os.O_EXCL
        if self._status(own) is None and self._drop(own):
            flags = 0
        while True:
            try:
                self._write(_NEW, content, flags)
                break
            except OSError as error:
                self._remove(_NEW)
                if error.errno not in _IS_FULL or not self._make_room(own):
                    raise
            flags = os.O_CREAT | os.O_EXCL
        self._name(content)
        self._rename(_NEW, own)
        self._rename(_NEW_LATEST, LATEST)

    def _name(self, content: bytes) -> None:
        """Give the new report the name of the next latest one."""
        for _ in range(2):
            try:
                # A second name takes no room on a disk that is full.
                os.link(
                    _NEW,
                    _NEW_LATEST,
                    src_dir_fd=self._descriptor,
                    dst_dir_fd=self._descriptor,
                    follow_symlinks=False,
                )
                return
            except FileExistsError:
                self._clear(_NEW_LATEST)
            except OSError:
                # The file system has no links.
                break
        self._write(_NEW_LATEST, content)

    def _make_room(self, own: str) -> bool:
        """Remove the oldest report whose file takes room; whether there was one."""
        for name in self._others(own):
            if self._is_file_of_its_own(name) and self._remove(name):
                self._names = None
                return True
        return False

    def _drop(self, own: str) -> bool:
        """Remove the oldest reports where there are too many.

        Returns:
            Whether the file of one has the name of the new one, to be written over.
        """
        others = self._others(own)
        excess = len(others) + 1 - MOST_REPORTS
        if excess > 0:
            self._names = None
        for name in others:
            if excess <= 0:
                break
            # To remove a file, and to make one, takes several times as long as to rename it.
            if excess == 1 and self._is_file_of_its_own(name):
                self._rename(name, _NEW)
                return True
            excess -= self._remove(name)
        return False

    def _is_file_of_its_own(self, name: str) -> bool:
        """Whether a report is a file, and not the one that is the latest, too."""
        status = self._status(name)
        return status is not None and stat.S_ISREG(status.st_mode) and status.st_nlink == 1

    def _others(self, own: str) -> list[str]:
        """Return the reports in the spool but for one, the oldest first."""
        return [name for name in (f"{SPOOL}/{each}" for each in self._spooled()) if name != own]

    def _spooled(self) -> list[str]:
        """Return the names of the reports in the spool, the oldest first."""
        if self._names is None:
            try:
                names = os.listdir(f"{self.directory}/{SPOOL}")
            except FileNotFoundError:
                os.mkdir(SPOOL, 0o700, dir_fd=self._descriptor)
                names = []
            self._names = sorted(
                [each for each in names if each[_DIGITS:] == ".json" and each[:_DIGITS].isdigit()]
            )
        return self._names

    def _status(self, name: str) -> os.stat_result | None:
        try:
            return os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _rename(self, name: str, new: str) -> None:
        try:
            os.rename(name, new, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except OSError as error:
            if error.errno not in _IS_IN_THE_WAY:
                raise
            self._clear(new)
            os.rename(name, new, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def _clear(self, name: str) -> None:
        """Have nothing of a name: what can't be removed, such as a directory, gets another one."""
        if not self._remove(name):
            aside = f".{os.urandom(6).hex()}"
            os.rename(name, aside, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def _open_file(self, name: str, flags: int) -> int:
        """Open a file, or a new one in the place of what isn't a file."""
        for _ in range(2):
            try:
                descriptor = os.open(name, flags, 0o600, dir_fd=self._descriptor)
            except OSError as error:
                if error.errno not in _IS_IN_THE_WAY:
                    raise
            else:
                if stat.S_ISREG(os.fstat(descriptor).st_mode):
                    return descriptor
                os.close(descriptor)
            self._clear(name)
            flags |= os.O_CREAT | os.O_EXCL
        raise FileExistsError(errno.EEXIST, "it comes back again and again", name)

    def _write(self, name: str, content: bytes, flags: int = os.O_CREAT | os.O_EXCL) -> None:
        descriptor = self._open_file(name, _WRITTEN | flags)
        try:
            size = len(content)
            while content:
                content = content[os.write(descriptor, content) :]
            os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)

    def _remove(self, name: str) -> bool:
        """Remove a file; whether that was possible."""
        try:
            os.unlink(name, dir_fd=self._descriptor)
        except OSError:
            return False
        return True


def name_of(sequence: int) -> str:
    """Return the name of a report in the spool."""
    return f"{sequence:0{_DIGITS}d}.json"


def sequence_of(name: str) -> int:
    """Return the number of a report in the spool by its name, 0 if it isn't the name of one."""
    stem = name[:_DIGITS]
    if name[_DIGITS:] != ".json" or not (stem.isascii() and stem.isdigit()):
        return 0
    number = int(stem)
    return number if number <= LARGEST_SEQUENCE else 0


def lock_within(descriptor: int, seconds: float) -> None:
    """Lock a directory that is open, until its descriptor is closed.

    Raises:
        OSError: it can't be locked, or another process keeps it locked for longer than `seconds`.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= end:
                raise
            time.sleep(_PAUSE_SECONDS)
