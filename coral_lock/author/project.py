"""A plugin's project: its `pyproject.toml`, its entry points, and where its sources are."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError

from coral_lock.document.node import Place
from coral_lock.document.reader import decode, place_of
from coral_lock.errors import InputError, UnreadableSourceError, raise_together, shortened
from coral_lock.inventory import EntryPoint
from coral_lock.names import (
    ENTRY_POINT_GROUPS,
    ENTRY_POINT_PREFIX,
    is_object_reference,
    nearest_group,
    normalized_name,
    plugin_id,
)
from coral_lock.safe_files import NotRegularFileError, read_named_file, read_regular_file

Kind = TypeVar("Kind", str, dict[str, Any])

PYPROJECT = "pyproject.toml"
MAX_PYPROJECT_BYTES = 512 * 1024
MAX_SOURCE_BYTES = 16 << 20

SETUPTOOLS = "setuptools"
POETRY = "poetry_core"
_PREFER_SRC = (SETUPTOOLS, "uv_build")
_LEGACY_BACKEND = "setuptools.build_meta:__legacy__"

_GROUPS = {full: short for short, full in ENTRY_POINT_GROUPS.items()}


def display_path(path: str) -> str:
    """Return a path relative to the working directory if it is below it, else an absolute one."""
    absolute = os.path.abspath(path)
    try:
        relative = os.path.relpath(absolute)
    except (OSError, ValueError):
        return absolute
    return absolute if relative.startswith(os.pardir) else relative


class Pyproject:
    """The parsed `pyproject.toml` in a directory.

    Raises:
        InputError: there is none, it can't be read, or it isn't TOML; with the position.
    """

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(os.path.abspath(directory), PYPROJECT)
        self._shown = display_path(self.path)
        content = read_named_file(
            self._shown,
            MAX_PYPROJECT_BYTES,
            what=f"`{PYPROJECT}`",
            hint="pass the directory of the plugin's project",
        )
        self._text = decode(content, self._shown)
        self._values = _parse_toml(self._text, self._shown)

    def get(self, path: str, kind: type[Kind]) -> Kind:
        """Return the plain value of a kind at a path of keys, by default an empty one.

        Args:
            path: the keys, joined by dots.
            kind: `str`, or `dict` for a table.
        """
        value: Any = self._values
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value if isinstance(value, kind) else kind()

    def place_of(self, *words: str) -> Place:
        """Return the place of the last of some words, each looked for after the one before.

        tomlkit keeps no positions. A word that the text writes in another way is ignored.
        """
        start = end = 0
        for word in words:
            found = self._text.find(word, end)
            if found >= 0:
                start, end = found, found + len(word)
        is_quoted = self._text[:start].endswith(('"', "'"))
        return place_of(self._text, start - is_quoted, self._shown)


def _parse_toml(text: str, source: str) -> dict[str, Any]:
    try:
        return tomlkit.parse(text).unwrap()
    except ParseError as error:
        reason = str(error).partition(" at line ")[0]
        where = f"{source}:{error.line}:{error.col + 1}"
        raise InputError(f"invalid TOML: {reason}", where=where) from None
    except RecursionError:
        raise InputError("the document is nested too deeply", where=source) from None
    except (TOMLKitError, ValueError, TypeError, LookupError, AttributeError) as error:
        # tomlkit lets some errors of its own code through for broken documents.
        raise InputError(f"invalid TOML: {shortened(str(error))}", where=source) from None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeclaredEntryPoint:
    """An entry point and where it is declared, `pyproject.toml:12:21`."""

    entry_point: EntryPoint
    where: str

    @property
    def id(self) -> str:
        """What is used as a plugin id as long as the plugin's own name isn't known."""
        return plugin_id(self.entry_point.group, self.entry_point.name)

    @property
    def module(self) -> str:
        return self.entry_point.value.partition(":")[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A plugin's project.

    Args:
        root: its directory, absolute.
        name: its normalized name.
        version: None where the build back end determines it.
        backend: the package of its build back end, `SETUPTOOLS` for example.
        has_package_data: whether `pyproject.toml` sets setuptools' package data.
        entry_points: those of the plugin groups, in the file's order.
        source_roots: the directories whose content is installed under the site root, absolute
            and the best guess first.
    """

    root: str
    name: str
    version: str | None
    backend: str
    has_package_data: bool
    entry_points: tuple[DeclaredEntryPoint, ...]
    source_roots: tuple[str, ...]

    def contains(self, path: str) -> bool:
        """Whether a path stays inside the project when links are followed."""
        root = os.path.realpath(self.root)
        return os.path.realpath(path).startswith(os.path.join(root, ""))

    def file(self, site_path: str) -> str | None:
        """Return the regular file that is installed at a path under the site root.

        Args:
            site_path: relative, with slashes: `my_package/coral_plugins.py`.

        Returns:
            An absolute path inside the project, or None.
        """
        found = filter(os.path.isfile, self._candidates(site_path))
        return next(filter(self.contains, found), None)

    def directory(self, site_path: str) -> str | None:
        """Return the directory of a package, preferring one with an `__init__.py`.

        Args:
            site_path: the package's path under the site root, with slashes.

        Returns:
            An absolute path inside the project, or None.
        """
        regular = self.file(f"{site_path}/__init__.py")
        if regular is not None:
            return os.path.dirname(regular)
        found = filter(os.path.isdir, self._candidates(site_path))
        return next(filter(self.contains, found), None)

    def read(self, path: str) -> bytes:
        """Return the content of a file of the project.

        Raises:
            UnreadableSourceError: it can't be read, or is a link that leaves the project.
        """
        reason = "it is a link that leaves the project"
        try:
            if self.contains(path):
                return read_regular_file(path, MAX_SOURCE_BYTES)
        except NotRegularFileError:
            reason = "it isn't a regular file"
        except OSError as error:
            reason = str(error.strerror)
        shown = display_path(path)
        raise UnreadableSourceError(
            f"`{shown}` can't be read: {reason}",
            expected="a regular file inside the project",
            where=shown,
            hint="replace it by a regular file",
        )

    def read_source(self, site_path: str) -> bytes | None:
        """Return the content of the file at a path under the site root, or None.

        Raises:
            UnreadableSourceError: there is one that can't be read, or that is a link which
                leaves the project.
        """
        found = filter(os.path.lexists, self._candidates(site_path))
        return next(map(self.read, found), None)

    def import_path(self) -> tuple[str, ...]:
        """Return the directories from which Python imports the modules of the entry points."""
        roots: dict[str, None] = {}
        for declared in self.entry_points:
            stem = declared.module.replace(".", "/")
            for site_path in (f"{stem}/__init__.py", f"{stem}.py"):
                path = self.file(site_path)
                if path is not None:
                    # Plugins only run on POSIX systems, where both use slashes.
                    roots[path.removesuffix(f"/{site_path}")] = None
        return tuple(roots)

    def _candidates(self, site_path: str) -> Iterator[str]:
        parts = site_path.split("/")
        if not any(part in ("", ".", "..") or "\0" in part for part in parts):
            yield from (os.path.join(root, *parts) for root in self.source_roots)


def read_project(directory: str) -> Project:
    """Return the project in a directory, from its `pyproject.toml`.

    Entry points are read from `[project.entry-points]` and, where Poetry builds the project,
    from `[tool.poetry.plugins]`.

    Raises:
        InputError: there is no such file, it isn't TOML, it has no project name, it declares
            no plugin, or an entry point is wrong.
        ProblemsError: several entry points are wrong, by their position.
    """
    pyproject = Pyproject(directory)
    stated = pyproject.get("build-system.build-backend", str) or _LEGACY_BACKEND
    backend = stated.partition(":")[0].partition(".")[0]
    if backend == "poetry":
        backend = POETRY
    name = pyproject.get("project.name", str)
    version = pyproject.get("project.version", str)
    tables = ["project.entry-points"]
    if backend == POETRY:
        tables.append("tool.poetry.plugins")
        name = name or pyproject.get("tool.poetry.name", str)
        version = version or pyproject.get("tool.poetry.version", str)
    if not name:
        raise InputError(
            "the project has no name",
            expected="a string as `project.name`",
            where=str(pyproject.place_of()),
        )
    entry_points = _entry_points(pyproject, tables)
    if not entry_points:
        raise InputError(
            "the project declares no plugin",
            expected="an entry point in one of the groups " + ", ".join(_GROUPS),
            where=str(pyproject.place_of()),
            hint='declare one under `[project.entry-points."coral_inference.patches"]`, like '
            f'`my_plugin = "{normalized_name(name).replace("-", "_")}.coral_plugins:register"`',
        )
    return Project(
        root=os.path.dirname(pyproject.path),
        name=normalized_name(name),
        version=version or None,
        backend=backend,
        has_package_data=bool(pyproject.get("tool.setuptools.package-data", dict)),
        entry_points=entry_points,
        source_roots=tuple(_source_roots(pyproject, backend)),
    )


def _entry_points(pyproject: Pyproject, tables: Sequence[str]) -> tuple[DeclaredEntryPoint, ...]:
    problems: list[InputError] = []
    found: dict[tuple[str, str], DeclaredEntryPoint] = {}
    for table in tables:
        for group, members in pyproject.get(table, dict).items():
            words = (table, group)
            if not group.startswith(ENTRY_POINT_PREFIX):
                continue
            if not isinstance(members, dict):
                message = f"`{shortened(group)}` isn't a table of entry points"
                place = pyproject.place_of(*words, str(members))
                problems.append(InputError(message, where=str(place)))
                continue
            for name, value in members.items():
                where = str(pyproject.place_of(*words, name, str(value)))
                try:
                    entry_point = _entry_point(group, name, value, where)
                except InputError as error:
                    problems.append(error)
                    continue
                entry = DeclaredEntryPoint(entry_point=entry_point, where=where)
                found.setdefault((group, name), entry)
    raise_together(problems, "`pyproject.toml`")
    return tuple(found.values())


def _entry_point(group: str, name: str, value: object, where: str) -> EntryPoint:
    # Extras after the reference are deprecated and mean nothing to a plugin.
    reference = value.partition("[")[0].strip() if isinstance(value, str) else ""
    if group not in _GROUPS:
        raise unknown_group(group, where)
    if not is_object_reference(reference):
        raise InputError(
            f"the entry point `{shortened(name)}` has an invalid value",
            expected="`module:attribute`",
            found=shortened(value) if isinstance(value, str) else type(value).__name__,
            where=where,
        )
    return EntryPoint(group=_GROUPS[group], name=name, value=reference)


def unknown_group(group: str, where: str) -> InputError:
    """Return the error for an entry point group that only looks like one of the host's."""
    near = nearest_group(group)
    return InputError(
        f"unknown entry point group `{shortened(group)}`",
        expected=" or ".join(f"`{known}`" for known in _GROUPS),
        where=where,
        hint=f"did you mean `{ENTRY_POINT_GROUPS[near]}`?" if near else None,
    )


def _source_roots(pyproject: Pyproject, backend: str) -> Iterator[str]:
    """Yield the directories that may hold the project's packages, the best guess first.

    They are the project's own, `src`, and every directory that the settings of the build back
    end name, whatever the setting is called, with the directory around it: `lib` and `lib/acme`
    are both found in `packages = ["lib/acme"]`.
    """
    root = os.path.dirname(pyproject.path)
    usual = ["src", ""] if backend in _PREFER_SRC else ["", "src"]
    # `[tool.hatch]` is that of hatchling, `[tool.poetry]` of poetry_core, and so on.
    tables = [
        table for name, table in pyproject.get("tool", dict).items() if backend.startswith(name)
    ]
    stated = [path for text in _strings(tables) for path in (text, os.path.dirname(text))]
    for path in dict.fromkeys((*usual, *stated)):
        directory = os.path.join(root, path)
        if os.path.isdir(directory) and not {"/", os.pardir} & {path[:1], *path.split("/")}:
            yield directory


def _strings(value: object) -> Iterator[str]:
    """Yield every string in plain data, keys as well."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in (*value, *value.values()) if isinstance(value, dict) else value:
            yield from _strings(item)
