"""The `t1` digest of a distribution's files, and lists of files and hashes that it proves."""

from __future__ import annotations

import binascii
import os

from coral_lock.safe_files import open_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Container, Iterable, Mapping


DIGEST_PREFIX = "t1:"
OVERSIZED = "0" * 64
"""Stands for the hash of a file that is larger than it should be."""

_CHUNK_BYTES = 1 << 16
_LARGE_FILE_BYTES = 1 << 20
_THREADS_FROM_BYTES = 32 << 20
MAX_THREADS = 8
"""How many threads hash at the most, however many cores there are."""

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


def is_added_by_installers(path: str) -> bool:
    """Whether the file at `path` is one that installers add to a dist-info directory.

    That is `RECORD` and its signatures, `INSTALLER`, `REQUESTED`, `direct_url.json`
    (PEP 610), `provenance_url.json` (PEP 710) and uv's own two files.
    """
    directory, _, rest = path.partition("/")
    return directory.endswith(".dist-info") and (
        rest in _INSTALLER_FILES or rest.startswith("RECORD")
    )


def is_digested(path: str) -> bool:
    """Whether the file at `path`, relative to the site root, belongs to the digest.

    Left out are bytecode caches and what installers add.
    """
    # A start asks for every file of the lock, and few paths need a closer look.
    if "__pycache__" in path and is_in_cache(path):
        return False
    return ".dist-info/" not in path or not is_added_by_installers(path)


def is_in_cache(path: str) -> bool:
    """Whether the file at `path` is in a directory for bytecode, or is named like one."""
    return "__pycache__" in path.split("/")


def foreign_bytecode(paths: Collection[str]) -> list[str]:
    """Return the paths in a `__pycache__` that aren't the bytecode of one of these paths.

    The digest covers no bytecode, as Python compiles it from the source (PEP 3147). What
    else is in such a directory can be imported, like any other file.
    """
    return [path for path in paths if is_in_cache(path) and _source_of(path) not in paths]


def _source_of(bytecode: str) -> str | None:
    """Return the source that a path of the form `<dir>/__pycache__/<name>.<tag>.pyc` is for."""
    directory, _, name = bytecode.rpartition("/")
    parent, _, cache = directory.rpartition("/")
    stem, _, suffix = name.rpartition(".")
    stem, dot, tag = stem.partition(".opt-")[0].rpartition(".")
    if cache != "__pycache__" or "__pycache__" in parent or suffix != "pyc":
        return None
    if not (stem and dot and tag):
        return None
    return f"{parent}/{stem}.py" if parent else f"{stem}.py"


def tree_digest(files: Iterable[tuple[str, str]], prefix: str = DIGEST_PREFIX) -> str:
    """Return the `t1` digest of files.

    Args:
        files: each file's path relative to the site root, with `/`, and the SHA-256 of
            its bytes in hexadecimal, in any order.
        prefix: distinguishes it from the digest of files elsewhere.

    Returns:
        The prefix and the base64 of the SHA-256 over the lines `<hash>  <path>`, sorted by
        the UTF-8 bytes of the path.
    """
    hashes = dict(files)
    # Code points sort as their UTF-8 bytes do.
    lines = "".join([f"{hashes[path]}  {path}\n" for path in sorted(hashes)])
    try:
        content = lines.encode("utf-8")
    except UnicodeEncodeError:
        # The halves of surrogate pairs, which represent bytes that aren't UTF-8, don't.
        encoded = sorted(
            (path.encode("utf-8", "surrogateescape"), digest) for path, digest in hashes.items()
        )
        content = b"".join(
            digest.encode("ascii") + b"  " + path + b"\n" for path, digest in encoded
        )
    from hashlib import sha256

    tree = sha256(content)
    return prefix + binascii.b2a_base64(tree.digest(), newline=False).decode("ascii")


def is_stated(recorded: str, digest: str) -> bool:
    """Whether a hash of RECORD is this SHA-256; one that states none can't contradict it."""
    return digest != OVERSIZED and stated_hash(recorded) in (None, digest)


_TO_STANDARD_ALPHABET = bytes.maketrans(b"-_", b"+/")


def stated_hash(recorded: str) -> str | None:
    """Return the SHA-256 that a hash of RECORD is, in hexadecimal.

    It is None for a hash of another kind, and empty for one that isn't well-formed.
    """
    if not recorded.startswith("sha256="):
        return None
    text = recorded[7:].rstrip("=")
    try:
        digest = binascii.a2b_base64(text.encode("ascii").translate(_TO_STANDARD_ALPHABET) + b"=")
    except ValueError:
        return ""
    return digest.hex() if len(text) == 43 else ""


def hash_file(path: str) -> str:
    """Return the SHA-256 of a regular file's bytes in hexadecimal.

    Raises:
        OSError: it can't be read, or isn't a regular file.
    """
    with open_regular_file(path) as (descriptor, _):
        return _hash_open(descriptor)


def hash_files(paths: Mapping[str, int | None]) -> dict[str, str]:
    """Return the SHA-256 of each file that can be read, in hexadecimal, by path.

    Args:
        paths: the files, each with the size in bytes that it should have, or None. One that
            is larger isn't read, as it may be endless: its hash is `OVERSIZED`.

    Large files are hashed by several threads, where there are enough of them to pay for
    the threads: hashing releases the interpreter. With small files the threads would only
    wait for each other.
    """
    hashes: dict[str, str] = {}
    large: list[tuple[int, str]] = []
    for path, stated_size in paths.items():
        try:
            with open_regular_file(path) as (descriptor, size):
                if stated_size is not None and size > stated_size:
                    hashes[path] = OVERSIZED
                elif size >= _LARGE_FILE_BYTES:
                    large.append((size, path))
                else:
                    hashes[path] = _hash_open(descriptor)
        except OSError:
            continue
    # The largest first, so that no thread waits for one at the end.
    large.sort(reverse=True)
    largest = [path for _, path in large]
    threads = min(len(large), available_cores(), MAX_THREADS)
    if threads < 2 or sum(size for size, _ in large) < _THREADS_FROM_BYTES:
        found = list(map(_hash_or_none, largest))
    else:
        # Its import takes as long as hashing 20 MB.
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(_hash_or_none, largest))
    hashes.update({path: digest for path, digest in zip(largest, found) if digest is not None})
    return hashes


def _hash_open(descriptor: int) -> str:
    # What only lists files does without the library behind it, which takes long to load.
    from hashlib import sha256

    digest = sha256(os.read(descriptor, _CHUNK_BYTES))
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def _hash_or_none(path: str) -> str | None:
    try:
        return hash_file(path)
    except OSError:
        return None


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def proved_hashes(rows: Mapping[str, str], digests: Container[str]) -> dict[str, str] | None:
    """Return the list of files and hashes that a RECORD proves.

    That a hash is a SHA-256 isn't checked: another one's digits don't have the digest of a lock.

    Args:
        rows: what RECORD states, `sha256=…,<size>`, of the files that the digest covers, by path.
        digests: the digests that a lock holds for the distribution, one for each wheel tag.

    Returns:
        The SHA-256 of each file in hexadecimal, by path relative to the site root; None
        where the RECORD proves nothing.
    """
    # With an `A` each hash decodes to 33 bytes, so that one call decodes them all. One of another
    # length moves those behind it, which then don't have the digest of the lock.
    text = "A".join([*[row[7:50] for row in rows.values()], ""])
    try:
        decoded = binascii.a2b_base64(text.encode("ascii").translate(_TO_STANDARD_ALPHABET))
    except ValueError:
        return None
    if len(decoded) != 33 * len(rows):
        return None
    digits = decoded.hex()
    hashes = dict(zip(rows, [digits[at : at + 64] for at in range(0, 2 * len(decoded), 66)]))
    return hashes if tree_digest(hashes.items()) in digests else None
