"""Opening the target of a check: a project's directory, a wheel, or an installed distribution."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from glob import escape, glob

from coral_lock.author.check.definitions import source_files
from coral_lock.author.check.distribution import installed_subject, unknown_target, wheel_subject
from coral_lock.author.check.subject import PROJECT, Sample, Subject
from coral_lock.author.project import MAX_SOURCE_BYTES, Project, display_path, read_project
from coral_lock.derive.place import Place
from coral_lock.descriptor.load import load_descriptor
from coral_lock.errors import InputError, ProblemsError, UsageError
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.installed.site_scan import checked_directories
from coral_lock.inventory import BrokenDistribution, Distribution
from coral_lock.names import is_normalized_name, normalized_name, plugin_id
from coral_lock.probe.interpreter import ask_interpreter
from coral_lock.safe_files import NotRegularFileError, read_regular_file
from coral_lock.targets.environment import this_environment
from coral_lock.wheels.inventory import WheelhouseView
from coral_lock.wheels.listing import HouseWheel
from coral_lock.wheels.wheelhouse import Wheelhouse

_SAMPLE_DIRECTORIES = ("", "examples", "config")
_SAMPLE_PATTERNS = ("runtime*.yaml", "runtime*.yml", "runtime*.json")


class Environment:
    """Where distributions are found by their names, and which plugins they offer.

    Args:
        place: the Python, wheelhouse or site directories of the command line; by default this
            environment.

    Raises:
        InputError: the place can't be opened.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.inventory = None if place.wheels else _inventory(place)
        self._wheelhouse = Wheelhouse(place.wheels) if place.wheels else None

    def plugins(self) -> frozenset[str]:
        """Return the ids of all plugins, as far as entry points are named like their plugins."""
        return frozenset(
            plugin_id(entry_point.group, entry_point.name)
            for distribution in self._distributions()
            if isinstance(distribution, Distribution)
            for entry_point in distribution.entry_points
        )

    def wheel(self, name: str) -> str | None:
        """Return the file of the newest wheel of a distribution; None where there is none.

        Of several for one version it is the one that this interpreter would install, else
        the first by its file name.
        """
        wheel = None if self._wheelhouse is None else _newest(self._wheelhouse, name)
        return None if wheel is None else wheel.path

    def refuse_running(self) -> None:
        """Refuse to run plugins of another interpreter or machine.

        Raises:
            UsageError: the command line names one.
        """
        for option, named in (
            ("--python", self._place.python),
            ("--site-packages", self._place.site_packages),
        ):
            if named:
                raise UsageError(
                    f"`--run` and `{option}` are mutually exclusive: plugins are run with this "
                    "interpreter",
                    hint="omit `--run`, or install coral-lock there and run the check there",
                )

    def _distributions(self) -> Iterator[Distribution | BrokenDistribution]:
        if self.inventory is not None:
            yield from self.inventory.plugin_distributions()
        elif self._wheelhouse is not None:
            for name in self._wheelhouse.names():
                wheel = _newest(self._wheelhouse, name)
                if wheel is not None:
                    yield self._wheelhouse.distribution(wheel)


def _inventory(place: Place) -> EnvironmentInventory:
    if place.python is not None:
        interpreter = ask_interpreter(place.python)
        return EnvironmentInventory(interpreter.path, interpreter.environment)
    if place.site_packages:
        path = checked_directories(place.site_packages)
        return EnvironmentInventory(path, this_environment(), is_image=True)
    return EnvironmentInventory()


def _newest(wheelhouse: Wheelhouse, name: str) -> HouseWheel | None:
    versions = wheelhouse.versions(name)
    if not versions:
        return None
    newest = max(versions)
    fitting = WheelhouseView(wheelhouse, this_environment()).wheel(name, str(newest))
    return fitting or versions[newest][0]


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
            raise unknown_target(target)
        wheel = environment.wheel(normalized_name(target))
    with ExitStack() as stack:
        if wheel is not None:
            subject = wheel_subject(wheel, stack, run=run)
        elif is_project:
            subject = _project(target, (config, left_out))
        else:
            subject = installed_subject(target, environment.inventory)
        samples = (*samples, *subject.samples)
        yield replace(subject, samples=samples, others=environment.plugins)


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


def _project(target: str, known: Iterable[str | None]) -> Subject:
    """Return a project; its sample configurations are those that aren't known yet."""
    project = read_project(target)

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
        obstacle=lambda site_path: _obstacle(project, site_path),
        samples=tuple(
            _samples_of(project.root, {os.path.realpath(path) for path in known if path})
        ),
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
        for site_path in source_files(declared.module):
            path = project.file(site_path)
            suffix = os.sep + site_path.replace("/", os.sep)
            if path is not None and path.endswith(suffix):
                roots[path.removesuffix(suffix)] = None
    return tuple(roots)
