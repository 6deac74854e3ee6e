"""Doing something before and after a module is imported, whoever imports it (PEP 451)."""

from __future__ import annotations

import sys

from coral_lock.names import HOST_MODULE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Protocol

    from coral_lock.host.entry_points import ServedEntryPoint
    from coral_lock.lockfile.entries import LockedPlugin

    class Host(Protocol):
        """What the hooks need of a gate."""

        entry_points: tuple[ServedEntryPoint, ...]

        def execute_host(self, module: ModuleType, execute: Callable[[], None]) -> None: ...


_METADATA_MODULES = ("importlib.metadata", "importlib_metadata", "pkg_resources")
"""The modules through which programs ask for entry points."""


class ImportHooks:
    """A finder that comes first, asks the others, and wraps the loader that they return.

    Args:
        wrap: by module name, what executes the module: it gets the module and a function
            that executes it, to be called once.
        before: by module name, what is called when that module is looked for. If it imports
            that very module, the import yields that one.
    """

    is_coral_lock = True

    def __init__(
        self,
        wrap: dict[str, Callable[[ModuleType, Callable[[], None]], None]],
        before: dict[str, Callable[[], None]],
    ) -> None:
        self._wrap = wrap
        self._before = before

    def install(self) -> None:
        """Become the first finder, in place of earlier hooks."""
        others = [finder for finder in sys.meta_path if not isinstance(finder, ImportHooks)]
        sys.meta_path[:] = [self, *others]

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in self._before:
            self._before.pop(name)()
            if name in sys.modules:
                return _spec_of_imported(name)
        if name not in self._wrap:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Wrapped(spec.loader, self._wrap[name])  # type: ignore[assignment]
                return spec
        return None


def plugin_modules(plugins: Iterable[LockedPlugin]) -> tuple[str, ...]:
    """Return the modules of the plugins' entry points, sorted."""
    return tuple(sorted({plugin.entry_point.partition(":")[0] for plugin in plugins}))


def install_hooks(
    gate: Callable[[], Host],
    modules: Iterable[str],
    has_host: bool,
    activate: Callable[[], None] | None = None,
) -> None:
    """Take entry points and the host from a gate from now on.

    Args:
        gate: returns the gate; called when it is first needed.
        modules: those of the locked entry points. The host is imported before them: they
            import it and it imports them, and it would find nothing in a module that is only
            half imported.
        has_host: whether there is a host to start.
        activate: without a host, is called before the first import of a plugin's module or of
            the host's stand-in; None if the plugins are already active.
    """

    def serve(module: ModuleType) -> None:
        from coral_lock.host.entry_points import serve_entry_points

        serve_entry_points(module, lambda: gate().entry_points)

    def execute_and_serve(module: ModuleType, execute: Callable[[], None]) -> None:
        execute()
        serve(module)

    def import_host() -> None:
        if HOST_MODULE not in sys.modules:
            __import__(HOST_MODULE)

    wrapped: dict[str, Callable[[ModuleType, Callable[[], None]], None]] = {}
    for name in _METADATA_MODULES:
        if name in sys.modules:
            serve(sys.modules[name])
        else:
            wrapped[name] = execute_and_serve
    before: dict[str, Callable[[], None]] = {}
    if has_host:
        wrapped[HOST_MODULE] = lambda module, execute: gate().execute_host(module, execute)
        before = {name: import_host for name in modules if name.partition(".")[0] != HOST_MODULE}
    elif activate is not None:
        before = dict.fromkeys((HOST_MODULE, *modules), activate)
    ImportHooks(wrapped, before).install()


class _Wrapped:
    """Takes the place of a loader until the module is executed."""

    def __init__(
        self, loader: Loader, execute: Callable[[ModuleType, Callable[[], None]], None]
    ) -> None:
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
