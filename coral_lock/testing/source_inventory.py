"""An inventory of one entry point whose distribution need not be installed."""

from __future__ import annotations

import os

from coral_lock.installed.module_lookup import module_origin
from coral_lock.inventory import Distribution, Outside
from coral_lock.safe_read import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from coral_lock.errors import BrokenDistributionError
    from coral_lock.inventory import EntryPoint, FoundDistribution, Inventory
    from coral_lock.reporter import Reporter

UNDER_TEST = "under-test"
"""How the distribution is called, of which nothing is known."""

_MAX_SOURCE_BYTES = 1 << 20


class SourceInventory:
    """An `inventory.Inventory` of one entry point, and of the hosts of an environment.

    Args:
        entry_point: what a distribution would declare.
        environment: where everything else is.
    """

    def __init__(self, entry_point: EntryPoint, environment: Inventory) -> None:
        self._environment = environment
        module = entry_point.value.partition(":")[0]
        origin = module_origin(module)
        self._root = _root_of(module, origin)
        self._top = module.partition(".")[0]
        self._distribution = Distribution(
            name=UNDER_TEST,
            version="0",
            requires=(),
            entry_points=(entry_point,),
            location=origin or entry_point.value,
            editable=True,
        )

    def plugin_distributions(self) -> tuple[FoundDistribution, ...]:
        return (self._distribution,)

    def find(self, name: str) -> FoundDistribution | None:
        return self._distribution if name == UNDER_TEST else self._environment.find(name)

    def read_source(self, name: str, path: str) -> bytes | None:
        """Return a file of the entry point's top-level package."""
        if name != UNDER_TEST:
            return self._environment.read_source(name, path)
        if self._root is None or path.partition("/")[0].removesuffix(".py") != self._top:
            return None
        try:
            return read_regular_file(os.path.join(self._root, path), _MAX_SOURCE_BYTES)
        except OSError:
            return None

    def digests(
        self, names: Sequence[str], reporter: Reporter
    ) -> Iterator[tuple[str, Mapping[str, str] | BrokenDistributionError]]:
        """Yield the digests of an environment's distributions; what is under test has none."""
        for name in names:
            if name == UNDER_TEST:
                yield name, {}
            else:
                yield from self._environment.digests((name,), reporter)

    def stated_files(self, name: str) -> Mapping[str, str]:
        return {} if name == UNDER_TEST else self._environment.stated_files(name)

    def outside(self, name: str) -> Outside:
        if name == UNDER_TEST:
            return Outside(stated={}, commands=())
        return self._environment.outside(name)

    def outside_hashes(self, name: str) -> Mapping[str, str] | None:
        return {} if name == UNDER_TEST else self._environment.outside_hashes(name)

    def python_version(self) -> str:
        return self._environment.python_version()

    def marker_environment(self) -> Mapping[str, str]:
        return self._environment.marker_environment()


def _root_of(module: str, origin: str | None) -> str | None:
    """Return the directory from which the file of a module is imported."""
    stem = module.replace(".", os.sep)
    for path in (os.path.join(stem, "__init__.py"), f"{stem}.py"):
        suffix = f"{os.sep}{path}"
        if origin is not None and origin.endswith(suffix):
            return origin.removesuffix(suffix) or os.sep
    return None
