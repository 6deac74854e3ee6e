"""A plugin's project: its `pyproject.toml`, its entry points, and where its sources are."""

from __future__ import annotations

import os
import posixpath

from coral_lock.document.node import Mistakes, Place
from coral_lock.errors import InputError, ProblemsError
from coral_lock.inventory import EntryPoint
from coral_lock.names import ENTRY_POINT_GROUPS, is_object_reference, nearest_group, normalized_name
from coral_lock.printable import shortened
from coral_lock.record import Record
from coral_lock.safe_files import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    from tomlkit import TOMLDocument


if TYPE_CHECKING:
    Path: TypeAlias = tuple[str, ...]


PYPROJECT = "pyproject.toml"
MAX_PYPROJECT_BYTES = 512 * 1024


class Pyproject:
    """The parsed file.

    Args:
        path: the file, absolute.
        text: its whole text.
        document: the text as tomlkit reads it, which keeps style and comments.
    """

    def __init__(self, path: str, text: str, document: TOMLDocument) -> None:
        self.path = path
        self.text = text
        self.document = document
        self._values: Mapping[str, Any] = document.unwrap()

    def get(self, *path: str) -> Any:
        """Return the plain value at a path of keys, or None where there is none."""
        value: Any = self._values
        for key in path:
            if not isinstance(value, dict) or key not in value:
                return None
            value = value[key]
        return value

    def table(self, *path: str) -> Mapping[str, Any]:
        """Return the table at a path of keys; an empty one where there is none."""
        value = self.get(*path)
        return value if isinstance(value, dict) else {}

    def texts(self, *path: str) -> tuple[str, ...]:
        """Return the strings in the array at a path of keys; none where there is no such array."""
        value = self.get(*path)
        items = value if isinstance(value, list) else ()
        return tuple(item for item in items if isinstance(item, str))

    def string(self, *path: str) -> str | None:
        """Return the string at a path of keys, or None where there is none."""
        value = self.get(*path)
        return value if isinstance(value, str) else None

    def places(self, paths: Sequence[Path]) -> dict[Path, Place]:
        """Return where in the text the values at these paths of keys begin.

        A value that can't be found has the place of the file's start.
        """
        found = spans(self.text, paths)
        return {path: self.place(found[path][0] if path in found else 0) for path in paths}

    def place(self, offset: int) -> Place:
        """Return the place of the character at `offset`, for messages."""
        line = self.text.count("\n", 0, offset) + 1
        column = offset - self.text.rfind("\n", 0, offset)
        return Place(source=display_path(self.path), line=line, column=column)


def read_pyproject(directory: str) -> Pyproject:
    """Return the `pyproject.toml` of a project's directory.

    Raises:
        InputError: there is none, it can't be read, or it isn't TOML; with the position.
    """
    root = os.path.abspath(directory)
    path = os.path.join(root, PYPROJECT)
    text = _read_text(path, directory)
    return Pyproject(path, text, parse_toml(text, display_path(path)))


def parse_toml(text: str, source: str) -> TOMLDocument:
    """Return a text as a TOML document.

    Raises:
        InputError: it isn't TOML; with the position.
    """
    import tomlkit
    from tomlkit.exceptions import ParseError, TOMLKitError

    try:
        document = tomlkit.parse(text)
        document.unwrap()
    except ParseError as error:
        reason = str(error).partition(" at line ")[0]
        raise InputError(
            f"not TOML: {_uncapitalized(reason)}",
            where=f"{source}:{error.line}:{error.col + 1}",
        ) from None
    except RecursionError:
        raise InputError("the document is nested too deep", where=source) from None
    except (TOMLKitError, ValueError, TypeError, LookupError, AttributeError) as error:
        # tomlkit lets through what its own code stumbles over in some broken documents.
        raise InputError(f"not TOML: {shortened(str(error))}", where=source) from None
    return document


def spans(text: str, paths: Sequence[Path]) -> dict[Path, tuple[int, int]]:
    """Return where the values at paths of keys begin and end in the text of a document.

    tomlkit keeps no positions, so each value is replaced by a mark in a copy of the document:
    what the copy's text has before a mark is what the text has before the value.
    """
    import tomlkit

    mark = "mark"
    while mark in text:
        mark += "s"
    copy: Any = tomlkit.parse(text)
    lengths = []
    for number, path in enumerate(paths):
        container = copy
        for key in path[:-1]:
            container = container[key]
        lengths.append(_length(container[path[-1]]))
        container[path[-1]] = f"{mark}-{number}-"
    before, *pieces = tomlkit.dumps(copy).split(f'"{mark}-')
    found: dict[Path, tuple[int, int]] = {}
    offset = 0
    for piece in pieces:
        if not text.startswith(before, offset):
            break
        start = offset + len(before)
        number_text, _, before = piece.partition('-"')
        offset = start + lengths[int(number_text)]
        found[paths[int(number_text)]] = (start, offset)
    return found


def _length(item: Any) -> int:
    """Return how long a value's text is; tomlkit hands booleans out as Python's own."""
    return len(str(item) if isinstance(item, bool) else item.as_string())


def _uncapitalized(sentence: str) -> str:
    """Return a sentence of tomlkit's in the form of ours."""
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence


def display_path(path: str) -> str:
    """Return how messages call a file: relative to the working directory if it lies below."""
    absolute = os.path.abspath(path)
    try:
        relative = os.path.relpath(absolute)
    except (OSError, ValueError):
        return absolute
    return absolute if relative.startswith(os.pardir) else relative


def _read_text(path: str, directory: str) -> str:
    source = display_path(path)
    try:
        content = read_regular_file(path, MAX_PYPROJECT_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            "there is no `pyproject.toml`, so this is no project",
            where=display_path(directory),
            hint="name the directory of the plugin's project",
        ) from None
    except OSError as error:
        raise InputError(f"`{PYPROJECT}` can't be read: {error.strerror}", where=source) from None
    except ValueError:
        raise InputError("the project's path can't be a path", where=repr(directory)) from None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"`{PYPROJECT}` isn't UTF-8",
            expected="UTF-8",
            found=f"byte 0x{content[error.start]:02x}",
            where=f"{source}:{line}",
            hint="save the file as UTF-8",
        ) from None


SETUPTOOLS = "setuptools"
HATCHLING = "hatchling"
POETRY = "poetry"
FLIT = "flit"
UV = "uv"
OTHER = "other"


class SourceDirectory(Record):
    """What lies in `directory` of the project comes to lie in `target` of the site root.

    Both are relative, with slashes, and empty for the root itself.
    """

    target: str
    directory: str


def backend_family(build_backend: str) -> str:
    """Return which of the known build back ends the value of `build-backend` names."""
    top = build_backend.partition(":")[0].partition(".")[0]
    known = {
        "setuptools": SETUPTOOLS,
        "hatchling": HATCHLING,
        "poetry": POETRY,
        "flit_core": FLIT,
        "flit": FLIT,
        "uv_build": UV,
    }
    return known.get(top, OTHER)


def source_directories(pyproject: Pyproject, family: str) -> tuple[SourceDirectory, ...]:
    """Return where sources lie by the settings of the build back end, the best guess first.

    Args:
        pyproject: the project's settings.
        family: the back end, as `backend_family` names it.
    """
    stated = {
        SETUPTOOLS: _setuptools,
        HATCHLING: _hatchling,
        POETRY: _poetry,
        UV: _uv,
    }.get(family)
    found = [] if stated is None else list(stated(pyproject))
    root, src = (
        SourceDirectory(target="", directory=""),
        SourceDirectory(target="", directory="src"),
    )
    # Setuptools takes `src` for the root as soon as it is there; the others look there last.
    found += [src, root] if family in (SETUPTOOLS, UV) else [root, src]
    return tuple(dict.fromkeys(found))


def _setuptools(pyproject: Pyproject) -> Iterator[SourceDirectory]:
    """https://setuptools.pypa.io/en/latest/userguide/package_discovery.html"""
    settings = ("tool", "setuptools")
    directories = {
        package: directory
        for package, directory in pyproject.table(*settings, "package-dir").items()
        if isinstance(directory, str)
    }
    for package in sorted(directories, key=len, reverse=True):
        yield from _mapped(package.replace(".", "/"), directories[package])
    for directory in pyproject.texts(*settings, "packages", "find", "where"):
        yield from _mapped("", directory)


def _hatchling(pyproject: Pyproject) -> Iterator[SourceDirectory]:
    """https://hatch.pypa.io/latest/config/build/"""
    target = ("tool", "hatch", "build", "targets", "wheel")
    for settings in (target, target[:3]):
        for source, destination in pyproject.table(*settings, "force-include").items():
            if isinstance(destination, str):
                yield from _mapped(destination, source)
        for source, destination in pyproject.table(*settings, "sources").items():
            if isinstance(destination, str):
                yield from _mapped(destination, source)
        for source in pyproject.texts(*settings, "sources"):
            yield from _mapped("", source)
        for directory in pyproject.texts(*settings, "packages"):
            yield from _mapped(posixpath.basename(directory.rstrip("/")), directory)


def _poetry(pyproject: Pyproject) -> Iterator[SourceDirectory]:
    """https://python-poetry.org/docs/pyproject/#packages"""
    packages = pyproject.get("tool", "poetry", "packages")
    for package in packages if isinstance(packages, list) else ():
        settings = package if isinstance(package, dict) else {"include": package}
        include, base, to = (settings.get(key, "") for key in ("include", "from", "to"))
        if not (isinstance(include, str) and isinstance(base, str) and isinstance(to, str)):
            continue
        fixed = "/".join(_fixed_parts(include))
        yield from _mapped(posixpath.join(to, fixed), posixpath.join(base, fixed))


def _fixed_parts(pattern: str) -> Iterator[str]:
    """Yield the parts of a pattern before the first one with a wildcard."""
    for part in pattern.split("/"):
        if not set("*?[").isdisjoint(part):
            return
        yield part


def _uv(pyproject: Pyproject) -> Iterator[SourceDirectory]:
    """https://docs.astral.sh/uv/concepts/build-backend/"""
    module_root = pyproject.string("tool", "uv", "build-backend", "module-root")
    if module_root is not None:
        yield from _mapped("", module_root)


def _mapped(target: str, directory: str) -> Iterator[SourceDirectory]:
    """Yield the pair with both paths normalized, unless one leaves the root."""
    paths = [posixpath.normpath(path.replace(os.sep, "/")) for path in (target, directory)]
    if any(path.startswith(("/", "../")) or path == ".." for path in paths):
        return
    target, directory = ("" if path == "." else path for path in paths)
    yield SourceDirectory(target=target, directory=directory)


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
