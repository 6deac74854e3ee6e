"""The files of an installed distribution: what RECORD lists, and what lies there besides."""

from __future__ import annotations

import os

from coral_lock.errors import BrokenDistributionError
from coral_lock.installed.digest import (
    hash_files,
    is_added_by_installers,
    is_digested,
    is_stated,
    tree_digest,
)
from coral_lock.installed.dist_info import read_record
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from coral_lock.installed.dist_info import Location, Rows

_MAX_STRAYS = 1000
_MAX_DEPTH = 64


class InstalledFiles(Record):
    """The files of a distribution under its site root, by paths relative to it, with `/`.

    Args:
        root: the site root.
        recorded: the paths that belong to the digest, sorted, each with the hash that
            RECORD states for it, which nobody checked.
        sizes: the sizes in bytes that RECORD states, likewise.
        outside: what RECORD lists elsewhere, with hash and size.
    """

    root: str
    recorded: Mapping[str, str]
    sizes: Mapping[str, int]
    outside: Rows

    def locate(self, path: str) -> str:
        """Return the absolute path of one of the files."""
        return os.path.join(self.root, path)


class FilesDigest(Record):
    """The outcome of hashing a distribution's files.

    Args:
        digest: the `t1` digest of the files that are there.
        missing: the listed files that can't be read, sorted.
        changed: the files whose bytes differ from what is listed, sorted.
        hashes: the SHA-256 of each file that is there, in hexadecimal. One that another
            distribution has overwritten counts as listed here, and so it does in `digest`.
    """

    digest: str
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    hashes: Mapping[str, str]


def compared(
    listed: Mapping[str, str],
    found: Mapping[str, str | None],
    accepts: Callable[[str, str], bool],
) -> FilesDigest:
    """Compare hashes of files with a list that is proved.

    Args:
        listed: the list: SHA-256 by path.
        found: the hash of each of its files, None for one that can't be read.
        accepts: whether a file may have that hash, by this list or another.
    """
    hashes: dict[str, str] = {}
    missing, changed = [], []
    for path, expected in listed.items():
        digest = found[path]
        if digest is None:
            missing.append(path)
        elif digest == expected or accepts(path, digest):
            hashes[path] = expected
        else:
            changed.append(path)
            hashes[path] = digest
    return FilesDigest(
        digest=tree_digest(hashes.items()),
        missing=tuple(sorted(missing)),
        changed=tuple(sorted(changed)),
        hashes=hashes,
    )


def list_files(location: Location) -> InstalledFiles:
    """Return the files that RECORD lists and the digest covers.

    Raises:
        BrokenDistributionError: RECORD can't be used.
    """
    rows, outside = read_record(location)
    return InstalledFiles(
        root=location.root,
        recorded={path: digest for path, (digest, _) in rows.items() if is_digested(path)},
        sizes={path: size for path, (_, size) in rows.items() if size is not None},
        outside=outside,
    )


def refuse_links(location: Location, files: InstalledFiles) -> None:
    """Refuse a distribution of another machine's image of which a file is a link.

    No wheel holds links, and where one leads on that machine, nobody can tell here.

    Raises:
        BrokenDistributionError: a file, or a directory above it in the site root, is a link.
    """
    paths = {*files.recorded, *files.outside, f"{location.directory}/RECORD"}
    for place in sorted(_with_parents(paths)):
        if os.path.islink(files.locate(place)):
            raise BrokenDistributionError(
                f"`{place}` is a link, and where it leads on the machine can't be told",
                code="unusable-record",
                where=files.locate(place),
                hint="install into the image with files that are copied (uv: `--link-mode copy`)",
            )


def overwritten(several: Iterable[InstalledFiles]) -> dict[str, frozenset[str]]:
    """Return the files that several distributions put in one place, and differently.

    Which of them is there depends on the order of installation: opencv-python and
    opencv-contrib-python, which real hosts install side by side, overwrite each other.

    Returns:
        By absolute path, all that their RECORDs state.
    """
    stated: dict[str, str] = {}
    different: dict[str, set[str]] = {}
    for files in several:
        for path, digest in files.recorded.items():
            place = files.locate(path)
            if stated.setdefault(place, digest) != digest:
                different.setdefault(place, {stated[place]}).add(digest)
    return {place: frozenset(digests) for place, digests in different.items()}


def digest_files(
    several: Sequence[InstalledFiles], twins: Mapping[str, frozenset[str]] | None = None
) -> tuple[FilesDigest, ...]:
    """Hash the files of distributions and compare them with what their RECORDs state.

    The files of all are hashed together, so that threads can share the work.

    Args:
        several: the distributions' files.
        twins: what `overwritten` returned. A file that another distribution has put in
            place of a distribution's own counts for the digest as its own RECORD states it.
    """
    twins = twins or {}
    sizes = {
        files.locate(path): files.sizes.get(path) for files in several for path in files.recorded
    }
    hashes = hash_files({place: None if place in twins else size for place, size in sizes.items()})
    return tuple(_digest(files, hashes, twins) for files in several)


def _digest(
    files: InstalledFiles, hashes: Mapping[str, str], twins: Mapping[str, frozenset[str]]
) -> FilesDigest:
    found: dict[str, str] = {}
    missing: list[str] = []
    changed: list[str] = []
    for path, stated in files.recorded.items():
        place = files.locate(path)
        digest = hashes.get(place)
        if digest is None:
            missing.append(path)
            continue
        found[path] = digest
        if not is_stated(stated, digest):
            own = stated_hash(stated)
            if own and any(is_stated(other, digest) for other in twins.get(place, ()) if other):
                found[path] = own
            else:
                changed.append(path)
    return FilesDigest(
        digest=tree_digest(found.items()),
        missing=tuple(missing),
        changed=tuple(changed),
        hashes=found,
    )


def stated_hash(recorded: str) -> str | None:
    """Return the SHA-256 that a row of RECORD states, in hexadecimal; None for another hash."""
    from binascii import a2b_base64

    if not recorded.startswith("sha256="):
        return None
    text = recorded[7:].rstrip("=").replace("-", "+").replace("_", "/")
    try:
        digest = a2b_base64(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    return digest.hex() if len(digest) == 32 else None


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
                if not (is_cache and _is_bytecode(entry.name)):
                    yield path
            elif path.count("/") >= _MAX_DEPTH or is_cache:
                yield path
            else:
                waiting.append(path)


def _is_bytecode(name: str) -> bool:
    """Whether a file is named as Python names bytecode, or the file that is to become it.

    One without the interpreter's tag, `name.pyc`, could be imported itself (PEP 3147).
    """
    stem, suffix, _ = name.partition(".pyc")
    return bool(suffix) and "." in stem


def claimed_paths(locations: Sequence[Location]) -> frozenset[str]:
    """Return the paths that the RECORDs of a distribution list; none for one that is broken."""
    paths: set[str] = set()
    for location in locations:
        try:
            paths.update(read_record(location)[0])
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
