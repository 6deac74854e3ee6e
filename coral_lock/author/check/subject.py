"""What is checked, as plain data, and the environment or wheelhouse around it."""

from __future__ import annotations

from coral_lock.errors import UsageError
from coral_lock.installed.environment import EnvironmentInventory
from coral_lock.inventory import Distribution
from coral_lock.names import plugin_id
from coral_lock.plugin.facts import PluginFacts
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from coral_lock.author.check.definitions import Resolution
    from coral_lock.derive.place import Place
    from coral_lock.descriptor.model import Descriptor
    from coral_lock.errors import CoralLockError, InputError
    from coral_lock.inventory import EntryPoint, FoundDistribution
    from coral_lock.wheels.wheel_name import HouseWheel
    from coral_lock.wheels.wheelhouse import Wheelhouse


PROJECT = "project"
WHEEL = "wheel"
INSTALLED = "installed"

BACKEND = "BackendAdapter"
PLUGIN = "PluginSpec"


def no_obstacle(path: str) -> InputError | None:
    """Say that nothing is in the way at any path."""
    return None


class DeclaredEntryPoint(Record):
    """An entry point and where it is declared, `pyproject.toml:12:21`."""

    entry_point: EntryPoint
    where: str

    @property
    def id(self) -> str:
        """What stands for a plugin id as long as the plugin's own name isn't known."""
        return plugin_id(self.entry_point.group, self.entry_point.name)

    @property
    def module(self) -> str:
        return self.entry_point.value.partition(":")[0]


class Sample(Record):
    """A sample configuration: the descriptor that it gives, or what is wrong with it."""

    path: str
    descriptor: Descriptor | None = None
    problems: tuple[CoralLockError, ...] = ()


class Layout(Record):
    """Which files a distribution puts where.

    Args:
        files: the paths under the site root, with slashes.
        outside: what goes elsewhere, as `installed.outside` has it, with the scripts that
            installers generate.
    """

    files: tuple[str, ...]
    outside: tuple[str, ...] = ()


class Archive(Record):
    """A wheel as an archive (binary distribution format specification).

    Args:
        file_name: the wheel's own name.
        dist_info: the name of its dist-info directory; empty where there is none.
        name: the name that METADATA states, or an empty string.
        version: the version that METADATA states, or an empty string.
        wheel: the fields of its WHEEL file in lower case, each with all its values.
        contents: the SHA-256 of each member in hexadecimal, by the member's name.
        record: what RECORD states, by path; None where there is no RECORD.
        problems: what makes it no sound archive, each with the member that it is about.
    """

    file_name: str
    dist_info: str
    name: str
    version: str
    wheel: Mapping[str, tuple[str, ...]]
    contents: Mapping[str, str]
    record: Mapping[str, str] | None
    problems: tuple[tuple[str, str], ...] = ()


class Subject(Record):
    """What the checks look at.

    Args:
        kind: `project`, `wheel` or `installed`.
        target: how the user called it.
        name: the distribution's normalized name.
        version: its version; None where a build finds it out.
        entry_points: those of the plugin groups.
        read_source: takes a path under the site root and returns the content of that file
            of the distribution, or None.
        shown: takes a path under the site root and returns how messages call the file.
        obstacle: takes such a path, too, and returns why what lies there can't be read; None
            where nothing does.
        others: returns the ids of the plugins that other distributions are known to offer.
        samples: the sample configurations, the one to try first in front.
        import_path: what comes before `sys.path` where plugins are run.
        layout: the files, where they are known before a build.
        archive: the wheel, where it is one.
        record_problems: why an installed distribution's RECORD isn't true.
    """

    kind: str
    target: str
    name: str
    version: str | None
    entry_points: tuple[DeclaredEntryPoint, ...]
    read_source: Callable[[str], bytes | None]
    shown: Callable[[str], str] = str
    obstacle: Callable[[str], InputError | None] = no_obstacle
    others: Callable[[], frozenset[str]] = frozenset
    samples: tuple[Sample, ...] = ()
    import_path: tuple[str, ...] = ()
    layout: Layout | None = None
    archive: Archive | None = None
    record_problems: tuple[CoralLockError, ...] = ()


class LearntEntryPoint(Record):
    """What the source says of an entry point, without running it.

    Args:
        declared: the entry point.
        resolution: whether its module and attribute are there, and where.
        facts: the specs that it yields; none where they aren't certain.
        kinds: which of `PluginSpec` and `BackendAdapter` it yields; nothing if that is open.
        fault: why its specs are certain and wrong, or None.
        refusal: why its specs aren't certain, or None.
        refusal_where: the place of that reason.
    """

    declared: DeclaredEntryPoint
    resolution: Resolution
    facts: tuple[PluginFacts, ...] = ()
    kinds: frozenset[str] = frozenset()
    fault: str | None = None
    refusal: str | None = None
    refusal_where: str | None = None

    def id_of(self, facts: PluginFacts) -> str:
        """Return the id of one of its plugins."""
        return plugin_id(self.declared.entry_point.group, facts.name)


class Surroundings:
    """Where distributions are found by their names, and which plugins they offer.

    Args:
        place: what the user named; nothing stands for this environment.

    Raises:
        InputError: the place can't be opened.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.inventory = None if place.wheels else _inventory(place)
        self._wheelhouse = _wheelhouse(place) if place.wheels else None

    def plugins(self) -> frozenset[str]:
        """Return the ids of what is there, as far as entry points are named like their plugins."""
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
        """Refuse to run plugins where they aren't this interpreter's.

        Raises:
            UsageError: they are another machine's or another interpreter's.
        """
        for option, named in (
            ("--python", self._place.python),
            ("--site-packages", self._place.site_packages),
        ):
            if named:
                raise UsageError(
                    f"`--run` and `{option}` can't go together: plugins run in this interpreter",
                    hint="leave `--run` out, or install coral-lock there and check from there",
                )

    def _distributions(self) -> Iterator[FoundDistribution]:
        if self.inventory is not None:
            yield from self.inventory.plugin_distributions()
        elif self._wheelhouse is not None:
            for name in self._wheelhouse.names():
                wheel = _newest(self._wheelhouse, name)
                if wheel is not None:
                    yield self._wheelhouse.distribution(wheel)


def _inventory(place: Place) -> EnvironmentInventory:
    if place.python is not None:
        from coral_lock.probe.interpreter import ask_interpreter

        interpreter = ask_interpreter(place.python)
        return EnvironmentInventory(interpreter.path, interpreter.environment)
    if place.site_packages:
        from coral_lock.installed.site_directories import checked_directories
        from coral_lock.targets.environment import this_environment

        path = checked_directories(place.site_packages)
        return EnvironmentInventory(path, this_environment(), is_image=True)
    return EnvironmentInventory()


def _wheelhouse(place: Place) -> Wheelhouse:
    from coral_lock.wheels.wheelhouse import Wheelhouse

    return Wheelhouse(place.wheels)


def _newest(wheelhouse: Wheelhouse, name: str) -> HouseWheel | None:
    from coral_lock.targets.environment import this_environment
    from coral_lock.wheels.inventory import WheelhouseView

    versions = wheelhouse.versions(name)
    if not versions:
        return None
    newest = max(versions)
    fitting = WheelhouseView(wheelhouse, this_environment()).wheel(name, str(newest))
    return fitting or versions[newest][0]
