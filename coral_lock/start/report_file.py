"""The file of a start's report: tried before anything is imported, and never of another start.

What a start that doesn't finish leaves behind says so, since the file is written when the start
begins: an earlier report isn't taken for its outcome, whatever ends it.
"""

from __future__ import annotations

import errno
import os
import stat

from coral_lock import canonical_json
from coral_lock.errors import CoralLockError, WriteError
from coral_lock.finding import finding_of_error
from coral_lock.safe_files import refuse_to_overwrite, write_durably
from coral_lock.start.report import REFUSED, UNFINISHED, ActivationReport

_ELSEWHERE = "name another file with `--report FILE`"


def begin_report(path: str) -> None:
    """Write that a start has begun, in the place of an earlier report.

    A pipe or a device is written to at the end only.

    Raises:
        InputError: the file is something else than a report.
        WriteError: it can't be written.
    """
    if _is_stream(path):
        if not os.access(path, os.W_OK):
            raise _unwritable(path, os.strerror(errno.EACCES))
        return
    refuse_to_overwrite(path, "a report", is_report, _ELSEWHERE)
    report = _bare_report(UNFINISHED, "The start has begun, and hasn't finished")
    write_durably(path, _text(report))


def write_report(path: str, report: ActivationReport) -> None:
    """Write the report of a start whose file was begun.

    Raises:
        WriteError: it can't be written.
    """
    if not _is_stream(path):
        write_durably(path, _text(report))
        return
    try:
        with open(path, "wb", buffering=0) as stream:
            content = _text(report).encode("utf-8", "backslashreplace")
            while content:
                content = content[stream.write(content) or 0 :]
    except OSError as error:
        raise _unwritable(path, error.strerror) from error


def report_refusal(path: str, error: CoralLockError) -> None:
    """Write the report of a start that an error ended before the machine was looked at.

    Where it can't be written nothing is: what ended the start is told anyway.
    """
    if isinstance(error, WriteError):
        return
    report = _bare_report(REFUSED, "The start was refused before the machine was looked at")
    findings = tuple(finding_of_error(each) for each in (*getattr(error, "problems", ()), error))
    try:
        if not _is_stream(path):
            refuse_to_overwrite(path, "a report", is_report, _ELSEWHERE)
        write_report(path, report.replace(findings=findings))
    except CoralLockError:
        return


def is_report(text: str) -> bool:
    """Whether a text is a report that some release of this project has written."""
    try:
        document = canonical_json.parse(text)
    except canonical_json.NotCanonicalError:
        return False
    return (
        isinstance(document, dict)
        and document.keys() >= _bare_report(UNFINISHED, "").to_dict().keys()
        and isinstance(document["report_version"], str)
        and canonical_json.write(document) == text
    )


def _is_stream(path: str) -> bool:
    """Whether a path leads to a pipe or a device, which stays what it is."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def _unwritable(path: str, reason: str | None) -> WriteError:
    return WriteError(f"the report can't be written: {reason}", where=path, hint=_ELSEWHERE)


def _bare_report(outcome: str, message: str) -> ActivationReport:
    return ActivationReport(
        outcome=outcome,
        lock=None,
        platform="",
        plugins=(),
        patches_enabled={},
        log_messages=(message,),
    )


def _text(report: ActivationReport) -> str:
    return canonical_json.write(report.to_dict())
