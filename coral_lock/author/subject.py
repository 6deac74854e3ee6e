"""What is checked: a project's directory, a wheel, or an installed distribution, opened."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from glob import escape, glob

from coral_lock.author.project import (
    DeclaredEntryPoint,
    Project,
    display_path,
    read_project,
    unknown_group,
)
from coral_lock.derive.place import Place, environment_at
from coral_lock.descriptor.load import load_descriptor
from coral_lock.descriptor.model import Descriptor
from coral_lock.document.reader import place_of
from coral_lock.errors import (
    BrokenDistributionError,
    CoralLockError,
    InputError,
    ProblemsError,
    UsageError,
)
from coral_lock.installed.dist_info import unknown_groups
from coral_lock.installed.outside import SCRIPTS
from coral_lock.inventory import BrokenDistribution, Distribution, Inventory, Reporter
from coral_lock.names import ENTRY_POINT_GROUPS, is_normalized_name, normalized_name
from coral_lock.targets.environment import this_environment
from coral_lock.wheels.archive import WheelArchive
from coral_lock.wheels.listing import parse_wheel_name
from coral_lock.wheels.wheelhouse import Wheelhouse, WheelhouseInventory, WheelhouseView

PROJECT = "project"
WHEEL = "wheel"
INSTALLED = "installed"

MAX_UNPACKED_BYTES = 1 << 30
_ENTRY_POINTS = "entry_points.txt"
_SAMPLE_SUFFIXES = (".yaml", ".yml", ".json")


class NoPluginError(InputError):
    """The wheel or the installed distribution declares no plugin."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A sample configuration: the descriptor that it gives, or what is wrong with it."""

    path: str
    descriptor: Descriptor | None = None
    problems: tuple[CoralLockError, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What is checked.

    Args:
        kind: `project`, `wheel` or `installed`.
        target: what the user passed.
        name: the distribution's normalized name.
        version: its version; None where a build determines it.
        entry_points: those of the plugin groups.
        read_source: takes a path under the site root and returns the content of that file
            of the distribution, or None; raises `UnreadableSourceError`.
        shown: takes a path under the site root and returns the file's path for messages.
        samples: the sample configurations, the preferred one first.
        import_path: the entries before `sys.path` where plugins are run.
        files: the paths under the site root, with slashes; none where a build determines them.
        outside: the files elsewhere, as `installed.outside` has them, with the scripts that
            installers generate.
        problems: why a lock would refuse the wheel or the installed distribution.
    """

    kind: str
    target: str
    name: str
    version: str | None = None
    entry_points: tuple[DeclaredEntryPoint, ...] = ()
    read_source: Callable[[str], bytes | None] = lambda _: None
    shown: Callable[[str], str] = str
    samples: tuple[Sample, ...] = ()
    import_path: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    problems: tuple[BrokenDistributionError, ...] = ()

    def place(self, path: str, line: int, column: int = 1) -> str:
        """Return a place in a file of the distribution for messages; empty without a line."""
        return f"{self.shown(path)}:{line}:{column}" if path and line else ""


@contextmanager
def open_target(
    target: str,
    config: str | None = None,
    place: Place | None = None,
    left_out: str | None = None,
    *,
    run: bool = False,
) -> Iterator[Subject]:
    """Give the subject that `target` names; a wheel stays unpacked as long as it is used.

    Args:
        target: a project's directory, a wheel file, or a distribution's name.
        config: a further sample configuration, or None.
        place: where distributions are found by their names; this environment by default.
        left_out: a sample configuration of the project to ignore, or None.
        run: whether plugins are to be run, for which a wheel is unpacked.

    Raises:
        InputError: it doesn't exist, or it can't be checked.
        ProblemsError: the project's `pyproject.toml` has several mistakes.
        UsageError: `run` is given, and the place is another interpreter or machine.
    """
    place = place or Place()
    if run and (place.python or place.site_packages):
        raise UsageError(
            f"`--run` and `{'--python' if place.python else '--site-packages'}` are mutually "
            "exclusive: plugins are run with this interpreter",
            hint="omit `--run`, or install coral-lock there and run the check there",
        )
    samples: tuple[Sample, ...] = ()
    if config is not None:
        samples = (load_sample(config, must_exist=True),)
    name = normalized_name(target)
    with ExitStack() as stack:
        if target.endswith(".whl"):
            subject = _wheel(target, stack, run=run)
        elif os.path.isdir(target) or os.sep in target or target in (os.curdir, os.pardir):
            project = read_project(target)
            known = {os.path.realpath(path) for path in (config, left_out) if path}
            samples = (*samples, *_samples_of(project.root, known))
            subject = project_subject(project, target)
        elif not is_normalized_name(name):
            raise _unknown_target(target)
        elif place.wheels:
            subject = _wheel(_newest_wheel(target, place.wheels), stack, run=run)
        else:
            subject = _distribution(INSTALLED, target, name, environment_at(place))
        yield replace(subject, samples=samples)


def _unknown_target(target: str) -> InputError:
    return InputError(
        f"`{target}` not found",
        expected="a project's directory, a wheel file, or the name of an available distribution",
        found=f"`{target}`",
        hint="install it, or pass the path of a project or a wheel",
    )


def _newest_wheel(target: str, directories: tuple[str, ...]) -> str:
    """Return the file of a distribution's newest wheel, if possible one for this interpreter."""
    wheelhouse = Wheelhouse(directories)
    name = normalized_name(target)
    versions = wheelhouse.versions(name)
    if not versions:
        raise _unknown_target(target)
    newest = max(versions)
    fitting = WheelhouseView(wheelhouse, this_environment()).wheel(name, str(newest))
    return (fitting or versions[newest][0]).path


def _wheel(path: str, stack: ExitStack, *, run: bool) -> Subject:
    """Return a wheel; where its metadata isn't sound, it has that problem and nothing else."""
    if not os.path.isfile(path):
        raise InputError("wheel not found", where=path, hint="pass the path of a wheel file")
    if not zipfile.is_zipfile(path):
        raise InputError("the wheel isn't a ZIP file", where=path)
    try:
        wheel = parse_wheel_name(path)
    except BrokenDistributionError as error:
        name = normalized_name(os.path.basename(path).partition("-")[0])
        return Subject(kind=WHEEL, target=path, name=name, problems=(error,))
    wheelhouse = Wheelhouse((os.path.dirname(path) or os.curdir,))
    inventory = WheelhouseInventory(wheelhouse, this_environment(), {wheel.name: wheel})
    subject = _distribution(WHEEL, path, wheel.name, inventory)
    if run and subject.entry_points:
        subject = replace(subject, import_path=(_unpacked(path, stack),))
    return subject


def _unpacked(path: str, stack: ExitStack) -> str:
    """Return a temporary directory with the files that a wheel installs under the site root."""
    archive = stack.enter_context(WheelArchive(path))
    size = sum(member.size for member in archive.members)
    if size > MAX_UNPACKED_BYTES:
        raise InputError(
            f"the wheel is too large to be run: it has more than {MAX_UNPACKED_BYTES} bytes",
            found=f"{size} bytes",
            where=path,
        )
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="coral-check-"))
    for member in archive.members:
        if member.site_path is not None:
            place = os.path.join(directory, *member.site_path.split("/"))
            os.makedirs(os.path.dirname(place), exist_ok=True)
            # A damaged file is a problem of the wheel already.
            with open(place, "xb") as file, suppress(BrokenDistributionError):
                file.writelines(archive.stream(member))
    return directory


def _distribution(kind: str, target: str, name: str, inventory: Inventory) -> Subject:
    """Return a distribution of an inventory; a wheel may have its problem and nothing else.

    Raises:
        InputError: there is none, it has no plugin, or it can't be used.
    """
    found = inventory.find(name)
    if found is None:
        raise _unknown_target(target)
    if isinstance(found, BrokenDistribution):
        error = found.error
        if kind == WHEEL and error.code != "plugin-broken":
            return Subject(kind=kind, target=target, name=name, problems=(error,))
        raise InputError(error.message, where=error.where, hint=error.hint)
    stated = inventory.stated(name)
    problems: tuple[BrokenDistributionError, ...] = ()
    if not found.editable:
        ((_, digest),) = inventory.digests((name,), Reporter())
        problems = (digest,) if isinstance(digest, BrokenDistributionError) else ()
    return Subject(
        kind=kind,
        target=target,
        name=name,
        version=found.version,
        entry_points=_declared(found, inventory, target),
        read_source=lambda path: inventory.read_source(name, path),
        files=tuple(sorted(stated.files)),
        outside=(*stated.outside, *(SCRIPTS + command for command in stated.commands)),
        problems=problems,
    )


def _declared(
    distribution: Distribution, inventory: Inventory, target: str
) -> tuple[DeclaredEntryPoint, ...]:
    """Return the plugin entry points of a distribution, each with its line.

    Raises:
        InputError: there is none, or a group only looks like one of the host's.
    """
    files = inventory.stated(distribution.name).files
    shown = next((path for path in files if path.endswith(f".dist-info/{_ENTRY_POINTS}")), "")
    text = (inventory.read_source(distribution.name, shown) or b"").decode("utf-8", "replace")
    shown = shown or _ENTRY_POINTS
    for group in unknown_groups(text):
        raise unknown_group(group, shown)
    if not distribution.entry_points:
        groups = ", ".join(f"`{group}`" for group in ENTRY_POINT_GROUPS.values())
        raise NoPluginError(
            f"`{target}` declares no plugin",
            expected=f"an entry point in one of the groups {groups}",
            where=shown,
        )
    declared = []
    for entry_point in distribution.entry_points:
        start = text.find(f"[{ENTRY_POINT_GROUPS[entry_point.group]}]")
        line = text.find(f"\n{entry_point.name}", start) + 1
        where = str(place_of(text, line, shown))
        declared.append(DeclaredEntryPoint(entry_point=entry_point, where=where))
    return tuple(declared)


def load_sample(path: str, *, must_exist: bool = False) -> Sample:
    """Return a sample configuration, with what is wrong with it.

    Raises:
        InputError: `must_exist` is given, and there is no such file.
    """
    if must_exist and not os.path.isfile(path):
        load_descriptor(path)
    try:
        return Sample(path=path, descriptor=load_descriptor(path))
    except (InputError, ProblemsError) as error:
        return Sample(path=path, problems=getattr(error, "problems", (error,)))


def project_subject(project: Project, target: str = os.curdir) -> Subject:
    """Return a project, without its sample configurations."""

    def shown(site_path: str) -> str:
        path = project.file(site_path)
        return site_path if path is None else display_path(path)

    return Subject(
        kind=PROJECT,
        target=target,
        name=project.name,
        version=project.version,
        entry_points=project.entry_points,
        read_source=project.read_source,
        shown=shown,
        import_path=project.import_path(),
    )


def _samples_of(root: str, known: Collection[str]) -> Iterator[Sample]:
    """Yield the sample configurations in a project's directory that aren't known yet."""
    for path in sorted(glob(os.path.join(escape(root), "runtime*"))):
        is_sample = path.endswith(_SAMPLE_SUFFIXES) and os.path.isfile(path)
        if is_sample and os.path.realpath(path) not in known:
            yield load_sample(display_path(path))
