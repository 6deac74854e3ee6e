"""A wheel or an installed distribution: opening it, and whether a lock could pin it."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress

from packaging.tags import parse_tag

from coral_lock.author.check.subject import (
    INSTALLED,
    WHEEL,
    Layout,
    Subject,
    finding,
)
from coral_lock.author.project import MAX_SOURCE_BYTES, DeclaredEntryPoint, unknown_group
from coral_lock.errors import BrokenDistributionError, InputError
from coral_lock.finding import Finding
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
from coral_lock.inventory import BrokenDistribution, Distribution, EntryPoint, Reporter
from coral_lock.names import ENTRY_POINT_GROUPS, normalized_name
from coral_lock.reserved import is_startup_file, owner_of, placed, reserved_findings
from coral_lock.wheels.archive import WheelArchive
from coral_lock.wheels.contents import read_contents, read_distribution, read_wheel_tag
from coral_lock.wheels.zip_file import malformed

MAX_UNPACKED_BYTES = 1 << 30
_ENTRY_POINTS = "entry_points.txt"

_MODULE_SUFFIXES = (".py", ".pyi", ".so", ".pyd")
_LIBRARIES = (".libs", ".dylibs")
"""Where tools that repair wheels put the libraries of a package."""

_SHARED_NAMES = frozenset(
    {"build", "conftest", "dist", "doc", "docs", "example", "examples", "script", "scripts"}
    | {"setup", "src", "test", "testing", "tests", "tools"}
)
"""Names that many distributions use by mistake."""

_MAX_NAMED = 5


class NoPluginError(InputError):
    """The wheel or the installed distribution declares no plugin."""


def unknown_target(target: str) -> InputError:
    """Return the error for a target that is no project, wheel or distribution."""
    return InputError(
        f"`{target}` not found",
        expected="a project's directory, a wheel file, or the name of an available distribution",
        found=f"`{target}`",
        hint="install it, or pass the path of a project or a wheel",
    )


def wheel_subject(target: str, stack: ExitStack, *, run: bool = False) -> Subject:
    """Return a wheel; one that isn't sound has its problems and nothing else.

    Args:
        target: its file.
        stack: closes the wheel, and removes the files that are unpacked.
        run: whether it is to be run, for which it is unpacked.

    Raises:
        InputError: there is no wheel, or it has no plugin, or can't be run.
    """
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


def installed_subject(target: str, inventory: EnvironmentInventory | None) -> Subject:
    """Return the distribution that has a name in an environment.

    Raises:
        InputError: there is none, or it has no plugin.
    """
    name = normalized_name(target)
    found = None if inventory is None else inventory.find(name)
    if inventory is None or found is None:
        raise unknown_target(target)
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


def check_wheel(subject: Subject) -> Iterator[Finding]:
    """Yield what keeps a lock from pinning a wheel or an installed distribution."""
    for error in subject.problems:
        # What is installed may differ from a sound wheel in nothing but its RECORD.
        code = "false-record" if subject.kind == INSTALLED else error.code
        yield finding(code, subject.name, error.message, error.where, error.hint)
    if subject.layout is None:
        return
    files = placed(subject.layout.files, subject.layout.outside)
    yield from reserved_findings(subject.name, files, provides_plugins=True)
    foreign: dict[str, list[str]] = {}
    for path in subject.layout.files:
        top = path.partition("/")[0]
        is_reserved = is_startup_file(top) or owner_of(top, subject.name) is not None
        if not is_reserved and not _is_own(path):
            foreign.setdefault(top, []).append(path)
    for paths in foreign.values():
        yield finding(
            "foreign-file",
            subject.name,
            "the distribution installs files outside its own packages: " + _listed(paths),
            paths[0],
            "move them into the distribution's own package, or exclude them from the wheel",
        )


def _listed(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MAX_NAMED} more" if len(paths) > _MAX_NAMED else ""
    return ", ".join(f"`{path}`" for path in paths[:_MAX_NAMED]) + more


def _is_own(path: str) -> bool:
    """Whether a path is in a package of the distribution, or is a module of it."""
    top, separator, _ = path.partition("/")
    if separator and top.endswith((".dist-info", *_LIBRARIES)):
        return True
    if not separator and not top.endswith(_MODULE_SUFFIXES):
        return False
    name = top if separator else top.partition(".")[0]
    return name.isidentifier() and name not in _SHARED_NAMES
