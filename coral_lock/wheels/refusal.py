"""How a wheel is refused: one error, which names the wheel and the member."""

from __future__ import annotations

from coral_lock.errors import BrokenDistributionError
from coral_lock.printable import quoted

HINT = "build the wheel again with a sound build back end, or take it from a source you trust"


class MalformedMemberError(BrokenDistributionError):
    """A wheel is refused for one of its members; `member` is its name, and `what` what it does."""

    def __init__(self, path: str, member: str, what: str) -> None:
        message = f"the member {quoted(member)} {what}"
        super().__init__(message, code="wheel-malformed", where=path, hint=HINT)
        self.member = member
        self.what = what


def malformed(path: str, message: str) -> BrokenDistributionError:
    """Return the refusal of a wheel that isn't what the format asks for."""
    return BrokenDistributionError(message, code="wheel-malformed", where=path, hint=HINT)


def malformed_member(path: str, name: str, what: str) -> MalformedMemberError:
    """Return the refusal of a wheel for one of its members."""
    return MalformedMemberError(path, name, what)


def false_record(path: str, message: str) -> BrokenDistributionError:
    """Return the refusal of a wheel whose RECORD doesn't state its files as they are."""
    return BrokenDistributionError(message, code="false-record", where=path, hint=HINT)


def printed(name: bytes) -> str:
    """Return the name of a member, which may not even be UTF-8, for a message."""
    return name.decode("utf-8", "backslashreplace")
