"""The files that imports may come from: proved lists, looked up by path."""

from __future__ import annotations

from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES

from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

EXTENSION = 0
SOURCE = 1
BYTECODE = 2
MODULE_SUFFIXES = (
    *((suffix, EXTENSION) for suffix in EXTENSION_SUFFIXES),
    *((suffix, SOURCE) for suffix in SOURCE_SUFFIXES),
    *((suffix, BYTECODE) for suffix in BYTECODE_SUFFIXES),
)
"""The endings of modules and their kinds, in the order in which the path finder tries them."""

_ENDINGS = tuple(suffix for suffix, _ in MODULE_SUFFIXES)


class ProvedList(Record):
    """The files of a locked distribution under its site root.

    Args:
        name: the distribution.
        root: the absolute path of its site root.
        hashes: the SHA-256 of each file in hexadecimal, by path relative to the root.
        requires: the distributions that it requires, of which it may load libraries.
    """

    name: str
    root: str
    hashes: Mapping[str, str]
    requires: tuple[str, ...] = ()


class ImportIndex(Record):
    """What distinguishes locked modules from others without the lists: enough for most processes.

    Args:
        roots: the site roots of the locked distributions.
        names: the top-level names that belong to them, those of namespace packages too.
        unlisted: the top-level names of locked distributions that have no proved list. They
            are imported as usual, even if what isn't locked is hidden.
        distributions: the names of all locked distributions.
        closed_entries: the entries of the path in which only locked distributions are
            visible, if the others are to be hidden.
        early: the lists of the files that every process imports at its very start, as `.pth`
            files of locked distributions want them: nothing else is verified for these.
    """

    roots: tuple[str, ...]
    names: frozenset[str]
    unlisted: frozenset[str] = frozenset()
    distributions: frozenset[str] = frozenset()
    closed_entries: frozenset[str] = frozenset()
    early: tuple[ProvedList, ...] = ()


class RootFiles:
    """The listed files of all distributions that share a site root.

    Args:
        root: its absolute path.
        lists: their lists.
    """

    def __init__(self, root: str, lists: Sequence[ProvedList]) -> None:
        self.root = root
        self.lists = tuple(lists)
        self.hashes = _merged(proved.hashes for proved in lists)
        self._entries: dict[str, list[str]] | None = None
        self._owned: dict[str, bool] = {"": False}

    def module(self, directory: str, tail: str) -> tuple[str, int, bool] | None:
        """Return the module `tail` in a directory, as the path finder would choose it.

        Returns:
            Its file relative to the root, the file's kind, and whether it is a package.
        """
        stem = f"{directory}/{tail}" if directory else tail
        for prefix, is_package in ((f"{stem}/__init__", True), (stem, False)):
            for suffix, kind in MODULE_SUFFIXES:
                if prefix + suffix in self.hashes:
                    return prefix + suffix, kind, is_package
        return None

    def accepts(self, path: str, digest: str) -> bool:
        """Whether a listed file may have that SHA-256."""
        allowed = self.hashes[path]
        return digest == allowed or (not isinstance(allowed, str) and digest in allowed)

    def is_directory(self, path: str) -> bool:
        """Whether a listed file is somewhere below that path."""
        return path in self._by_directory()

    def children(self, directory: str) -> list[str]:
        """Return the names of the files and directories listed in a directory, sorted."""
        return sorted(self._by_directory().get(directory, ()))

    def _by_directory(self) -> dict[str, list[str]]:
        if self._entries is None:
            entries = self._entries = {"": []}
            for path in self.hashes:
                parent, _, name = path.rpartition("/")
                while parent not in entries:
                    entries[parent] = [name]
                    parent, _, name = parent.rpartition("/")
                entries[parent].append(name)
        return self._entries

    def is_owned(self, directory: str) -> bool:
        """Whether a directory is, or is in, a package that is listed with its `__init__`."""
        owned = self._owned.get(directory)
        if owned is None:
            owned = any(f"{directory}/__init__{ending}" in self.hashes for ending in _ENDINGS)
            owned = owned or self.is_owned(directory.rpartition("/")[0])
            self._owned[directory] = owned
        return owned


class ImportTable:
    """All that imports may load, by site root.

    Args:
        lists: the proved lists.
    """

    def __init__(self, lists: Iterable[ProvedList]) -> None:
        self.lists = tuple(lists)
        by_root: dict[str, list[ProvedList]] = {}
        for proved in self.lists:
            by_root.setdefault(proved.root, []).append(proved)
        self.roots = {root: RootFiles(root, lists) for root, lists in by_root.items()}

    def index(self, unlisted: Iterable[str] = (), distributions: Iterable[str] = ()) -> ImportIndex:
        """Return what distinguishes the table's modules from others.

        Args:
            unlisted: see `ImportIndex`.
            distributions: locked distributions that have no list.
        """
        names: set[str] = set().union(*(top_level_names(proved.hashes) for proved in self.lists))
        return ImportIndex(
            roots=tuple(self.roots),
            names=frozenset(names),
            unlisted=frozenset(unlisted) - names,
            distributions=frozenset(distributions).union(each.name for each in self.lists),
        )


def top_level_names(paths: Iterable[str]) -> set[str]:
    """Return the top-level modules and directories that the files of a distribution make up.

    Any directory can be imported (PEP 420), and a module whose name is no identifier too.
    """
    names: set[str] = set()
    for path in paths:
        top, is_deep, _ = path.partition("/")
        if is_deep:
            names.add(top)
        elif top.endswith(_ENDINGS):
            names.add(next(top[: -len(ending)] for ending in _ENDINGS if top.endswith(ending)))
    return names


def _merged(lists: Iterable[Mapping[str, str]]) -> dict[str, str | tuple[str, ...]]:
    """Return what the files may be: the hash by path, or several where the lists differ.

    Distributions that overwrite each other's files (opencv-python and opencv-contrib-python
    do) are installed side by side: a file that several list is what one of them says.
    """
    allowed: dict[str, str | tuple[str, ...]] = {}
    for hashes in lists:
        shared = [] if allowed.keys().isdisjoint(hashes) else list(allowed.keys() & hashes)
        earlier = {path: allowed[path] for path in shared}
        allowed.update(hashes)
        for path, known in earlier.items():
            others = (known,) if isinstance(known, str) else known
            if hashes[path] not in others:
                allowed[path] = (*others, hashes[path])
    return allowed


def location_of(root: str, path: str) -> str:
    """Return the absolute path of a listed file."""
    return f"{root}/{path}"
