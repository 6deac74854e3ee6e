"""Scripts, headers and data: what a distribution puts outside of the site root.

`t1` doesn't cover them, as installers rewrite some of them. Their own digest, `d1`, takes
a file under a path that is the same in the wheel and wherever it is installed: `scripts/x`,
`headers/x.h`, `data/share/x` (binary distribution format and sysconfig).
"""

from __future__ import annotations

import os

from coral_lock.installed.digest import OVERSIZED, is_in_cache, is_stated, tree_digest
from coral_lock.installed.files import compare_files, size_in
from coral_lock.names import SITE_DIRECTORIES, normalized_name
from coral_lock.safe_files import open_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    import hashlib
    from collections.abc import Iterable, Iterator, Mapping

    from coral_lock.installed.dist_info import Location
    from coral_lock.installed.files import FilesDigest, Rows

DATA_DIGEST_PREFIX = "d1:"
SCRIPTS, HEADERS, DATA = "scripts/", "headers/", "data/"

_SCRIPT_DIRECTORIES = ("bin", "Scripts")
_CHUNK_BYTES = 1 << 16
_HEAD_BYTES = 1 << 12
"""How much of a script is looked at for the line that names its interpreter."""

_PLACEHOLDER = b"#!python"
_SHELL = b"#!/bin/sh"
_SHELL_START, _SHELL_END, _SHELL_REST = b"'''exec' ", b' "$0" "$@"', b"' '''"
_BESIDE_ITSELF = b'"$(dirname -- "$(realpath -- "$0")")"/'


def data_digest(hashes: Mapping[str, str]) -> str:
    """Return the `d1` digest: that of `t1`, over files and paths as they are here."""
    return tree_digest(hashes.items(), DATA_DIGEST_PREFIX)


def outside_path(path: str, name: str) -> str:
    """Return how the digest calls a file, the same from a wheel and from any environment.

    Args:
        path: where it is installed, relative to the environment's prefix.
        name: the normalized name of the distribution.
    """
    top, _, rest = path.partition("/")
    if top in _SCRIPT_DIRECTORIES and rest:
        return SCRIPTS + rest
    if top.lower() == "include":
        parts = rest.split("/")
        if parts[0] == "site":
            del parts[0]
        if parts and parts[0].startswith("python"):
            del parts[0]
        if len(parts) > 1 and normalized_name(parts[0]) == name:
            return HEADERS + "/".join(parts[1:])
    return DATA + path


def is_generated(path: str, commands: Iterable[str], name: str) -> bool:
    """Whether installers generate this file from the entry points of a distribution.

    Args:
        path: the path as the digest has it.
        commands: the names of its console and GUI scripts.
        name: its normalized name; pip adds a command for the version of Python to its own.
    """
    if not path.startswith(SCRIPTS):
        return False
    command = path.removeprefix(SCRIPTS)
    for suffix in (".exe", "-script.py", "-script.pyw", ".exe.manifest"):
        command = command.removesuffix(suffix)
    if name == "pip" and command.startswith("pip3."):
        return command[len("pip3.") :].isdigit()
    return command in commands


def read_outside(location: Location, rows: Rows, commands: Iterable[str], name: str) -> FilesDigest:
    """Hash what a distribution has put outside of the site root, but generated scripts.

    The hash of a script is that of its normal form, and paths are those of `outside_path`.

    Args:
        location: where its metadata are.
        rows: what its RECORD lists there.
        commands: the names of its console and GUI scripts.
        name: its normalized name.
    """
    places: dict[str, str] = {}
    stated: dict[str, str] = {}
    found: dict[str, str] = {}
    normal: dict[str, str] = {}
    for path, place, row in sorted(_places(location.root, rows, name)):
        if is_generated(path, commands, name):
            continue
        places[path], stated[path] = place, row.partition(",")[0]
        try:
            found[path], normal[place] = _hash(place, size_in(row), path.startswith(SCRIPTS))
        except OSError:
            continue
    return compare_files(
        places,
        normal,
        lambda path, digest: digest if is_stated(stated[path], found[path]) else None,
        DATA_DIGEST_PREFIX,
    )


def stated_outside(location: Location, rows: Rows, name: str) -> dict[str, str]:
    """Return the hash that RECORD states of each file, generated or not, by path."""
    return {path: row.partition(",")[0] for path, _, row in _places(location.root, rows, name)}


def _places(root: str, rows: Rows, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield for each file but bytecode its path as the digest has it, its place, and its row.

    What is installed with `--target` isn't where RECORD says, but in that directory.
    """
    if not rows:
        return
    prefix = _prefix_of(root)
    up = "" if prefix is None else os.path.relpath(prefix, root).replace(os.sep, "/") + "/"
    for listed, row in rows.items():
        if is_in_cache(listed):
            continue
        rest = listed.removeprefix(up)
        if prefix is not None and rest != listed and "./" not in rest and "//" not in rest:
            relative, place = rest, os.path.join(prefix, rest)
        elif prefix is None:
            relative = "/".join(part for part in listed.split("/") if part not in ("", ".."))
            place = os.path.join(root, relative)
        else:
            place = os.path.normpath(os.path.join(root, listed))
            relative = os.path.relpath(place, prefix).replace(os.sep, "/")
        yield outside_path(relative, name), place, row


def _prefix_of(root: str) -> str | None:
    """Return the prefix of the environment that a site directory belongs to, None if unknown."""
    parent, own_name = os.path.split(os.path.abspath(root))
    if own_name not in SITE_DIRECTORIES:
        return None
    above, library = os.path.split(parent)
    return os.path.dirname(above) if library.lower().startswith("python") else above


def _hash(place: str, stated_size: int | None, is_script: bool) -> tuple[str, str]:
    """Return the SHA-256 of a file's bytes, and that of its normal form.

    Raises:
        OSError: it can't be read, or isn't a regular file.
    """
    from hashlib import sha256

    with open_regular_file(place) as (descriptor, size):
        if stated_size is not None and size > stated_size:
            return OVERSIZED, OVERSIZED
        raw = sha256() if is_script else None
        chunks = iter(lambda: os.read(descriptor, _CHUNK_BYTES), b"")
        normal = hash_content(chunks, raw, is_script=is_script)
        return raw.hexdigest() if raw else normal, normal


def hash_content(
    chunks: Iterable[bytes], raw: hashlib._Hash | None = None, *, is_script: bool
) -> str:
    """Return the SHA-256 of a file in hexadecimal, of a script that of its normal form.

    A first line that names a Python interpreter is `#!python` there, since installers put the
    environment's own in its place. Which one it names isn't covered.

    Args:
        chunks: the bytes of the file.
        raw: a hash object that takes in the bytes as they are.
        is_script: whether it is a script.
    """
    from hashlib import sha256

    digest = sha256()
    head = b""
    is_head = is_script
    for chunk in chunks:
        if raw:
            raw.update(chunk)
        if is_head:
            head += chunk
            if len(head) < _HEAD_BYTES:
                continue
            chunk, is_head = _normal(head), False
        digest.update(chunk)
    if is_head:
        digest.update(_normal(head))
    return digest.hexdigest()


def _normal(head: bytes) -> bytes:
    """Return the start of a script with `#!python` for whatever names its interpreter.

    Both pip and uv replace a whole line that begins with `#!python`. A path that doesn't fit
    in one line uv gives to `/bin/sh`, in three lines that are a string to Python.
    """
    line, newline, rest = head.partition(b"\n")
    line = line.rstrip(b"\r")
    if not newline and len(head) >= _HEAD_BYTES:
        return head
    if line.startswith(_PLACEHOLDER) or (line.startswith(b"#!") and _is_python(line[2:].strip())):
        return _PLACEHOLDER + b"\n" + rest
    if line == _SHELL:
        second, _, rest = rest.partition(b"\n")
        third, _, rest = rest.partition(b"\n")
        command = second.removeprefix(_SHELL_START).removesuffix(_SHELL_END)
        if (second, third) == (_SHELL_START + command + _SHELL_END, _SHELL_REST):
            parts = command.removeprefix(_BESIDE_ITSELF).split(b"'")
            if len(parts) == 3 and not (parts[0] or parts[2]) and _is_python(b"/" + parts[1]):
                return _PLACEHOLDER + b"\n" + rest
    return head


def _is_python(path: bytes) -> bool:
    """Whether this is the absolute path of an interpreter, without arguments."""
    path = path.replace(b"\\", b"/")
    if not (path.startswith(b"/") or path[1:3] == b":/"):
        return False
    name = path.rpartition(b"/")[2].removesuffix(b".exe")
    return name.startswith(b"python") and not name[len(b"python") :].strip(b"0123456789.tw")
