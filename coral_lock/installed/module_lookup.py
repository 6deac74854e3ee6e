"""Which file an import would load, found without importing anything."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.machinery import ModuleSpec


def module_origin(name: str, known: dict[str, ModuleSpec | None] | None = None) -> str | None:
    """Return the file that `import name` would load in this process, or None.

    The finders on `sys.meta_path` are asked in their order, as the import system does
    (PEP 451), parents first and without running them. What is imported already counts
    as it was loaded. A namespace package has no file.

    Args:
        name: the module.
        known: what earlier calls have found, which this one uses and adds to; for calls
            between which nothing is imported.
    """
    known = {} if known is None else known
    search: Iterable[str] | None = None
    parts = name.split(".")
    for index in range(1, len(parts) + 1):
        partial = ".".join(parts[:index])
        if partial not in known:
            known[partial] = _find(partial, search)
        spec = known[partial]
        if spec is None:
            return None
        search = spec.submodule_search_locations
        if search is None and index < len(parts):
            return None
    return spec.origin if spec and spec.has_location else None


def _find(name: str, search: Iterable[str] | None) -> ModuleSpec | None:
    loaded = sys.modules.get(name)
    if loaded is not None:
        return loaded.__spec__
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        spec: ModuleSpec | None = find_spec(name, search) if find_spec else None
        if spec is not None:
            return spec
    return None


def candidate_files(module: str) -> tuple[str, str]:
    """Return the paths, relative to a site root, at which a module's source can lie."""
    path = module.replace(".", "/")
    return f"{path}/__init__.py", f"{path}.py"


def is_source_of(module: str, path: str) -> bool:
    """Whether the file at `path`, relative to a site root, can hold that module."""
    stem = module.replace(".", "/")
    if not path.startswith(stem):
        return False
    rest = path[len(stem) :]
    rest = rest.removeprefix("/__init__")
    return rest.startswith(".") and rest.endswith((".py", ".so", ".pyd")) and "/" not in rest
