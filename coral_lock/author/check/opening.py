"""Opening what is to be checked: a project's directory, a wheel, or what is installed."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager
from glob import escape, glob

from coral_lock.author.check.definitions import source_files
from coral_lock.author.check.subject import (
    INSTALLED,
    PROJECT,
    WHEEL,
    DeclaredEntryPoint,
    Layout,
    Sample,
    Subject,
    Surroundings,
)
from coral_lock.author.check.wheel_archive import open_wheel
from coral_lock.author.project import (
    MAX_SOURCE_BYTES,
    display_path,
    read_project,
    unknown_group,
)
from coral_lock.derive.place import Place
from coral_lock.descriptor.load import load_descriptor
from coral_lock.errors import BrokenDistributionError, InputError, ProblemsError
from coral_lock.installed.dist_info import (
    Location,
    parse_entry_points,
    read_commands,
    read_text,
    unknown_groups,
)
from coral_lock.installed.files import list_files
from coral_lock.installed.outside import SCRIPTS, wheel_path
from coral_lock.inventory import BrokenDistribution, Distribution
from coral_lock.names import ENTRY_POINT_GROUPS, is_normalized_name, normalized_name
from coral_lock.reporter import Reporter
from coral_lock.safe_files import NotRegularFileError, read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from coral_lock.author.check.wheel_archive import OpenedWheel
    from coral_lock.author.project import Project
    from coral_lock.installed.environment import EnvironmentInventory
    from coral_lock.inventory import EntryPoint


_SAMPLE_DIRECTORIES = ("", "examples", "config")
_SAMPLE_PATTERNS = ("runtime*.yaml", "runtime*.yml", "runtime*.json")


@contextmanager
def open_target(
    target: str,
    config: str | None = None,
    surroundings: Surroundings | None = None,
    left_out: str | None = None,
) -> Iterator[Subject]:
    """Give the subject that `target` names; a wheel stays unpacked as long as it is used.

    Args:
        target: a project's directory, a wheel file, or a distribution's name.
        config: a further sample configuration, or None.
        surroundings: where distributions are found by their names, and other plugins; this
            environment by default.
        left_out: a sample configuration of the project that isn't looked at, or None.

    Raises:
        InputError: there is no such thing, or it can't be checked.
        ProblemsError: the project's `pyproject.toml` has several mistakes.
    """
    surroundings = surroundings or Surroundings(Place())
    samples = () if config is None else (load_sample(config, must_exist=True),)
    wheel = target if target.endswith(".whl") else None
    is_project = os.path.isdir(target) or os.sep in target or target in (os.curdir, os.pardir)
    if wheel is None and not is_project:
        if not is_normalized_name(normalized_name(target)):
            raise _unknown(target)
        wheel = surroundings.wheel(normalized_name(target))
    if wheel is not None:
        with tempfile.TemporaryDirectory(prefix="coral-check-") as directory:
            subject = _wheel(wheel, directory, samples)
            yield subject.replace(others=surroundings.plugins)
    elif is_project:
        yield _project(target, samples, left_out).replace(others=surroundings.plugins)
    else:
        yield _installed(target, samples, surroundings)


def _unknown(target: str) -> InputError:
    return InputError(
        f"there is nothing to check under the name `{target}`",
        expected="a project's directory, a wheel file, or the name of a distribution that is there",
        found=f"`{target}`",
        hint="name one of them: `coral-runtime plugins check .`",
    )


def load_sample(path: str, *, must_exist: bool = False) -> Sample:
    """Return a sample configuration, with what is wrong with it.

    Raises:
        InputError: `must_exist` is given, and there is no such file.
    """
    if must_exist and not os.path.isfile(path):
        load_descriptor(path)
    try:
        return Sample(path=path, descriptor=load_descriptor(path))
    except ProblemsError as error:
        return Sample(path=path, problems=error.problems)
    except InputError as error:
        return Sample(path=path, problems=(error,))


def _project(target: str, samples: tuple[Sample, ...], left_out: str | None) -> Subject:
    known = [*(sample.path for sample in samples), *([] if left_out is None else [left_out])]
    project = read_project(target)
    entry_points = tuple(
        DeclaredEntryPoint(entry_point=declared.entry_point, where=declared.where)
        for declared in project.entry_points
    )

    def shown(site_path: str) -> str:
        path = project.file(site_path)
        return site_path if path is None else display_path(path)

    return Subject(
        kind=PROJECT,
        target=target,
        name=project.name,
        version=project.version,
        entry_points=entry_points,
        read_source=project.read_source,
        shown=shown,
        obstacle=lambda site_path: _obstacle(project, site_path),
        samples=(*samples, *_samples_of(project.root, {os.path.realpath(each) for each in known})),
        import_path=_source_roots(project),
    )


def _obstacle(project: Project, site_path: str) -> InputError | None:
    """Return why what lies at a path of a project can't be read; None where nothing does."""
    package, _, name = site_path.rpartition("/")
    directory = project.directory(package)
    path = os.path.join(directory or project.root, name)
    if directory is None or not os.path.lexists(path):
        return None
    try:
        if project.contains(path):
            read_regular_file(path, MAX_SOURCE_BYTES)
            return None
        reason = "it leads out of the project"
    except NotRegularFileError:
        reason = "it isn't a regular file"
    except OSError as error:
        reason = f"{error.strerror}"
    return InputError(
        f"`{site_path}` can't be read: {reason}",
        expected="a regular file inside of the project",
        where=display_path(path),
        hint="put a regular file in its place",
    )


def _samples_of(root: str, known: Collection[str]) -> Iterator[Sample]:
    for directory in _SAMPLE_DIRECTORIES:
        paths = [
            path
            for pattern in _SAMPLE_PATTERNS
            for path in glob(os.path.join(escape(os.path.join(root, directory)), pattern))
        ]
        for path in sorted(paths):
            if os.path.isfile(path) and os.path.realpath(path) not in known:
                yield load_sample(display_path(path))


def _source_roots(project: Project) -> tuple[str, ...]:
    """Return the directories from which Python imports the modules of the entry points."""
    roots: dict[str, None] = {}
    for declared in project.entry_points:
        module = declared.entry_point.value.partition(":")[0]
        for site_path in source_files(module):
            path = project.file(site_path)
            suffix = os.sep + site_path.replace("/", os.sep)
            if path is not None and path.endswith(suffix):
                roots[path.removesuffix(suffix)] = None
    return tuple(roots)


def _wheel(target: str, directory: str, samples: tuple[Sample, ...]) -> Subject:
    opened = open_wheel(target, directory)
    archive = opened.archive
    name = archive.name or archive.file_name.partition("-")[0]
    location = Location(root=directory, directory=archive.dist_info or os.curdir)
    own = frozenset(opened.files)

    def read(path: str) -> bytes | None:
        if path not in own:
            return None
        try:
            return read_regular_file(os.path.join(directory, path), MAX_SOURCE_BYTES)
        except OSError:
            return None

    return Subject(
        kind=WHEEL,
        target=target,
        name=normalized_name(name),
        version=archive.version or None,
        entry_points=_entry_points(location, target),
        read_source=read,
        samples=samples,
        import_path=(directory,),
        layout=Layout(
            files=opened.files, outside=_outside(opened, location, normalized_name(name))
        ),
        archive=archive,
    )


def _outside(opened: OpenedWheel, location: Location, name: str) -> tuple[str, ...]:
    """Return where the members of the `.data` directory, and generated scripts, are installed."""
    paths = [
        wheel_path(scheme, path, name)
        for scheme, slash, path in (
            each.partition("/")[2].partition("/") for each in opened.outside
        )
        if slash
    ]
    try:
        commands = read_commands(location)
    except BrokenDistributionError:
        commands = frozenset()
    return (*paths, *(SCRIPTS + command for command in sorted(commands)))


def _entry_points(location: Location, target: str) -> tuple[DeclaredEntryPoint, ...]:
    """Return the plugin entry points in a dist-info directory, each with its line.

    Raises:
        InputError: there is none, or one of them is malformed.
    """
    shown = f"{location.directory}/entry_points.txt"
    try:
        text = read_text(location, "entry_points.txt") or ""
        found = parse_entry_points(text, shown)
    except BrokenDistributionError as error:
        raise InputError(error.message, where=error.where, hint=error.hint) from None
    for group in unknown_groups(text):
        raise unknown_group(group, shown)
    if not found:
        groups = ", ".join(f"`{group}`" for group in ENTRY_POINT_GROUPS.values())
        raise InputError(
            f"`{target}` declares no plugin",
            expected=f"an entry point in one of the groups {groups}",
            where=shown,
        )
    return tuple(
        DeclaredEntryPoint(
            entry_point=entry_point, where=f"{shown}:{_line_of(entry_point, text)}:1"
        )
        for entry_point in found
    )


def _line_of(entry_point: EntryPoint, text: str) -> int:
    group = ""
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("["):
            group = line.strip("[] \t\r")
        is_in_group = group == ENTRY_POINT_GROUPS[entry_point.group]
        if is_in_group and line.partition("=")[0].strip() == entry_point.name:
            return number
    return 1


def _installed(target: str, samples: tuple[Sample, ...], surroundings: Surroundings) -> Subject:
    name = normalized_name(target)
    inventory = surroundings.inventory
    found = None if inventory is None else inventory.find(name)
    if inventory is None or found is None:
        raise _unknown(target)
    if isinstance(found, BrokenDistribution):
        error = found.error
        raise InputError(error.message, where=error.where, hint=error.hint)
    location = Location(
        root=os.path.dirname(found.location), directory=os.path.basename(found.location)
    )
    layout, problems = _installed_files(found, inventory, location)
    return Subject(
        kind=INSTALLED,
        target=target,
        name=name,
        version=found.version,
        entry_points=_entry_points(location, target),
        read_source=lambda path: inventory.read_source(name, path),
        others=surroundings.plugins,
        samples=samples,
        layout=layout,
        record_problems=problems,
    )


def _installed_files(
    distribution: Distribution, inventory: EnvironmentInventory, location: Location
) -> tuple[Layout | None, tuple[BrokenDistributionError, ...]]:
    """Return the files that RECORD lists, and why it isn't true; an editable one has none."""
    if distribution.editable:
        return None, ()
    try:
        listed = sorted(list_files(location).listed)
    except BrokenDistributionError as error:
        return None, (error,)
    ((_, outcome),) = inventory.digests((distribution.name,), Reporter())
    problems = (outcome,) if isinstance(outcome, BrokenDistributionError) else ()
    outside = inventory.outside(distribution.name)
    commands = (SCRIPTS + command for command in outside.commands)
    return Layout(files=tuple(listed), outside=(*outside.stated, *commands)), problems


def search_path(subject: Subject) -> tuple[str, ...]:
    """Return the `sys.path` with which the plugins of a subject are run."""
    here = (os.path.abspath(entry) for entry in sys.path if entry)
    return tuple(dict.fromkeys((*subject.import_path, *here)))
