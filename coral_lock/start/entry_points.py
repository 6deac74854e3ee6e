"""The entry points of the runtime's three groups: those of the lock, for anyone who asks.

`importlib.metadata`, its backport `importlib_metadata` and `pkg_resources` return what is
installed. For our groups, and for no others, they return what was verified. The host, which asks
for them, is started when it is first imported.
"""

from __future__ import annotations

import sys

from coral_lock.imports.hooks import ImportHooks
from coral_lock.names import ENTRY_POINT_GROUPS, HOST_MODULE, normalized_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from coral_lock.lockfile.entries import LockedPlugin
    from coral_lock.start.gate import Gate

_GROUPS = frozenset(ENTRY_POINT_GROUPS.values())


class GateHooks(ImportHooks):
    """Takes entry points and the host from a gate once it is installed.

    Args:
        gate: returns the gate; called when it is first needed.
        modules: those of the locked entry points. The host is imported before them: they
            import it and it imports them, and it would find nothing in a module that is only
            half imported.
        has_host: whether there is a host to start.
        activate: without a host, is called before the first import of a plugin's module or of
            the host's stand-in; None if the plugins are already active.
    """

    def __init__(
        self,
        gate: Callable[[], Gate],
        modules: Iterable[str],
        has_host: bool,
        activate: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()

        def import_host() -> None:
            if HOST_MODULE not in sys.modules:
                __import__(HOST_MODULE)

        if has_host:
            self.around[HOST_MODULE] = lambda module, execute: gate().execute_host(module, execute)
            others = (name for name in modules if name.partition(".")[0] != HOST_MODULE)
            self.before = dict.fromkeys(others, import_host)
        elif activate is not None:
            self.before = dict.fromkeys((HOST_MODULE, *modules), activate)
        self._gate = gate

    def install(self) -> None:
        """Become the first finder, in place of those of an earlier gate."""
        sys.meta_path[:] = [
            self,
            *(each for each in sys.meta_path if not isinstance(each, GateHooks)),
        ]
        # What is half imported lacks what is replaced here, so it is served once it is executed.
        self.after("importlib.metadata", lambda module: _serve_metadata(module, self._gate))
        self.after("importlib_metadata", lambda module: _serve_metadata(module, self._gate))
        self.after("pkg_resources", lambda module: _serve_pkg_resources(module, self._gate))


def plugin_modules(plugins: Iterable[LockedPlugin]) -> tuple[str, ...]:
    """Return the modules of the plugins' entry points, sorted."""
    return tuple(sorted({plugin.entry_point.partition(":")[0] for plugin in plugins}))


def _serve_metadata(metadata: Any, gate: Callable[[], Gate]) -> None:
    class LockedEntryPoint(metadata.EntryPoint):  # type: ignore[misc]
        @property
        def dist(self) -> Any:
            return metadata.distribution(vars(self)["plugin"].distribution)

        def load(self) -> object:
            return gate().load(vars(self)["plugin"])

    def locked(distribution: str | None = None) -> Iterator[Any]:
        for plugin in gate().plugins:
            if distribution in (None, plugin.distribution):
                group = ENTRY_POINT_GROUPS[plugin.group]
                made = LockedEntryPoint(name=plugin.name, value=plugin.entry_point, group=group)
                made.__dict__["plugin"] = plugin
                yield made

    all_of: Any = metadata.entry_points
    own_of = metadata.Distribution.entry_points.fget

    def entry_points(**params: Any) -> Any:
        answer = all_of(**params)
        kind: Any = type(answer)
        if not isinstance(answer, dict):
            return kind([*_foreign(answer), *locked()]).select(**params)
        # Without arguments, Python 3.10 and 3.11 answer with a dict by group, whose own
        # methods warn.
        found = [each for group in dict.values(answer) for each in group]
        return kind.load([*_foreign(found), *locked()])

    def entry_points_of(self: Any) -> Any:
        answer = own_of(self)
        foreign = _foreign(answer)
        if len(foreign) == len(answer):
            return answer
        return type(answer)([*foreign, *locked(normalized_name(self.metadata["Name"]))])

    entry_points.__doc__ = all_of.__doc__
    metadata.entry_points = entry_points
    metadata.Distribution.entry_points = property(entry_points_of, doc=own_of.__doc__)


def _serve_pkg_resources(resources: Any, gate: Callable[[], Gate]) -> None:
    class LockedEntryPoint(resources.EntryPoint):  # type: ignore[misc]
        def load(self, *_: object, **__: object) -> object:
            return self.resolve()

        def resolve(self) -> object:
            return gate().load(self.plugin)

    map_of = resources.Distribution.get_entry_map
    all_of = resources.WorkingSet.iter_entry_points

    def get_entry_map(self: Any, group: str | None = None) -> Any:
        entries = {name: each for name, each in map_of(self).items() if name not in _GROUPS}
        for plugin in gate().plugins:
            if plugin.distribution == normalized_name(self.project_name):
                module, _, attributes = plugin.entry_point.partition(":")
                made = LockedEntryPoint(plugin.name, module, attributes.split("."), dist=self)
                made.plugin = plugin
                entries.setdefault(ENTRY_POINT_GROUPS[plugin.group], {})[plugin.name] = made
        return entries if group is None else entries.get(group, {})

    def iter_entry_points(self: Any, group: str, name: str | None = None) -> Iterator[Any]:
        found = all_of(self, group, name)
        if group in _GROUPS:
            return iter(sorted(found, key=lambda each: gate().plugins.index(each.plugin)))
        return found  # type: ignore[no-any-return]

    resources.Distribution.get_entry_map = get_entry_map
    resources.WorkingSet.iter_entry_points = iter_entry_points
    resources.iter_entry_points = resources.working_set.iter_entry_points


def _foreign(entry_points: Iterable[Any]) -> list[Any]:
    return [each for each in entry_points if each.group not in _GROUPS]
