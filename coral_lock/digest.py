"""The `t1` digest of a distribution's files, and the hashing beneath it."""

from __future__ import annotations

import binascii
import hashlib
import os

from coral_lock.safe_read import open_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DIGEST_PREFIX = "t1:"
_CHUNK_BYTES = 1 << 20
_PARALLEL_FROM_BYTES = 8 << 20

_INSTALLER_FILES = frozenset(
    {
        "INSTALLER",
        "REQUESTED",
        "direct_url.json",
        "provenance_url.json",
        "uv_build.json",
        "uv_cache.json",
    }
)


def is_digested(path: str) -> bool:
    """Whether the file at `path`, relative to the site root, belongs to the digest.

    Left out are bytecode caches and what an installer adds to the dist-info directory:
    `RECORD` and its signatures, `INSTALLER`, `REQUESTED`, `direct_url.json` (PEP 610),
    `provenance_url.json` (PEP 710) and uv's own two files.
    """
    directory, _, rest = path.partition("/")
    if "__pycache__" in path and "__pycache__" in path.split("/"):
        return False
    if not directory.endswith(".dist-info"):
        return True
    return not (rest in _INSTALLER_FILES or rest.startswith("RECORD"))


def tree_digest(files: Iterable[tuple[str, str]]) -> str:
    """Return the `t1` digest of files.

    Args:
        files: each file's path relative to the site root, with `/`, and the SHA-256 of
            its bytes in hexadecimal, in any order.

    Returns:
        `t1:` and the base64 of the SHA-256 over the lines `<hash>  <path>`, sorted by the
        UTF-8 bytes of the path.
    """
    lines = sorted((path.encode("utf-8", "surrogateescape"), digest) for path, digest in files)
    tree = hashlib.sha256()
    for path, digest in lines:
        tree.update(digest.encode("ascii") + b"  " + path + b"\n")
    return DIGEST_PREFIX + binascii.b2a_base64(tree.digest(), newline=False).decode("ascii")


def hash_file(path: str) -> str:
    """Return the SHA-256 of a regular file's bytes in hexadecimal.

    Raises:
        OSError: it can't be read, or isn't a regular file.
    """
    descriptor = open_regular_file(path)
    try:
        digest = hashlib.sha256()
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            digest.update(chunk)
            if len(chunk) < _CHUNK_BYTES:
                break
        return digest.hexdigest()
    finally:
        os.close(descriptor)


def hash_files(paths: Sequence[str]) -> list[str]:
    """Return the SHA-256 of each file, in hexadecimal and in order.

    Many bytes are hashed by several threads, since hashing releases the interpreter.

    Raises:
        OSError: one of them can't be read; `filename` names it.
    """
    return [hash_file(path) for path in paths]
