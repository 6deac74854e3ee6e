"""Lists of a distribution's files and hashes, proved by the digest that a lock holds.

`t1` is made of paths and SHA-256 hashes, and a RECORD lists both. Where the digest of what a
RECORD states equals the lock's, its statement is the true list: nobody can write another one
with the same digest. So one small file proves what takes seconds to hash.
"""

from __future__ import annotations

import binascii

from coral_lock.installed.digest import is_added_by_installers, is_digested, tree_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Mapping

_TO_STANDARD_ALPHABET = bytes.maketrans(b"-_", b"+/")
_ROUNDABOUT = ("./", "//", "\\", "\n/", "/,")


def stated_hashes(record: str) -> dict[str, str] | None:
    """Return what the text of a RECORD states of the files that the digest covers.

    A row that leaves the site root claims nothing, wherever it leads. That a hash is a
    SHA-256 isn't looked at: another one's digits don't have the digest of a lock.

    Returns:
        The SHA-256 of each file in hexadecimal, by path relative to the site root; None
        where a file has none, or the text is one that only a CSV parser reads right.
    """
    if '"' in record or "\0" in record:
        return None
    rows = [line.partition(",") for line in record.split("\n")]
    stated = {path: rest for path, _, rest in rows if path and path != "\r"}
    if any(part in record for part in _ROUNDABOUT) or record.startswith("/"):
        stated = {_straight(path): rest for path, rest in stated.items()}
        stated.pop("", None)
    if "__pycache__" in record:
        stated = {path: rest for path, rest in stated.items() if is_digested(path)}
    else:
        for path in [path for path in stated if ".dist-info/" in path]:
            if is_added_by_installers(path):
                del stated[path]
    return _in_hexadecimal(stated)


def _straight(path: str) -> str:
    """Return a path without roundabout parts, and nothing for one that leaves the site root."""
    parts = path.split("/")
    if path[0] in "/\\" or ".." in parts:
        return ""
    return "/".join(part for part in parts if part not in ("", "."))


def _in_hexadecimal(stated: Mapping[str, str]) -> dict[str, str] | None:
    """Decode many hashes in one go: with an `A` each of them becomes 32 bytes and a zero."""
    text = "A".join([*[rest[7:50] for rest in stated.values()], ""])
    try:
        decoded = binascii.a2b_base64(text.encode("ascii").translate(_TO_STANDARD_ALPHABET))
    except ValueError:
        return None
    if len(decoded) != 33 * len(stated) or any(decoded[32::33]):
        return None
    digits = decoded.hex()
    hashes = [digits[start : start + 64] for start in range(0, 2 * len(decoded), 66)]
    return dict(zip(stated, hashes))


def proved_hashes(record: str, digests: Container[str]) -> dict[str, str] | None:
    """Return the list of files and hashes that a RECORD proves.

    Args:
        record: the text of the RECORD.
        digests: the digests that a lock holds for the distribution, one for each wheel tag.

    Returns:
        The SHA-256 of each file in hexadecimal, by path relative to the site root; None
        where the RECORD proves nothing.
    """
    stated = stated_hashes(record)
    if stated is None or tree_digest(stated.items()) not in digests:
        return None
    return stated
