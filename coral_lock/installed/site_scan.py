"""Which distributions are on a path, by directory names alone, and directories users name."""

from __future__ import annotations

import os
import stat

from coral_lock.errors import InputError
from coral_lock.installed.dist_info import Location, project_directory
from coral_lock.names import SITE_DIRECTORIES, normalized_name
from coral_lock.reserved import is_startup_file
from coral_lock.safe_files import OWN_READ

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_SUFFIXES = (".dist-info", ".egg-info")
_STARTUP_MARKS = (".pth\n", ".start\n", "\nsitecustomize", "\nusercustomize")
_PLUGIN_GROUPS = b"coral_inference."
_MAX_QUICK_LOOK = 1 << 16
_FLAGS = os.O_RDONLY | OWN_READ | getattr(os, "O_BINARY", 0)


class Scan:
    """The distributions on a path, by normalized name.

    It is made of bare strings, and a `Location` only where one is asked for: a device
    looks at everything installed at every start.

    Args:
        directories: for each site root the dist-info and egg-info directories in it, sorted.
        startup_files: the root and the name of each file there that Python runs at every
            start, sorted within each root.
    """

    def __init__(
        self,
        directories: Mapping[str, Sequence[str]],
        startup_files: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._directories = directories
        self.startup_files = startup_files
        self._copies: dict[str, list[tuple[str, str]]] = {}
        for root, entries in directories.items():
            for directory in entries:
                self._copies.setdefault(_name_of(directory), []).append((root, directory))

    def __contains__(self, name: str) -> bool:
        return name in self._copies

    def names(self) -> tuple[str, ...]:
        """Return the names of all distributions, sorted."""
        return tuple(sorted(self._copies))

    def locations(self, name: str) -> tuple[Location, ...]:
        """Return where a distribution is, in the order of the path and of directory names.

        More than one place means that it is installed more than once. The `egg-info` that
        setuptools leaves next to the sources of an editable install doesn't count.
        """
        copies = tuple(
            Location(root=root, directory=directory)
            for root, directory in self._copies.get(name, ())
        )
        return copies if len(copies) < 2 else _without_sources(copies)

    def names_that_may_declare_plugins(self) -> tuple[str, ...]:
        """Return the distributions whose `entry_points.txt` mentions plugin groups, sorted.

        A file that can't be read in one go counts as one that does.
        """
        names = {
            _name_of(directory)
            for root, entries in self._directories.items()
            for directory in _that_may_declare_plugins(root, entries)
        }
        return tuple(sorted(names))


def scan_path(path: Sequence[str]) -> Scan:
    """Look at which distributions are installed.

    Args:
        path: directories, as `sys.path` holds them. Entries that aren't directories are
            ignored, and a directory that appears under two names counts once.
    """
    directories: dict[str, list[str]] = {}
    startup_files: list[tuple[str, str]] = []
    for root in unique_directories(path):
        entries = os.listdir(root)
        directories[root] = sorted(
            [
                entry
                for entry in entries
                if entry[-5:].lower() == "-info" and entry.lower().endswith(_SUFFIXES)
            ]
        )
        # A device looks at thousands of entries, few of which are any of these.
        text = "\n".join(("", *entries, ""))
        if any(mark in text for mark in _STARTUP_MARKS):
            startup_files += [(root, name) for name in sorted(filter(is_startup_file, entries))]
    return Scan(directories, startup_files)


def _without_sources(copies: Sequence[Location]) -> tuple[Location, ...]:
    """Leave out each `egg-info` in the project that another copy is an editable install of."""
    projects = [
        (copy.root, project) for copy in copies if (project := project_directory(copy)) is not None
    ]

    def is_next_to_sources(copy: Location) -> bool:
        place = os.path.join(os.path.realpath(copy.root), "")
        return copy.directory.endswith(".egg-info") and any(
            copy.root != root and place.startswith(os.path.join(project, ""))
            for root, project in projects
        )

    return tuple(copy for copy in copies if not is_next_to_sources(copy))


def _name_of(directory: str) -> str:
    return normalized_name(directory[: directory.rindex(".")].partition("-")[0])


def _that_may_declare_plugins(root: str, entries: Sequence[str]) -> list[str]:
    """Return those entries below `root` whose entry points mention plugin groups.

    Paths are looked up from a descriptor of `root` where the system can, which halves the
    time that everything installed costs a device at every start.
    """
    if not {os.access, os.open} <= os.supports_dir_fd:
        return [entry for entry in entries if _may_declare_plugins(f"{root}/{entry}", None)]
    descriptor = os.open(root, os.O_RDONLY)
    try:
        return [entry for entry in entries if _may_declare_plugins(entry, descriptor)]
    finally:
        os.close(descriptor)


def _may_declare_plugins(directory: str, root: int | None) -> bool:
    path = f"{directory}/entry_points.txt"
    if not os.access(path, os.F_OK, dir_fd=root):
        return False
    try:
        descriptor = os.open(path, _FLAGS, dir_fd=root)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return True
            content = os.read(descriptor, _MAX_QUICK_LOOK)
        finally:
            os.close(descriptor)
    except OSError:
        return True
    return len(content) == _MAX_QUICK_LOOK or _PLUGIN_GROUPS in content


def unique_directories(path: Sequence[str]) -> tuple[str, ...]:
    """Return the directories of a path as absolute paths, each once, in order."""
    seen: set[tuple[int, int]] = set()
    directories: list[str] = []
    for entry in path:
        directory = os.path.abspath(entry)
        try:
            status = os.stat(directory)
            identity = (status.st_dev, status.st_ino)
            if (
                identity not in seen
                and stat.S_ISDIR(status.st_mode)
                and os.access(directory, os.R_OK)
            ):
                seen.add(identity)
                directories.append(directory)
        except OSError:
            continue
    return tuple(directories)


def checked_directories(directories: Iterable[str]) -> tuple[str, ...]:
    """Return the site directories that a user names as absolute paths, in order, each once.

    Raises:
        InputError: one isn't a directory, can't be read, or contains nothing that is installed.
    """
    checked: dict[str, None] = {}
    for directory in directories:
        place = os.path.abspath(directory)
        try:
            names = os.listdir(place)
        except OSError as error:
            raise InputError(
                f"the directory `{directory}` can't be read: {error.strerror}",
                where=place,
                hint="name a directory into which distributions are installed",
            ) from None
        is_usual = os.path.basename(place) in SITE_DIRECTORIES
        if not is_usual and not any(name.endswith(_SUFFIXES) for name in names):
            raise InputError(
                f"nothing is installed in `{directory}`",
                expected="`*.dist-info` directories in it",
                where=place,
                hint="name the `site-packages` or `dist-packages` directory itself",
            )
        checked[place] = None
    return tuple(checked)


def python_of(directories: Iterable[str]) -> str | None:
    """Return the language version that site directories are for, as their paths state it.

    That is the `3.11` of `lib/python3.11/site-packages`; None where no path states it, or
    they disagree.
    """
    found = set()
    for directory in directories:
        parent = os.path.basename(os.path.dirname(os.path.abspath(directory)))
        version = parent.removeprefix("python").removesuffix("t")
        major, _, minor = version.partition(".")
        if parent.startswith("python") and major == "3" and minor.isascii() and minor.isdigit():
            found.add(version)
    return found.pop() if len(found) == 1 else None
