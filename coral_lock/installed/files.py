"""The files of an installed distribution: what RECORD lists, and others in its directories."""

from __future__ import annotations

import os

from coral_lock.errors import BrokenDistributionError
from coral_lock.installed.digest import (
    DIGEST_PREFIX,
    foreign_bytecode,
    hash_files,
    is_added_by_installers,
    is_digested,
    is_stated,
    stated_hash,
    tree_digest,
)
from coral_lock.installed.dist_info import read_text
from coral_lock.record import Record
from coral_lock.safe_files import open_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from coral_lock.installed.dist_info import Location
    from coral_lock.installed.site_scan import Scan

    Rows = dict[str, str]
    """By path, what a row of RECORD states of a file: `<algorithm>=<hash>,<size>`."""

MAX_RECORD_BYTES = 32 << 20
MAX_RECORD_ROWS = 200_000
_LONGEST_PATH = 4096
_MAX_PARTS = 100
_PLAIN_PATH = 255
"""How long a path may be without a look at its parts."""

_ROUNDABOUT = ("./", "/..", "..,", "//", "\\", "\n/", "/,")
"""What is in a RECORD of which a path leaves the site root, or isn't in its shortest form."""

_MAX_STRAYS = 1000
_MAX_DEPTH = 64


class InstalledFiles(Record):
    """What the RECORD of a distribution lists, by paths relative to the site root, with `/`.

    Nobody has checked what its rows state.

    Args:
        root: the site root.
        listed: all files under the site root.
        recorded: those of them that belong to the digest.
        outside: the files elsewhere: scripts, headers and data.
    """

    root: str
    listed: Rows
    recorded: Rows
    outside: Rows

    def locate(self, path: str) -> str:
        """Return the absolute path of one of the files."""
        return os.path.join(self.root, path)


def size_in(row: str) -> int | None:
    """Return the size in bytes that a row of RECORD states, or None."""
    size = row.partition(",")[2]
    return int(size) if size.isascii() and size.isdigit() and len(size) < 16 else None


def read_files(location: Location) -> InstalledFiles:
    """Read the RECORD of a distribution; an absent one lists nothing.

    Raises:
        BrokenDistributionError: it can't be read, or lists more than 200,000 files.
    """
    text = read_text(location, "RECORD", MAX_RECORD_BYTES) or ""
    if text.count("\n") > MAX_RECORD_ROWS:
        raise _unusable_record(f"RECORD lists more than {MAX_RECORD_ROWS:,} files", location)
    listed = _rows(text, location)
    outside: Rows = {}
    # A start reads hundreds of RECORDs, few of which need a look at each row.
    if text.startswith("/") or any(part in text for part in _ROUNDABOUT):
        rows, listed = listed, {}
        for path, row in rows.items():
            if path[0] in "/\\" or ".." in path.split("/"):
                outside[path] = row
            else:
                listed["/".join(part for part in path.split("/") if part not in ("", "."))] = row
        listed.pop("", None)
    if "__pycache__" in text:
        recorded = {path: row for path, row in listed.items() if is_digested(path)}
    else:
        recorded = listed.copy()
        for path in [path for path in listed if ".dist-info/" in path]:
            if is_added_by_installers(path):
                del recorded[path]
    return InstalledFiles(root=location.root, listed=listed, recorded=recorded, outside=outside)


def _rows(text: str, location: Location) -> Rows:
    if '"' not in text and "\0" not in text:
        rows = [line.partition(",") for line in text.replace("\r\n", "\n").split("\n")]
        return {path: row for path, _, row in rows if path}
    import csv

    try:
        if "\0" in text:
            raise csv.Error("it contains a NUL character")
        return {row[0]: ",".join(row[1:]) for row in csv.reader(text.split("\n")) if any(row[:1])}
    except csv.Error as error:
        raise _unusable_record(f"RECORD can't be read: {error}", location) from None


def list_files(location: Location) -> InstalledFiles:
    """Read the RECORD of a distribution, and refuse one that no installer writes.

    Raises:
        BrokenDistributionError: see `read_files` and `check_record`.
    """
    files = read_files(location)
    check_record(files, location)
    return files


def check_record(files: InstalledFiles, location: Location) -> None:
    """Refuse a RECORD that no installer writes.

    Raises:
        BrokenDistributionError: it doesn't list METADATA, or lists a path that is endless or
            leaves the site root and comes back, or a file in a `__pycache__` that isn't the
            bytecode of a listed source.
    """
    root = os.path.abspath(location.root)
    for path in files.outside:
        if os.path.commonpath((os.path.normpath(os.path.join(root, path)), root)) == root:
            raise _unusable_record(
                "RECORD lists a file of the site directory by a roundabout path: "
                f"`{path[:_PLAIN_PATH]}`",
                location,
            )
    for paths in (files.listed, files.outside):
        longest = max(map(len, paths), default=0)
        if longest > _LONGEST_PATH:
            raise _unusable_record(
                f"RECORD lists a path of more than {_LONGEST_PATH:,} characters", location
            )
        if longest > _PLAIN_PATH and any(path.count("/") >= _MAX_PARTS for path in paths):
            raise _unusable_record(f"RECORD lists a path of more than {_MAX_PARTS} parts", location)
    if f"{location.directory}/METADATA" not in files.listed:
        raise _unusable_record(
            "RECORD is absent or doesn't list the distribution's own files",
            location,
            hint="reinstall the distribution from a wheel with pip or uv",
        )
    foreign = foreign_bytecode(files.listed) or foreign_bytecode(files.outside)
    if foreign:
        raise _unusable_record(
            f"RECORD lists `{min(foreign)}`, which is in `__pycache__` and isn't the bytecode of "
            "a listed source",
            location,
        )


def _unusable_record(
    message: str,
    location: Location,
    hint: str = "reinstall the distribution from a wheel you trust",
) -> BrokenDistributionError:
    return BrokenDistributionError(
        message,
        code="unusable-record",
        where=os.path.join(location.path, "RECORD"),
        hint=hint,
    )


class FilesDigest(Record):
    """The outcome of hashing a distribution's files.

    Args:
        digest: the `t1` or `d1` digest of the files that could be read.
        missing: the listed files that don't exist, sorted.
        unreadable: those that exist and can't be read, sorted.
        changed: the files whose bytes differ from what is listed, sorted.
        hashes: the SHA-256 of each file that could be read, in hexadecimal. One that another
            distribution has overwritten counts as listed here, and so it does in `digest`.
    """

    digest: str
    missing: tuple[str, ...]
    unreadable: tuple[str, ...]
    changed: tuple[str, ...]
    hashes: Mapping[str, str]

    @property
    def are_absent(self) -> bool:
        """Whether files are listed and none of them exists."""
        return bool(self.missing) and not (self.hashes or self.unreadable)


def compare_files(
    places: Mapping[str, str],
    found: Mapping[str, str],
    accepted: Callable[[str, str], str | None],
    prefix: str = DIGEST_PREFIX,
) -> FilesDigest:
    """Compare the hashes of a distribution's files with what a list says.

    Args:
        places: the absolute path of each listed file.
        found: the SHA-256 of each file that could be read, by absolute path.
        accepted: takes a path and its hash; returns the hash that it counts with, or None for
            a file that isn't the listed one.
        prefix: that of the digest.
    """
    hashes: dict[str, str] = {}
    missing: list[str] = []
    unreadable: list[str] = []
    changed: list[str] = []
    for path, place in places.items():
        digest = found.get(place)
        if digest is None:
            (unreadable if os.path.lexists(place) else missing).append(path)
            continue
        counted = accepted(path, digest)
        hashes[path] = counted or digest
        if counted is None:
            changed.append(path)
    return FilesDigest(
        digest=tree_digest(hashes.items(), prefix),
        missing=tuple(sorted(missing)),
        unreadable=tuple(sorted(unreadable)),
        changed=tuple(sorted(changed)),
        hashes=hashes,
    )


def refuse_links(location: Location, files: InstalledFiles) -> None:
    """Refuse a distribution of another machine's image of which a file is a link.

    No wheel contains links, and where one leads on that machine isn't known here.

    Raises:
        BrokenDistributionError: a file, or a directory above it in the site root, is a link.
    """
    seen: set[str] = set()
    for path in sorted({*files.recorded, *files.outside, f"{location.directory}/RECORD"}):
        while path and path not in seen:
            if os.path.islink(files.locate(path)):
                raise BrokenDistributionError(
                    f"`{path}` is a link, and where it leads on the machine isn't known",
                    code="unusable-record",
                    where=files.locate(path),
                    hint="install into the image with files that are copied (uv: `--link-mode "
                    "copy`)",
                )
            seen.add(path)
            path = path.rpartition("/")[0]


def overwritten(several: Iterable[InstalledFiles]) -> dict[str, frozenset[str]]:
    """Return the files that several distributions put in one place, and differently.

    Which of them is there depends on the order of installation: opencv-python and
    opencv-contrib-python, which real hosts install side by side, overwrite each other.

    Returns:
        By absolute path, the hashes that their RECORDs state.
    """
    stated: dict[str, str] = {}
    different: dict[str, set[str]] = {}
    for files in several:
        for path, row in files.recorded.items():
            place, recorded = files.locate(path), row.partition(",")[0]
            if stated.setdefault(place, recorded) != recorded:
                different.setdefault(place, {stated[place]}).add(recorded)
    return {place: frozenset(hashes) for place, hashes in different.items()}


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
        files.locate(path): size_in(row)
        for files in several
        for path, row in files.recorded.items()
    }
    found = hash_files({place: None if place in twins else size for place, size in sizes.items()})

    def compare(files: InstalledFiles) -> FilesDigest:
        places = {path: files.locate(path) for path in files.recorded}

        def accepted(path: str, digest: str) -> str | None:
            stated = files.recorded[path].partition(",")[0]
            if is_stated(stated, digest):
                return digest
            others = twins.get(places[path], ())
            is_twin = any(other and is_stated(other, digest) for other in others)
            return stated_hash(stated) or None if is_twin else None

        return compare_files(places, found, accepted)

    return tuple(map(compare, several))


def find_strays(
    files: InstalledFiles, listed: Collection[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what is in a distribution's own places and is neither listed nor a cache of that.

    A directory is its own if it holds one of its files directly; what is deeper counts
    too. So does what is named like its modules in the `__pycache__` of the site root. What
    installers add is ignored. The lists end after a thousand.

    Args:
        files: those of the distribution.
        listed: the paths of others' files, which are no strays either.

    Returns:
        The strays, and bytecode without a source: updates leave some, and Python loads none.
    """
    known = files.recorded
    strays: set[str] = set()
    leftovers: set[str] = set()
    top = ""
    # With a slash at the end, whatever is below a directory sorts directly behind it.
    for directory in sorted({path[: path.rfind("/") + 1] for path in known}):
        if top and directory.startswith(top):
            continue
        top = directory
        for path in _walk(files.root, top[:-1] or "__pycache__"):
            if path in known or path in listed or is_added_by_installers(path):
                continue
            # A source that nobody lists is named itself.
            source = _source_beside(path, (known, listed, strays))
            if source in strays or (source and _is_compared(files.locate(path))):
                continue
            if top or f"{path[12:].partition('.')[0]}.py" in known:
                (leftovers if source == "" else strays).add(path)
                if _MAX_STRAYS in (len(strays), len(leftovers)):
                    return tuple(sorted(strays)), tuple(sorted(leftovers))
    return tuple(sorted(strays)), tuple(sorted(leftovers))


def _walk(root: str, top: str) -> Iterator[str]:
    """Yield the files below a directory, those in a directory before those of a deeper one.

    A linked directory, and one that is nested too deep, is yielded and not entered.
    """
    waiting = [top]
    while waiting:
        directory = waiting.pop()
        try:
            entries = list(os.scandir(os.path.join(root, directory)))
        except OSError:
            continue
        is_cache = os.path.basename(directory) == "__pycache__"
        for entry in entries:
            path = f"{directory}/{entry.name}"
            is_entered = path.count("/") < _MAX_DEPTH and not is_cache
            if not (is_entered and entry.is_dir(follow_symlinks=False)):
                yield path
            else:
                waiting.append(path)


def _source_beside(path: str, known: Iterable[Collection[str]]) -> str | None:
    """Return the source that a file is, or is to become, the bytecode of by its name.

    It is empty where none is known, and None for what isn't named as bytecode. Tools have tags
    of their own, as pytest does. Without any, `name.pyc` could be imported itself (PEP 3147).
    """
    directory, cache, name = f"/{path}".rpartition("/__pycache__/")
    stem, suffix, _ = name.partition(".pyc")
    if not (cache and suffix and "." in stem):
        return None
    while "." in stem:
        stem = stem.rpartition(".")[0]
        source = f"{directory}/{stem}.py"[1:]
        if any(source in paths for paths in known):
            return source
    return ""


def _is_compared(bytecode: str) -> bool:
    """Whether Python compares bytecode with its source before it runs it (PEP 552)."""
    try:
        with open_regular_file(bytecode) as (descriptor, _):
            return os.read(descriptor, 8)[4:] != b"\1\0\0\0"
    except OSError:
        # What can't be read isn't run.
        return os.path.isfile(bytecode)


def claimed_paths(names: Iterable[str], scan: Scan) -> dict[str, str]:
    """Return the paths that the RECORDs of distributions list, and by which it is listed.

    One that is broken lists none.
    """
    paths: dict[str, str] = {}
    for name, location in ((each, at) for each in names for at in scan.locations(each)):
        try:
            paths.update(dict.fromkeys(list_files(location).listed, name))
        except BrokenDistributionError:
            continue
    return paths


def unclaimed(
    strays: Iterable[str], files: InstalledFiles, claims: Collection[str]
) -> tuple[str, ...]:
    """Return the strays that no other distribution may have put there.

    Args:
        strays: what `find_strays` found.
        files: those of the distribution in whose directories they are.
        claims: the paths in RECORDs that aren't verified. Their distributions may
            have a subdirectory of their own in a shared namespace, but nothing in a regular
            package, no file next to the locked ones, and none that shadows a locked module.
    """
    own = {path.rpartition("/")[0] for path in files.recorded}
    modules = {path.rpartition("/")[2].partition(".")[0] for path in files.recorded}

    def is_in_own_subdirectory(path: str) -> bool:
        directory = path.rpartition("/")[0]
        if directory in own:
            return False
        while directory:
            parent, _, name = directory.rpartition("/")
            if f"{parent}/__init__.py" in files.recorded:
                return False
            # No namespace has a dot in its name, as `*.libs` and `*.dist-info` have.
            if parent in own and (name in modules or name == "__pycache__" or "." in parent):
                return False
            directory = parent
        return True

    return tuple(path for path in strays if path not in claims or not is_in_own_subdirectory(path))
