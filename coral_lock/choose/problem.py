"""The problem to solve: what is wanted at the root, and what each version demands."""

from __future__ import annotations

from coral_lock.choose.demand import Demand
from coral_lock.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import TypeAlias

    from coral_lock.choose.demand import Incoming, Node
    from coral_lock.choose.releases import Releases

    DemandsOf: TypeAlias = Callable[[str, str, str, str], tuple[Demand, ...]]


class Problem(Record):
    """What a choice of versions has to meet.

    Args:
        releases: the versions to choose from.
        roots: the demands that hold whatever is chosen.
        demands_of: what a version demands; it is called with the name, the version, the
            extra (or an empty string) and the target.
        passed_over: names and texts of demands that don't count, to see what would be.
        admitted: distributions of which pre-releases and yanked versions count like others,
            likewise.
    """

    releases: Releases
    roots: tuple[Incoming, ...]
    demands_of: DemandsOf
    passed_over: frozenset[tuple[str, str]] = frozenset()
    admitted: frozenset[str] = frozenset()

    def demands(self, node: Node, version: str) -> tuple[Demand, ...]:
        """Return what a version demands where it is needed."""
        name, extra, target = node
        demands = self.demands_of(name, version, extra, target)
        if self.passed_over:
            return tuple(each for each in demands if (name, each.text) not in self.passed_over)
        return demands

    def candidates(
        self,
        name: str,
        demands: Sequence[Demand],
        nodes: Collection[Node],
        dead: Collection[tuple[Node, str]] = (),
    ) -> Iterator[str]:
        """Yield the versions that can be taken; see `Releases.candidates`."""
        if name in self.admitted:
            lenient = Demand(
                name=name,
                target=None,
                allowed=frozenset(self.releases.versions(name)),
                takes_prereleases=True,
                is_pin=True,
                text=name,
            )
            demands = (*demands, lenient)
        return self.releases.candidates(name, demands, nodes, dead)
