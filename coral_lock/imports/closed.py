"""Makes distributions that nobody locked invisible: to imports and to who asks for metadata."""

from __future__ import annotations

import os
import sys

from coral_lock.names import normalized_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType
    from typing import Any

    from coral_lock.imports.finder import LockedImports

_OWN_NAME = "coral-lock"


def hide_unlocked(imports: LockedImports) -> None:
    """Let nobody find a distribution that isn't locked from now on.

    Finders and path hooks that such a distribution has installed, as editable installs do,
    are taken away.
    """
    sys.meta_path[:] = [each for each in sys.meta_path if not _is_foreign(each, imports)]
    sys.path_hooks[:] = [each for each in sys.path_hooks if not _is_foreign(each, imports)]
    sys.path_importer_cache.clear()

    def is_locked(directory_name: str) -> bool:
        name = normalized_name(directory_name.rpartition(".")[0].partition("-")[0])
        return name == _OWN_NAME or name in imports.index.distributions

    def hide_from_metadata(module: ModuleType) -> None:
        finder = module.MetadataPathFinder
        find = finder.find_distributions

        def find_distributions(*arguments: Any, **options: Any) -> Iterator[Any]:
            return (each for each in find(*arguments, **options) if is_locked(each._path.name))

        finder.find_distributions = staticmethod(find_distributions)

    def hide_from_working_set(module: ModuleType) -> None:
        locked = (*imports.index.distributions, _OWN_NAME)
        working_set = module.working_set
        for key in [key for key in working_set.by_key if normalized_name(key) not in locked]:
            del working_set.by_key[key]
            for keys in working_set.entry_keys.values():
                if key in keys:
                    keys.remove(key)

        def find_on_path(*arguments: Any, **options: Any) -> Iterable[Any]:
            return (
                each
                for each in module.find_on_path(*arguments, **options)
                if normalized_name(each.key) in locked
            )

        from coral_lock.imports.finder import LockedDirectory

        module.register_finder(LockedDirectory, find_on_path)

    imports.after_import("importlib.metadata", hide_from_metadata)
    imports.after_import("importlib_metadata", hide_from_metadata)
    imports.after_import("pkg_resources", hide_from_working_set)


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
