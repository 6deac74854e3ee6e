"""Text ⇄ mapping ⇄ lock, strictly: a text that isn't the canonical text of its lock is refused."""

from __future__ import annotations

from coral_lock import canonical_json
from coral_lock.errors import ConflictMarkersError, InvalidLockError, LockError, LockVersionError
from coral_lock.lockfile.entries import Misfit, read_fields, to_mapping
from coral_lock.lockfile.model import LOCK_VERSION, Lock, invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.canonical_json import NotCanonicalError, Value

REWRITE = "deploy the reviewed lock again, or write a new one with `coral-runtime lock`"
_CONFLICT_MARKERS = ("<<<<<<<", "=======", ">>>>>>>", "|||||||")
_LONGEST_START = 200


def write_lock(lock: Lock) -> str:
    """Return the canonical text of `lock`."""
    return canonical_json.write(to_mapping(lock))


def read_lock(text: str, name: str = "coral.lock") -> Lock:
    """Return the lock that `text` holds.

    Args:
        text: the whole file.
        name: how messages call it.

    Raises:
        LockError: the text isn't a lock in canonical form; the message names the line
            where possible.
    """
    try:
        document = canonical_json.parse(text)
    except canonical_json.NotCanonicalError as error:
        raise _diagnosis(text, name, error) from None
    try:
        lock = from_mapping(document)
        is_later = _is_later_minor(lock.lock_version)
        canonical = canonical_json.write(document) if is_later else write_lock(lock)
    except InvalidLockError as error:
        canonical = canonical_json.write(document)
        if canonical == text:
            line = canonical_json.lines_of(text).get(error.path)
            place = name if line is None else f"{name}:{line}"
            raise LockError(
                error.message,
                where=f"{place}: {error.path}" if error.path else place,
                hint=error.hint or REWRITE,
            ) from None
    except LockError as error:
        error.where = f"{name}: {error.where}"
        raise
    if canonical != text:
        raise _not_canonical(text, canonical, name)
    return lock


def from_mapping(document: Value) -> Lock:
    """Return the lock that `document` states.

    Unknown fields are refused, except in a document of a later minor version, where a
    reader is expected to ignore them.

    Raises:
        LockVersionError: the document is of another major version.
        InvalidLockError: a field is missing, unknown or of the wrong type, or the content
            breaks an invariant of `Lock`; with the dotted path.
    """
    version = document.get("lock_version") if isinstance(document, dict) else None
    is_strict = not (isinstance(version, str) and _is_later_minor(version))
    try:
        fields = read_fields(Lock, document, is_strict)
    except Misfit as misfit:
        raise invalid(misfit.message, *reversed(misfit.steps)) from None
    return Lock(**fields)


def _is_later_minor(version: str) -> bool:
    """Whether a lock of that format version is of this major version but a later minor one.

    Raises:
        LockVersionError: it is of another major version.
        InvalidLockError: it isn't written `major.minor`.
    """
    major, _, minor = version.partition(".")
    known_major, _, known_minor = LOCK_VERSION.partition(".")
    if not (_is_number(major) and _is_number(minor)):
        raise InvalidLockError(
            f"a lock version is written like `{LOCK_VERSION}`, not `{version}`",
            path="lock_version",
        )
    if major != known_major:
        raise LockVersionError(
            f"the lock has the format version `{version}`, which this release can't read",
            expected=f"format version {known_major}.x",
            found=version,
            where="lock_version",
            hint=f"upgrade coral-lock to a release that reads format version {version}"
            if int(major) > int(known_major)
            else REWRITE,
        )
    return int(minor) > int(known_minor)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10 and text in ("0", text.lstrip("0"))


def _damaged(message: str, where: str) -> LockError:
    return LockError(message, where=where, hint=REWRITE)


def _not_canonical(text: str, canonical: str, name: str) -> LockError:
    if text.partition("\n")[0].endswith("\r"):
        return LockError(
            "the lines of the lock end in CRLF: something converted it",
            expected="LF",
            where=f"{name}:1",
            hint="put `coral.lock -text` into .gitattributes, then write the lock again with "
            "`coral-runtime lock`",
        )
    found_lines, expected_lines = text.split("\n"), canonical.split("\n")
    for number, (found, expected) in enumerate(zip(found_lines, expected_lines), 1):
        if found != expected:
            return LockError(
                "the lock isn't in canonical form: it was edited by hand or merged wrongly",
                expected=expected.strip(),
                found=found.strip() if found.strip() != expected.strip() else repr(found),
                where=f"{name}:{number}",
                hint=REWRITE,
            )
    last = min(len(found_lines), len(expected_lines))
    return _damaged("the lock isn't in canonical form: its end differs", f"{name}:{last}")


def _diagnosis(text: str, name: str, error: NotCanonicalError) -> LockError:
    """Return the error that tells best why `text` can't be read.

    Args:
        text: what isn't canonical JSON.
        name: how messages call the file.
        error: what the canonical reader said.
    """
    if not text.strip():
        return _damaged("the lock is empty", name)
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith(_CONFLICT_MARKERS):
            return ConflictMarkersError(
                "the lock holds merge conflict markers",
                found=line[:80].rstrip(),
                where=f"{name}:{number}",
                hint="run `coral-runtime git merge`, which merges it entry by entry",
            )
    content = text.strip()
    ends_early = error.line > content.count("\n")
    is_cut_off = content.startswith("{") and not content.endswith("}") and ends_early
    reason = "it is cut off" if is_cut_off else str(error)
    return _damaged(f"the lock is damaged: {reason}", f"{name}:{error.line}:{error.column}")


def begins_as_lock(text: str) -> bool:
    """Whether a text is empty or begins as a lock does, damaged as the rest may be."""
    start = "".join(text.removeprefix("\ufeff")[:_LONGEST_START].split())
    return not start or start.startswith('{"lock_version":')
