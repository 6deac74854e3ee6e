"""A plugin's project: its name, its plugin entry points, and where their sources lie."""

from __future__ import annotations

import os

from coral_lock.author.layout import POETRY, backend_family, source_directories
from coral_lock.author.pyproject import display_path, read_pyproject
from coral_lock.document.mistakes import Mistakes
from coral_lock.errors import InputError, ProblemsError
from coral_lock.inventory import EntryPoint
from coral_lock.names import (
    ENTRY_POINT_GROUPS,
    is_object_reference,
    nearest_group,
    normalized_name,
)
from coral_lock.printable import shortened
from coral_lock.record import Record
from coral_lock.safe_read import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coral_lock.author.layout import SourceDirectory
    from coral_lock.author.pyproject import Path, Pyproject
    from coral_lock.document.node import Place

__all__ = [
    "Project",
    "ProjectEntryPoint",
    "display_path",
    "project_of",
    "read_project",
    "source_directory",
    "source_path",
    "source_reader",
]

MAX_SOURCE_BYTES = 16 << 20

_PREFIX = "coral_inference."
_GROUPS = {full: short for short, full in ENTRY_POINT_GROUPS.items()}
_LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
_PEP_621 = ("project", "entry-points")
_POETRY_PLUGINS = ("tool", "poetry", "plugins")


class ProjectEntryPoint(Record):
    """A plugin entry point, and where its value stands in `pyproject.toml`, counted from 1."""

    entry_point: EntryPoint
    line: int
    column: int


class Project(Record):
    """A plugin's project.

    Args:
        root: its directory, absolute.
        name: its normalized name.
        version: None where the build back end finds it out.
        build_backend: the build back end's object reference (PEP 517).
        entry_points: those of the plugin groups, in the file's order.
        layout: where its sources lie, the best guess first.
    """

    root: str
    name: str
    version: str | None
    build_backend: str
    entry_points: tuple[ProjectEntryPoint, ...]
    layout: tuple[SourceDirectory, ...]


def read_project(directory: str) -> Project:
    """Return the project in a directory, from its `pyproject.toml`.

    Entry points are read from `[project.entry-points]` and, where Poetry builds the project,
    from `[tool.poetry.plugins]`.

    Raises:
        InputError: there is no such file, it isn't TOML, it names no project or declares no
            plugin, or an entry point is wrong.
        ProblemsError: several entry points are wrong, by their position.
    """
    return project_of(read_pyproject(directory))


def project_of(pyproject: Pyproject) -> Project:
    """Return the project that a `pyproject.toml` describes.

    Raises:
        InputError, ProblemsError: as `read_project`.
    """
    backend = pyproject.string("build-system", "build-backend") or _LEGACY_BACKEND
    family = backend_family(backend)
    tables = (_PEP_621, _POETRY_PLUGINS) if family == POETRY else (_PEP_621,)
    name = pyproject.string("project", "name")
    version = pyproject.string("project", "version")
    if family == POETRY:
        name = name or pyproject.string("tool", "poetry", "name")
        version = version or pyproject.string("tool", "poetry", "version")
    where = str(pyproject.place(0))
    if not name:
        raise InputError(
            "the project has no name",
            expected="a string as `project.name`",
            where=where,
        )
    entry_points = _entry_points(pyproject, tables)
    if not entry_points:
        raise _no_plugins(pyproject, tables, name, where)
    return Project(
        root=os.path.dirname(pyproject.path),
        name=normalized_name(name),
        version=version,
        build_backend=backend,
        entry_points=entry_points,
        layout=source_directories(pyproject, family),
    )


def _entry_points(pyproject: Pyproject, tables: tuple[Path, ...]) -> tuple[ProjectEntryPoint, ...]:
    mistakes = Mistakes()
    paths = list(_paths(pyproject, tables))
    places = pyproject.places(paths)
    found: dict[tuple[str, str], ProjectEntryPoint] = {}
    for path in sorted(paths, key=lambda path: (places[path].line, places[path].column)):
        entry = _entry_point(path, pyproject.get(*path), places[path], mistakes)
        if entry is None:
            continue
        first = found.setdefault((path[-2], path[-1]), entry)
        if first.entry_point != entry.entry_point:
            mistakes.add(
                places[path],
                f"the entry point `{path[-1]}` is declared twice",
                expected=f"`{first.entry_point.value}`, as on line {first.line}",
                found=f"`{entry.entry_point.value}`",
            )
    problems = mistakes.in_order()
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ProblemsError(f"`pyproject.toml` has {len(problems)} mistakes", tuple(problems))
    return tuple(found.values())


def _paths(pyproject: Pyproject, tables: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the paths of the plugin entry points, and of groups that are no tables."""
    for table in tables:
        for group, members in pyproject.table(*table).items():
            if group.startswith(_PREFIX) and isinstance(members, dict):
                yield from ((*table, group, name) for name in members)
            elif group.startswith(_PREFIX):
                yield (*table, group)


def _entry_point(
    path: Path, value: object, place: Place, mistakes: Mistakes
) -> ProjectEntryPoint | None:
    group, name = path[-2:]
    if name.startswith(_PREFIX) and path[:-1] in (_PEP_621, _POETRY_PLUGINS):
        mistakes.add(place, f"`{shortened(name)}` isn't a table of entry points")
        return None
    if group not in _GROUPS:
        error = unknown_group(group, str(place))
        mistakes.add(place, error.message, expected=error.expected, hint=error.hint)
        return None
    # Extras behind the reference are deprecated and mean nothing to a plugin.
    reference = value.partition("[")[0].strip() if isinstance(value, str) else ""
    if not is_object_reference(reference):
        mistakes.add(
            place,
            f"the entry point `{shortened(name)}` has a wrong value",
            expected="`module:attribute`",
            found=shortened(value) if isinstance(value, str) else type(value).__name__,
        )
        return None
    return ProjectEntryPoint(
        entry_point=EntryPoint(group=_GROUPS[group], name=name, value=reference),
        line=place.line,
        column=place.column,
    )


def unknown_group(group: str, where: str) -> InputError:
    """Return the error for an entry point group that only looks like one of the host's."""
    near = nearest_group(group)
    return InputError(
        f"`{shortened(group)}` is no group of plugins",
        expected=" or ".join(f"`{known}`" for known in _GROUPS),
        where=where,
        hint=f"did you mean `{ENTRY_POINT_GROUPS[near]}`?" if near else None,
    )


def _no_plugins(
    pyproject: Pyproject, tables: tuple[Path, ...], name: str, where: str
) -> InputError:
    if _POETRY_PLUGINS not in tables and pyproject.table(*_POETRY_PLUGINS):
        hint = (
            "`[tool.poetry.plugins]` counts only where Poetry builds the project: declare them "
            'under `[project.entry-points."coral_inference.patches"]`'
        )
    elif "entry-points" in pyproject.texts("project", "dynamic"):
        hint = "`project.dynamic` leaves the entry points to the build: state them in this file"
    else:
        hint = (
            'declare one under `[project.entry-points."coral_inference.patches"]`, like '
            f'`my_plugin = "{normalized_name(name).replace("-", "_")}.coral_plugins:register"`'
        )
    return InputError(
        "the project declares no plugin",
        expected="an entry point in one of the groups " + ", ".join(_GROUPS),
        where=where,
        hint=hint,
    )


def source_path(project: Project, site_path: str) -> str | None:
    """Return the project's file that comes to lie at a path under the site root.

    Args:
        project: the project.
        site_path: relative, with slashes: `my_package/coral_plugins.py`.

    Returns:
        The absolute path of a regular file inside of the project, or None.
    """
    for candidate in _candidates(project, site_path):
        if os.path.isfile(candidate) and is_inside(project, candidate):
            return candidate
    return None


def source_directory(project: Project, site_path: str) -> str | None:
    """Return the project's directory of a package, one with an `__init__.py` before others.

    Args:
        project: the project.
        site_path: the package's path under the site root, with slashes: `my_package`.

    Returns:
        The absolute path of a directory inside of the project, or None.
    """
    regular = source_path(project, f"{site_path}/__init__.py")
    if regular is not None:
        return os.path.dirname(regular)
    for candidate in _candidates(project, site_path):
        if os.path.isdir(candidate) and is_inside(project, candidate):
            return candidate
    return None


def _candidates(project: Project, site_path: str) -> Iterator[str]:
    parts = site_path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        return
    for source in project.layout:
        target = source.target.split("/") if source.target else []
        if parts[: len(target)] == target:
            rest = parts[len(target) :]
            yield os.path.join(project.root, *filter(None, source.directory.split("/")), *rest)


def is_inside(project: Project, path: str) -> bool:
    """Whether a path stays inside of the project when its links are followed."""
    root = os.path.realpath(project.root)
    return os.path.realpath(path).startswith(os.path.join(root, ""))


def source_reader(project: Project) -> Callable[[str], bytes | None]:
    """Return what reads a project's sources for `static.evaluation.evaluate`."""

    def read(site_path: str) -> bytes | None:
        path = source_path(project, site_path)
        if path is None:
            return None
        try:
            return read_regular_file(path, MAX_SOURCE_BYTES)
        except OSError:
            return None

    return read
