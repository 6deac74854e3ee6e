"""The files of an installed distribution: what RECORD lists, and what lies there besides."""

from __future__ import annotations

import os

from coral_lock.errors import BrokenDistributionError
from coral_lock.installed.digest import (
    OVERSIZED,
    hash_files,
    is_added_by_installers,
    is_digested,
    tree_digest,
)
from coral_lock.installed.dist_info import read_record
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from coral_lock.installed.dist_info import Location

_MAX_STRAYS = 1000
_MAX_DEPTH = 64


class InstalledFiles(Record):
    """The files of a distribution under its site root, by paths relative to it, with `/`.

    Args:
        root: the site root.
        recorded: the paths that belong to the digest, sorted, each with the hash that
            RECORD states for it, which nobody checked.
        sizes: the sizes in bytes that RECORD states, likewise.
    """

    root: str
    recorded: Mapping[str, str]
    sizes: Mapping[str, int]

    def locate(self, path: str) -> str:
        """Return the absolute path of one of the files."""
        return os.path.join(self.root, path)


class FilesDigest(Record):
    """The outcome of hashing a distribution's files.

    Args:
        digest: the `t1` digest of the files that are there.
        missing: the recorded files that can't be read, sorted.
        changed: the files whose bytes differ from what RECORD states, sorted.
    """

    digest: str
    missing: tuple[str, ...]
    changed: tuple[str, ...]


def list_files(location: Location) -> InstalledFiles:
    """Return the files that RECORD lists and the digest covers.

    Raises:
        BrokenDistributionError: RECORD can't be used.
    """
    rows = read_record(location)
    return InstalledFiles(
        root=location.root,
        recorded={path: digest for path, (digest, _) in rows.items() if is_digested(path)},
        sizes={path: size for path, (_, size) in rows.items() if size is not None},
    )


def refuse_links(location: Location, files: InstalledFiles) -> None:
    """Refuse a distribution of another machine's image of which a file is a link.

    No wheel holds links, and where one leads on that machine, nobody can tell here.

    Raises:
        BrokenDistributionError: a file, or a directory above it in the site root, is a link.
    """
    paths = {*files.recorded, f"{location.directory}/RECORD"}
    for place in sorted(_with_parents(paths)):
        if os.path.islink(files.locate(place)):
            raise BrokenDistributionError(
                f"`{place}` is a link, and where it leads on the machine can't be told",
                code="unusable-record",
                where=files.locate(place),
                hint="install into the image with files that are copied (uv: `--link-mode copy`)",
            )


def digest_files(several: Sequence[InstalledFiles]) -> tuple[FilesDigest, ...]:
    """Hash the files of distributions and compare them with what their RECORDs state.

    The files of all are hashed together, so that threads can share the work.
    """
    hashes = hash_files(
        {files.locate(path): files.sizes.get(path) for files in several for path in files.recorded}
    )
    return tuple(_digest(files, hashes) for files in several)


def _digest(files: InstalledFiles, hashes: Mapping[str, str]) -> FilesDigest:
    found: dict[str, str] = {}
    missing: list[str] = []
    for path in files.recorded:
        digest = hashes.get(files.locate(path))
        if digest is None:
            missing.append(path)
        else:
            found[path] = digest
    return FilesDigest(
        digest=tree_digest(found.items()),
        missing=tuple(missing),
        changed=tuple(
            path for path, digest in found.items() if not _states(files.recorded[path], digest)
        ),
    )


def _states(recorded: str, digest: str) -> bool:
    """Whether a hash of RECORD is this SHA-256; one that states none can't contradict it."""
    if digest == OVERSIZED:
        return False
    if not recorded.startswith("sha256="):
        return True
    from binascii import b2a_base64

    encoded = b2a_base64(bytes.fromhex(digest), newline=False).decode("ascii")
    return recorded[7:].rstrip("=") == encoded.rstrip("=").replace("+", "-").replace("/", "_")


def find_strays(files: InstalledFiles) -> tuple[str, ...]:
    """Return the files in a distribution's own directories that its RECORD doesn't list.

    A directory is its own if it holds one of its files directly; what lies deeper counts
    too. Bytecode and what installers add are passed over. The list ends after a thousand.
    """
    known = files.recorded
    own = {path.rpartition("/")[0] for path in known} - {""}
    outside = {"": True}
    strays: list[str] = []
    for top in sorted(own):
        if not _is_outside(top.rpartition("/")[0], own, outside):
            continue
        for path in _walk(files.root, top):
            if path not in known and not is_added_by_installers(path):
                strays.append(path)
                if len(strays) == _MAX_STRAYS:
                    return tuple(sorted(strays))
    return tuple(sorted(strays))


def _with_parents(paths: Iterable[str]) -> set[str]:
    """Return paths and all directories above them."""
    found: set[str] = set()
    for path in paths:
        while path and path not in found:
            found.add(path)
            path = path.rpartition("/")[0]
    return found


def _is_outside(directory: str, own: Collection[str], known: dict[str, bool]) -> bool:
    """Whether a directory is neither one of a distribution's own nor in one; `known` grows."""
    above: list[str] = []
    while directory not in known and directory not in own:
        above.append(directory)
        directory = directory.rpartition("/")[0]
    is_outside = directory not in own and known[directory]
    known.update(dict.fromkeys(above, is_outside))
    return is_outside


def _walk(root: str, top: str) -> Iterator[str]:
    """Yield the files below a directory, but for bytecode in its caches.

    A linked directory, and one that is nested too deep, is yielded and not entered.
    """
    waiting = [top]
    while waiting:
        directory = waiting.pop()
        try:
            entries = list(os.scandir(os.path.join(root, directory)))
        except OSError:
            continue
        is_cache = directory.endswith("/__pycache__")
        for entry in entries:
            path = f"{directory}/{entry.name}"
            if not entry.is_dir(follow_symlinks=False):
                if not (is_cache and ".pyc" in entry.name):
                    yield path
            elif path.count("/") >= _MAX_DEPTH or is_cache:
                yield path
            else:
                waiting.append(path)


def claimed_paths(locations: Sequence[Location]) -> frozenset[str]:
    """Return the paths that the RECORDs of a distribution list; none for one that is broken."""
    paths: set[str] = set()
    for location in locations:
        try:
            paths.update(read_record(location))
        except BrokenDistributionError:
            continue
    return frozenset(paths)


def unclaimed(
    strays: Collection[str],
    files: InstalledFiles,
    verified_claims: Collection[str],
    stated_claims: Collection[str],
) -> tuple[str, ...]:
    """Return the strays that no other distribution may have put there.

    Args:
        strays: what `find_strays` found.
        files: the distribution in whose directories they lie.
        verified_claims: the paths that RECORDs of distributions list whose bytes are
            verified too.
        stated_claims: those that other RECORDs list. Their distributions may have a
            subdirectory of their own in a shared namespace, but nothing in a regular
            package, no file beside the locked ones, and none that shadows a locked module.
    """
    own_directories = {path.rpartition("/")[0] for path in files.recorded}
    packages = {
        directory for directory in own_directories if f"{directory}/__init__.py" in files.recorded
    }
    modules = {path.rpartition("/")[2].partition(".")[0] for path in files.recorded}
    return tuple(
        path
        for path in strays
        if path not in verified_claims
        and not (
            path in stated_claims
            and _has_own_subdirectory(path, own_directories, packages, modules)
        )
    )


def _has_own_subdirectory(
    path: str, own_directories: set[str], packages: set[str], modules: set[str]
) -> bool:
    directory = path.rpartition("/")[0]
    while directory and directory not in own_directories:
        parent, _, name = directory.rpartition("/")
        if parent in own_directories:
            return parent not in packages and name not in modules
        directory = parent
    return False
