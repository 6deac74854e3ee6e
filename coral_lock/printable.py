"""How messages show text that comes from outside: printable, on one line, and cut.

Names, tags and paths may hold control characters, and megabytes.
"""

from __future__ import annotations

LONGEST_VALUE = 200
LONGEST_MESSAGE = 2000


def printable(text: str) -> str:
    """Return `text` with every control character made visible, the line feed too."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def shortened(text: str, limit: int = LONGEST_VALUE) -> str:
    """Return the first `limit` characters of a value, with `…` behind them if there are more."""
    return text if len(text) <= limit else f"{text[:limit]}…"


def quoted(text: str) -> str:
    """Return a value in backticks, printable and cut."""
    return f"`{printable(shortened(text))}`"


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
