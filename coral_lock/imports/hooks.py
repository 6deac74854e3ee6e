"""Hooks before, around and after the import of a module (PEP 451), and on audit events (PEP 578).

With them, `--closed` hides the metadata of distributions that aren't locked.
"""

from __future__ import annotations

import os
import sys

from coral_lock.names import normalized_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    from coral_lock.imports.finder import LockedImports

    Execute = Callable[[ModuleType, Callable[[], None]], None]
    Watcher = Callable[[str, tuple[Any, ...]], None]

_WATCHERS: dict[str, tuple[Watcher, ...]] = {}
_audit_hooks: list[object] = []


def watch(watcher: Watcher, *events: str) -> None:
    """Call `watcher` with the name and the arguments of each audit event that has such a name.

    What it raises, the operation raises. Every call of `id` is an event as well, so there is one
    hook for all watchers, which does little else.
    """
    for event in events:
        _WATCHERS[event] = (*_WATCHERS.get(event, ()), watcher)
    if not _audit_hooks:
        _audit_hooks.append(_audit)
        sys.addaudithook(_audit)


def unwatch(watcher: Watcher) -> None:
    """Call `watcher` no more."""
    for event, watchers in _WATCHERS.items():
        _WATCHERS[event] = tuple(each for each in watchers if each != watcher)


def _audit(
    event: str,
    arguments: tuple[Any, ...],
    # A module's names are gone when the interpreter ends.
    watchers: dict[str, tuple[Watcher, ...]] = _WATCHERS,
) -> None:
    if event in watchers:
        for watcher in watchers[event]:
            watcher(event, arguments)


class ImportHooks:
    """A finder that asks those after it, and wraps the loader that they return.

    `before` has by module name what is called when that module is first looked for; if that
    imports the very module, the import yields that one. `around` has by module name what
    executes the module: it gets the module and a function that executes it, to be called once.
    """

    is_coral_lock = True

    def __init__(self) -> None:
        self.before: dict[str, Callable[[], None]] = {}
        self.around: dict[str, Execute] = {}

    def after(self, name: str, patch: Callable[[ModuleType], None]) -> None:
        """Call `patch` with a module whenever it has been executed, and now if it was."""

        def execute_and_patch(module: ModuleType, execute: Callable[[], None]) -> None:
            execute()
            patch(module)

        self.around[name] = execute_and_patch
        module = sys.modules.get(name)
        if module is not None and not getattr(module.__spec__, "_initializing", False):
            patch(module)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in self.before:
            self.before.pop(name)()
            if name in sys.modules:
                return _spec_of_imported(name)
        if name not in self.around:
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec = finder.find_spec(name, path, target) if hasattr(finder, "find_spec") else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Wrapped(spec.loader, self.around[name])  # type: ignore[assignment]
                return spec
        return None


class _Wrapped:
    """Takes the place of a loader until the module is executed."""

    def __init__(self, loader: Loader, execute: Execute) -> None:
        self._loader = loader
        self._execute = execute

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        loader = self._loader
        module.__loader__ = loader
        if module.__spec__ is not None:
            module.__spec__.loader = loader
        self._execute(module, lambda: loader.exec_module(module))


def _spec_of_imported(name: str) -> ModuleSpec:
    """Return a spec by which importing `name` yields the module that is already imported.

    The import system prefers the spec of a module that was imported meanwhile, and would
    execute it again.
    """
    module = sys.modules[name]
    spec = type(sys.__spec__)(name, _Imported(module.__spec__))  # type: ignore[arg-type]
    module.__spec__ = spec
    return spec


class _Imported:
    """The loader of a module that is already imported, which it leaves as it is."""

    def __init__(self, spec: ModuleSpec | None) -> None:
        self._spec = spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


def closed_entries(library: Sequence[str]) -> frozenset[str]:
    """Return the directories of the path in which distributions are installed.

    Those are what `site` added behind the standard library, and any that holds metadata.
    The others are the program's own.
    """
    is_behind, entries = False, []
    for entry in sys.path:
        try:
            names = os.listdir(entry or os.curdir)
        except OSError:
            names = []
        holds_metadata = any(name.endswith((".dist-info", ".egg-info")) for name in names)
        if entry in library:
            is_behind = True
        elif is_behind or holds_metadata:
            entries.append(entry)
    return frozenset(entries)


def hide_unlocked(imports: LockedImports) -> None:
    """Hide the distributions that aren't locked from now on.

    Finders and path hooks that such a distribution has installed, as editable installs do,
    are removed.
    """
    from coral_lock.imports.finder import LockedDirectory

    sys.meta_path[:] = [each for each in sys.meta_path if not _is_foreign(each, imports)]
    sys.path_hooks[:] = [each for each in sys.path_hooks if not _is_foreign(each, imports)]
    sys.path_importer_cache.clear()

    locked = {*imports.index.distributions, "coral-lock"}

    def hide_from_metadata(module: ModuleType) -> None:
        finder = module.MetadataPathFinder
        find = finder.find_distributions

        def find_distributions(*arguments: Any, **options: Any) -> Iterator[Any]:
            for found in find(*arguments, **options):
                name = found._path.name.rpartition(".")[0].partition("-")[0]
                if normalized_name(name) in locked:
                    yield found

        finder.find_distributions = staticmethod(find_distributions)

    def hide_from_working_set(module: ModuleType) -> None:
        working_set = module.working_set
        for key in [key for key in working_set.by_key if normalized_name(key) not in locked]:
            del working_set.by_key[key]
            for keys in working_set.entry_keys.values():
                if key in keys:
                    keys.remove(key)

        def find_on_path(*arguments: Any, **options: Any) -> Iterator[Any]:
            found = module.find_on_path(*arguments, **options)
            return (each for each in found if normalized_name(each.key) in locked)

        module.register_finder(LockedDirectory, find_on_path)

    imports.hooks.after("importlib.metadata", hide_from_metadata)
    imports.hooks.after("importlib_metadata", hide_from_metadata)
    imports.hooks.after("pkg_resources", hide_from_working_set)


def _is_foreign(hook: object, imports: LockedImports) -> bool:
    """Whether a finder or a path hook comes from a file that only an unlocked distribution has."""
    owner = getattr(hook, "__module__", None) or type(hook).__module__
    location = getattr(sys.modules.get(owner), "__file__", None)
    if location is None or owner.partition(".")[0] == __name__.partition(".")[0]:
        return False
    listed = imports.listed_file(location)
    if listed is not None:
        return listed[1] not in listed[0].hashes
    return imports.is_closed(os.path.dirname(location))
