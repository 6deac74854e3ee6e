"""Every error that this project raises on purpose, under one base class.

An error carries what a message needs as attributes, so nobody parses text:
what was expected, what was found, where, and the hint that helps.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.finding import Finding

HOLDS = 0
DOES_NOT_HOLD = 1
BAD_INPUT = 2
INTEGRITY = 3
INTERRUPTED = 130


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


class LockError(InputError):
    """`coral.lock` is missing, unreadable, malformed or of an unknown version."""


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


class WriteError(InputError):
    """A file couldn't be written; the one that was there is unchanged."""


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
        super().__init__(
            finding.summary,
            expected=finding.expected,
            found=finding.found,
            where=finding.where,
            hint=finding.hint,
        )
        self.finding = finding
