"""An inventory of distributions that are nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from coral_lock.errors import BrokenDistributionError
from coral_lock.inventory import Distribution, Reporter, StatedFiles


def shelved(name: str, version: str = "1.0", requires: tuple[str, ...] = ()) -> Distribution:
    """Return a distribution whose entry points don't matter."""
    location = f"wheels/{name}-{version}.whl"
    return Distribution(
        name=name, version=version, requires=requires, entry_points=(), location=location
    )


class Shelf:
    """An inventory of distributions of which only metadata matters."""

    def __init__(self, *distributions: Distribution) -> None:
        self._distributions = {each.name: each for each in distributions}

    def plugin_distributions(self) -> tuple[Distribution, ...]:
        return ()

    def find(self, name: str) -> Distribution | None:
        return self._distributions.get(name)

    def read_source(self, name: str, path: str) -> bytes | None:
        return None

    def digests(
        self, names: Sequence[str], reporter: Reporter
    ) -> Iterator[tuple[str, Mapping[str, str] | BrokenDistributionError]]:
        return iter(())

    def stated(self, name: str) -> StatedFiles:
        return StatedFiles()

    def outside_hashes(self, name: str) -> Mapping[str, str]:
        return {}

    def python_version(self) -> str:
        return "3.10"

    def marker_environment(self) -> Mapping[str, str]:
        return {"python_version": self.python_version()}
