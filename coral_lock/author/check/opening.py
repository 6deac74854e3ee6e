"""Opening the target of a check: a project's directory, a wheel, or an installed distribution."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from glob import escape, glob

from packaging.tags import parse_tag

from coral_lock.author.check.definitions import source_files
from coral_lock.author.check.environment import Environment
from coral_lock.author.check.subject import (
    INSTALLED,
    PROJECT,
    WHEEL,
    DeclaredEntryPoint,
    Layout,
    Sample,
    Subject,
)
from coral_lock.author.project import (
    MAX_SOURCE_BYTES,
    Project,
    display_path,
    read_project,
    unknown_group,
)
from coral_lock.derive.place import Place
from coral_lock.descriptor.load import load_descriptor
from coral_lock.errors import BrokenDistributionError, InputError, ProblemsError
from coral_lock.installed.dist_info import (
    MAX_ENTRY_POINTS_BYTES,
    Location,
    parse_entry_points,
    read_text,
    unknown_groups,
)
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.installed.files import list_files
from coral_lock.installed.outside import SCRIPTS
from coral_lock.inventory import BrokenDistribution, Distribution, EntryPoint
from coral_lock.names import ENTRY_POINT_GROUPS, is_normalized_name, normalized_name
from coral_lock.reporter import Reporter
from coral_lock.safe_files import NotRegularFileError, read_regular_file
from coral_lock.wheels.archive import WheelArchive
from coral_lock.wheels.contents import read_contents
from coral_lock.wheels.metadata import read_distribution, read_wheel_tag
from coral_lock.wheels.zip_file import malformed

MAX_UNPACKED_BYTES = 1 << 30
_SAMPLE_DIRECTORIES = ("", "examples", "config")
_SAMPLE_PATTERNS = ("runtime*.yaml", "runtime*.yml", "runtime*.json")
_ENTRY_POINTS = "entry_points.txt"


class NoPluginError(InputError):
    """The wheel or the installed distribution declares no plugin."""


@contextmanager
def open_target(
    target: str,
    config: str | None = None,
    environment: Environment | None = None,
    left_out: str | None = None,
    *,
    run: bool = False,
) -> Iterator[Subject]:
    """Give the subject that `target` names; a wheel is open as long as it is used.

    Args:
        target: a project's directory, a wheel file, or a distribution's name.
        config: a further sample configuration, or None.
        environment: where distributions are found by their names, and other plugins; this
            environment by default.
        left_out: a sample configuration of the project to ignore, or None.
        run: whether plugins are to be run, for which a wheel is unpacked.

    Raises:
        InputError: it doesn't exist, or it can't be checked.
        ProblemsError: the project's `pyproject.toml` has several mistakes.
    """
    environment = environment or Environment(Place())
    samples = () if config is None else (load_sample(config, must_exist=True),)
    wheel = target if target.endswith(".whl") else None
    is_project = os.path.isdir(target) or os.sep in target or target in (os.curdir, os.pardir)
    if wheel is None and not is_project:
        if not is_normalized_name(normalized_name(target)):
            raise _unknown(target)
        wheel = environment.wheel(normalized_name(target))
    with ExitStack() as stack:
        if wheel is not None:
            subject = _wheel(wheel, samples, stack, run=run)
        elif is_project:
            subject = _project(target, samples, left_out)
        else:
            subject = _installed(target, samples, environment)
        yield replace(subject, others=environment.plugins)


def _unknown(target: str) -> InputError:
    return InputError(
        f"`{target}` not found",
        expected="a project's directory, a wheel file, or the name of an available distribution",
        found=f"`{target}`",
        hint="install it, or pass the path of a project or a wheel",
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

    def shown(site_path: str) -> str:
        path = project.file(site_path)
        return site_path if path is None else display_path(path)

    return Subject(
        kind=PROJECT,
        target=target,
        name=project.name,
        version=project.version,
        entry_points=tuple(
            DeclaredEntryPoint(entry_point=declared.entry_point, where=declared.where)
            for declared in project.entry_points
        ),
        read_source=project.read_source,
        shown=shown,
        obstacle=lambda site_path: _obstacle(project, site_path),
        samples=(*samples, *_samples_of(project.root, {os.path.realpath(each) for each in known})),
        import_path=_source_roots(project),
    )


def _obstacle(project: Project, site_path: str) -> InputError | None:
    """Return why the file at a path of a project can't be read; None where there is none."""
    package, _, name = site_path.rpartition("/")
    directory = project.directory(package)
    path = os.path.join(directory or project.root, name)
    if directory is None or not os.path.lexists(path):
        return None
    try:
        if project.contains(path):
            read_regular_file(path, MAX_SOURCE_BYTES)
            return None
        reason = "it is a link that leaves the project"
    except NotRegularFileError:
        reason = "it isn't a regular file"
    except OSError as error:
        reason = f"{error.strerror}"
    return InputError(
        f"`{site_path}` can't be read: {reason}",
        expected="a regular file inside the project",
        where=display_path(path),
        hint="replace it by a regular file",
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
        for site_path in source_files(declared.entry_point.value.partition(":")[0]):
            path = project.file(site_path)
            suffix = os.sep + site_path.replace("/", os.sep)
            if path is not None and path.endswith(suffix):
                roots[path.removesuffix(suffix)] = None
    return tuple(roots)


def _wheel(target: str, samples: tuple[Sample, ...], stack: ExitStack, *, run: bool) -> Subject:
    """Return a wheel; one that isn't sound has its problems and nothing else."""
    if not os.path.isfile(target):
        raise InputError("wheel not found", where=target, hint="pass the path of a wheel file")
    if not zipfile.is_zipfile(target):
        raise InputError("the wheel isn't a ZIP file", where=target)
    try:
        archive = stack.enter_context(WheelArchive(target))
    except BrokenDistributionError as error:
        return Subject(
            kind=WHEEL,
            target=target,
            name=normalized_name(os.path.basename(target).partition("-")[0]),
            version=None,
            entry_points=(),
            read_source=lambda _: None,
            problems=(error,),
        )
    version: str = str(archive.wheel.version)
    outside: tuple[str, ...] = ()
    problems: list[BrokenDistributionError] = []
    # These are what a lock reads of a wheel, in its order.
    try:
        version = read_distribution(archive).version
    except BrokenDistributionError as error:
        problems.append(error)
    try:
        contents = read_contents(archive)
        outside = (*contents.outside, *(SCRIPTS + command for command in contents.commands))
        _refuse_other_tags(archive)
    except BrokenDistributionError as error:
        problems.append(error)
    try:
        text = archive.read_text(_ENTRY_POINTS, MAX_ENTRY_POINTS_BYTES) or ""
        entry_points = _entry_points(text, f"{archive.dist_info}/{_ENTRY_POINTS}", target)
    except BrokenDistributionError as error:
        raise InputError(error.message, where=error.where, hint=error.hint) from None

    def read_source(path: str) -> bytes | None:
        try:
            return archive.read(path, MAX_SOURCE_BYTES)
        except BrokenDistributionError:
            # The wheel has a problem for that already, or the file is too large for a source.
            return None

    return Subject(
        kind=WHEEL,
        target=target,
        name=archive.wheel.name,
        version=version,
        entry_points=entry_points,
        read_source=read_source,
        samples=samples,
        import_path=(_unpacked(archive, stack),) if run else (),
        layout=Layout(
            files=tuple(sorted(each.site_path for each in archive.members if each.site_path)),
            outside=outside,
        ),
        problems=tuple(problems),
    )


def _refuse_other_tags(archive: WheelArchive) -> None:
    """Raise an error where the file name has other tags than WHEEL, whose tags a lock records."""
    stated, named = read_wheel_tag(archive), archive.wheel.tags
    if parse_tag(stated) != parse_tag(named):
        message = f"the file name has the tags `{named}`, and WHEEL states `{stated}`"
        raise malformed(archive.path, message)


def _unpacked(archive: WheelArchive, stack: ExitStack) -> str:
    """Return a temporary directory with the files that a wheel installs under the site root."""
    size = sum(member.size for member in archive.members)
    if size > MAX_UNPACKED_BYTES:
        raise InputError(
            f"the wheel is too large to be run: it has more than {MAX_UNPACKED_BYTES} bytes",
            found=f"{size} bytes",
            where=archive.path,
        )
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="coral-check-"))
    for member in archive.members:
        if member.site_path is not None:
            path = os.path.join(directory, *member.site_path.split("/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            # A damaged file is a problem of the wheel already.
            with open(path, "xb") as file, suppress(BrokenDistributionError):
                file.writelines(archive.stream(member))
    return directory


def _entry_points(text: str, shown: str, target: str) -> tuple[DeclaredEntryPoint, ...]:
    """Return the plugin entry points of the text of an `entry_points.txt`, each with its line.

    Raises:
        InputError: there is none, or one of them is malformed.
    """
    try:
        found = parse_entry_points(text, shown)
    except BrokenDistributionError as error:
        raise InputError(error.message, where=error.where, hint=error.hint) from None
    for group in unknown_groups(text):
        raise unknown_group(group, shown)
    if not found:
        groups = ", ".join(f"`{group}`" for group in ENTRY_POINT_GROUPS.values())
        raise NoPluginError(
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


def _installed(target: str, samples: tuple[Sample, ...], environment: Environment) -> Subject:
    name = normalized_name(target)
    inventory = environment.inventory
    found = None if inventory is None else inventory.find(name)
    if inventory is None or found is None:
        raise _unknown(target)
    if isinstance(found, BrokenDistribution):
        error = found.error
        raise InputError(error.message, where=error.where, hint=error.hint)
    root, directory = os.path.split(found.location)
    location = Location(root=root, directory=directory)
    try:
        text = read_text(location, _ENTRY_POINTS) or ""
    except BrokenDistributionError as error:
        raise InputError(error.message, where=error.where, hint=error.hint) from None
    layout, problems = _installed_files(found, inventory, location)
    return Subject(
        kind=INSTALLED,
        target=target,
        name=name,
        version=found.version,
        entry_points=_entry_points(text, f"{directory}/{_ENTRY_POINTS}", target),
        read_source=lambda path: inventory.read_source(name, path),
        samples=samples,
        layout=layout,
        problems=problems,
    )


def _installed_files(
    distribution: Distribution, inventory: EnvironmentInventory, location: Location
) -> tuple[Layout | None, tuple[BrokenDistributionError, ...]]:
    """Return the files that RECORD lists, and why it is false; an editable install has none."""
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
