"""Every error that this project raises on purpose, and how messages show text from outside.

An error carries what a message needs as attributes, so nobody parses text:
what was expected, what was found, where, and the hint that helps.

Names, tags and paths may hold control characters, and megabytes: messages show them printable,
on one line, and cut.
"""

from __future__ import annotations

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from coral_lock.finding import Finding

HOLDS = 0
DOES_NOT_HOLD = 1
BAD_INPUT = 2
INTEGRITY = 3
INTERRUPTED = 130

RUN_MAY_PASS = 75
RUN_INTEGRITY = 77
RUN_REFUSED = 78
RUN_CANNOT_RUN = 126
RUN_NOT_FOUND = 127

_CODES_OF_RUN = {DOES_NOT_HOLD: RUN_REFUSED, BAD_INPUT: RUN_REFUSED, INTEGRITY: RUN_INTEGRITY}
_MAY_PASS = frozenset(
    getattr(errno, name)
    for name in (
        *("EAGAIN", "EBUSY", "EDQUOT", "EHOSTDOWN", "EHOSTUNREACH", "EINTR", "EMFILE", "ENETDOWN"),
        *("ENETUNREACH", "ENFILE", "ENOLCK", "ENOMEM", "ENOSPC", "EPIPE", "ESTALE", "ETIMEDOUT"),
        "ETXTBSY",
    )
    if hasattr(errno, name)
)
"""What the system refuses now and may grant later: a full disk, a network that is away."""

LONGEST_VALUE = 200
LONGEST_MESSAGE = 2000


class CoralLockError(Exception):
    """Base of all errors of this project.

    Args:
        message: one sentence that says what is wrong, without a final period.
        expected: what should have been there.
        found: what was there instead.
        where: the place: a file, `file:line:column`, or a dotted path in a file.
        hint: what to do, with the exact command where one helps.
    """

    exit_code = BAD_INPUT

    def __init__(
        self,
        message: str,
        *,
        expected: str | None = None,
        found: str | None = None,
        where: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.found = found
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.where})" if self.where else self.message


class InputError(CoralLockError):
    """A file or a value that the user gave can't be used (exit code 2)."""


class UsageError(InputError):
    """The command line itself is wrong."""


class UnreadableSourceError(InputError):
    """A distribution has a file that can't be read, so it mustn't count as absent."""


class ProgramError(UsageError):
    """The program that `run` is to run can't be run."""

    exit_code = RUN_CANNOT_RUN


class ProgramNotFoundError(ProgramError):
    """There is no program of that name."""

    exit_code = RUN_NOT_FOUND


class UncoveredChildError(CoralLockError, RuntimeError):
    """A process wasn't started, since it can't be put under the lock."""


class LockError(InputError):
    """`coral.lock` is missing, unreadable, malformed or of an unknown version."""


class ConflictMarkersError(LockError):
    """A merge left its markers in `coral.lock`."""


class LockVersionError(LockError):
    """A lock is of a format version that this release can't read."""


class InvalidLockError(LockError):
    """A lock's content breaks an invariant; `path` is the dotted path of the culprit."""

    def __init__(self, message: str, *, path: str = "", hint: str | None = None) -> None:
        super().__init__(message, where=path or None, hint=hint)
        self.path = path


class ProblemsError(CoralLockError):
    """Several problems, reported together in a fixed order.

    Args:
        message: the sentence that sums them up.
        problems: the single errors, already in order.
        exit_code: the process's exit code.
    """

    def __init__(
        self,
        message: str,
        problems: tuple[CoralLockError, ...],
        *,
        exit_code: int = BAD_INPUT,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.problems = problems
        self.exit_code = exit_code


def raise_together(problems: Sequence[CoralLockError], what: str) -> None:
    """Raise the mistakes of a document, if there are any: one by itself, several together.

    Raises:
        CoralLockError: there is one.
        ProblemsError: there are several; the message says so of `what`.
    """
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ProblemsError(f"{what} has {len(problems)} mistakes", tuple(problems))


class WriteError(InputError):
    """A file couldn't be written; the one that was there is unchanged."""


class SignatureError(CoralLockError):
    """A signature doesn't verify, or what was signed isn't what is there."""

    exit_code = INTEGRITY


class RollbackError(CoralLockError):
    """What was signed is older than what has been accepted."""

    exit_code = DOES_NOT_HOLD


class BrokenDistributionError(CoralLockError):
    """An installed distribution's own metadata can't be used as it is.

    `code` is the slug of the finding that it becomes.
    """

    exit_code = DOES_NOT_HOLD

    def __init__(
        self, message: str, *, code: str, where: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.code = code


class ChangedFileError(CoralLockError, ImportError):
    """A file isn't what was locked, so it isn't run; `finding` says which one."""

    exit_code = INTEGRITY

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.summary, **finding.details())
        self.finding = finding


def exit_code_of_run(code: int, error: BaseException | None = None) -> int:
    """Return the exit code with which `run` ends where it runs no program.

    Programs use 1, 2 and 3 themselves, so `run` says 78 (EX_CONFIG in sysexits.h) where other
    commands say 1 or 2, and 77 where they say 3. 75 (EX_TEMPFAIL) says that trying again later
    may help.

    Args:
        code: what any other command would end with.
        error: what was raised, if anything was.
    """
    if error is not None and _may_pass(error):
        return RUN_MAY_PASS
    return _CODES_OF_RUN.get(code, code)


def _may_pass(error: BaseException) -> bool:
    """Whether an error, or one that it was raised for, is of the kind that passes by itself."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or getattr(seen, "errno", None) in _MAY_PASS:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def printable(text: str) -> str:
    """Return `text` with every control character made visible, the line feed too."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def shortened(text: str, limit: int = LONGEST_VALUE) -> str:
    """Return the first `limit` characters of a value, followed by `…` if there are more."""
    return text if len(text) <= limit else f"{text[:limit]}…"


def quoted(text: str) -> str:
    """Return a value in backticks, printable and cut."""
    return f"`{printable(shortened(text))}`"


def abridged(texts: Sequence[str], most: int, separator: str = ", ") -> str:
    """Return the first of several texts, and how many more there are: `a, b and 3 more`."""
    more = len(texts) - most
    return separator.join(texts[:most]) + (f" and {more} more" if more > 0 else "")


def fitted(message: str) -> str:
    """Return a message of at most `LONGEST_MESSAGE` characters: the middle is left out.

    What is too long about a message is a value in it, and its end says what is wrong with it.
    """
    left_out = len(message) - LONGEST_MESSAGE
    if left_out <= 0:
        return message
    end = LONGEST_MESSAGE // 4
    note = f" … ({left_out:,} characters left out) … "
    return message[: LONGEST_MESSAGE - end] + note + message[-end:]


OWN_FILES = __file__.removesuffix("errors.py")
"""With what the names of this package's files begin."""


class ProcessEnded(BaseException):
    """A plugin called `os._exit`; the message says so."""


def describe_exception(error: BaseException, besides: str = OWN_FILES) -> str:
    """Return what foreign code raised in one line, with the last place in it.

    Args:
        error: what was raised; all that it answers is foreign code again.
        besides: with what the names of files begin that aren't foreign.
    """
    # Its class may have a metaclass that answers by itself.
    text = str(type.__dict__["__name__"].__get__(type(error)))
    try:
        if isinstance(error, SystemExit):
            text = f"it called `sys.exit({shortened(repr(error.code), 80)})`"
        elif isinstance(error, ProcessEnded):
            text = str(error)
        elif isinstance(error, ChangedFileError):
            text = error.finding.summary
        elif message := shortened(" ".join(str(error).split()), 500):
            text = f"{text}: {message}"
    except BaseException:
        text = f"{text}: its message can't be shown"
    traceback: TracebackType | None = BaseException.__dict__["__traceback__"].__get__(error)
    place = ""
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        # Of a lazy import, the line that asked for it says more than `importlib`.
        if not file.startswith(("<", besides)) and not file.endswith("/importlib/__init__.py"):
            place = f" ({file}:{traceback.tb_lineno})"
        traceback = traceback.tb_next
    return text + place
