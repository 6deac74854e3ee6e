"""What is checked, as plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coral_lock.author.check.definitions import Definition, UnresolvedError
from coral_lock.author.project import DeclaredEntryPoint
from coral_lock.descriptor.model import Descriptor
from coral_lock.errors import BrokenDistributionError, CoralLockError, InputError
from coral_lock.finding import Finding
from coral_lock.names import plugin_id
from coral_lock.plugin.facts import PluginFacts

PROJECT = "project"
WHEEL = "wheel"
INSTALLED = "installed"

BACKEND = "BackendAdapter"
PLUGIN = "PluginSpec"


def finding(
    code: str,
    subject: str,
    summary: str,
    where: str | None,
    hint: str | None,
    *,
    expected: str | None = None,
    found: str | None = None,
    severity: str = "",
) -> Finding:
    """Return a finding with its usual details; its severity is that of its code by default."""
    return Finding(
        code=code,
        severity=severity,
        subject=subject,
        summary=summary,
        expected=expected,
        found=found,
        where=where,
        hint=hint,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A sample configuration: the descriptor that it gives, or what is wrong with it."""

    path: str
    descriptor: Descriptor | None = None
    problems: tuple[CoralLockError, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Which files a distribution installs where.

    Args:
        files: the paths under the site root, with slashes.
        outside: those elsewhere, as `installed.outside` has them, with the scripts that
            installers generate.
    """

    files: tuple[str, ...]
    outside: tuple[str, ...] = ()


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
            of the distribution, or None.
        shown: takes a path under the site root and returns the file's path for messages.
        obstacle: takes such a path, too, and returns why the file there can't be read; None
            where there is none.
        others: returns the ids of the plugins that other distributions are known to offer.
        samples: the sample configurations, the preferred one first.
        import_path: the entries before `sys.path` where plugins are run.
        layout: the files, where they are known before a build.
        problems: why a lock would refuse the wheel or the installed distribution.
    """

    kind: str
    target: str
    name: str
    version: str | None
    entry_points: tuple[DeclaredEntryPoint, ...]
    read_source: Callable[[str], bytes | None]
    shown: Callable[[str], str] = str
    obstacle: Callable[[str], InputError | None] = lambda _: None
    others: Callable[[], frozenset[str]] = frozenset
    samples: tuple[Sample, ...] = ()
    import_path: tuple[str, ...] = ()
    layout: Layout | None = None
    problems: tuple[BrokenDistributionError, ...] = ()

    def place(self, path: str, line: int, column: int = 1) -> str:
        """Return a place in a file of the distribution for messages; empty without a line."""
        return f"{self.shown(path)}:{line}:{column}" if path and line else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LearntEntryPoint:
    """What the source says of an entry point, without running it.

    Args:
        declared: the entry point.
        where: the place of what it names, or else of its declaration.
        definition: what it names; None where only running it could tell.
        unresolved: why what it names isn't there, or None.
        facts: the specs that it yields; none where they aren't certain.
        kinds: which of `PluginSpec` and `BackendAdapter` it yields; nothing if that is unknown.
        fault: why its specs are certain and wrong, or None.
        refusal: why its specs aren't certain, or None.
        refusal_where: the place of that reason.
    """

    declared: DeclaredEntryPoint
    where: str
    definition: Definition | None = None
    unresolved: UnresolvedError | None = None
    facts: tuple[PluginFacts, ...] = ()
    kinds: frozenset[str] = frozenset()
    fault: str | None = None
    refusal: str | None = None
    refusal_where: str | None = None

    def id_of(self, facts: PluginFacts) -> str:
        """Return the id of one of its plugins."""
        return plugin_id(self.declared.entry_point.group, facts.name)
