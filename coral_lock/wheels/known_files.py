"""Which file has which SHA-256, kept between runs by the files' identities.

It spares a run the reading of whole wheels; `identity` says why it can be trusted. It is
one file in the cache: for each wheel a line with the five numbers of its identity and its
SHA-256, the one that was added last at the end.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.wheels.cache_directory import CacheDirectory
    from coral_lock.wheels.identity import FileIdentity

FILE_NAME = "files"
MAX_FILES = 20_000
_MAX_BYTES = 4 << 20
_LINES = re.compile(r"(?:(?:[0-9]{1,20} ){5}[0-9a-f]{64}\n)*")


class KnownFiles:
    """The SHA-256 of files that were hashed in this run or an earlier one.

    Args:
        directory: where they are kept.
    """

    def __init__(self, directory: CacheDirectory) -> None:
        self._directory = directory
        self._hashes = _parse(directory.read(FILE_NAME, _MAX_BYTES) or "")
        self._is_changed = False

    def get(self, identity: FileIdentity) -> str | None:
        """Return the SHA-256 of the file with this identity, or None."""
        return self._hashes.get(_key(identity))

    def add(self, identity: FileIdentity, sha256: str) -> None:
        """Note the SHA-256 of a file whose identity is lasting."""
        self._hashes[_key(identity)] = sha256
        self._is_changed = True

    def save(self) -> None:
        """Keep what was added, if anything was: the last 20,000 files."""
        if not self._is_changed:
            return
        self._is_changed = False
        lines = [f"{key} {sha256}\n" for key, sha256 in list(self._hashes.items())[-MAX_FILES:]]
        text = "".join(lines)
        if _LINES.fullmatch(text):
            self._directory.write(FILE_NAME, text)


def _key(identity: FileIdentity) -> str:
    return " ".join(map(str, identity))


def _parse(text: str) -> dict[str, str]:
    """Return the SHA-256 by identity; nothing where a line isn't sound."""
    if not _LINES.fullmatch(text):
        return {}
    pairs = (line.rpartition(" ") for line in text.splitlines())
    return {key: sha256 for key, _, sha256 in pairs}
