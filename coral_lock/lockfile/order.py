"""The order in which plugins are activated, derived from the lock's content."""

from __future__ import annotations

from coral_lock.canonical_json import join_path
from coral_lock.errors import InvalidLockError
from coral_lock.names import GROUPS, split_plugin_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_MAX_NAMED = 20


class CycleError(InvalidLockError):
    """The `after` of some plugins can't be met; `cycle` names them in order."""

    def __init__(self, message: str, cycle: tuple[str, ...]) -> None:
        super().__init__(
            message,
            path=join_path("plugins", cycle[0]) + ".after",
            hint="remove one of these ids from `after` in the descriptor",
        )
        self.cycle = cycle


def activation_order(after: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Order plugin ids by group, then by `after`, then by id.

    Args:
        after: each plugin's id and the ids that come before it; ids that aren't keys
            themselves are ignored.

    Raises:
        CycleError: plugins wait for each other, or for one of a later group.
    """
    groups: dict[str, list[str]] = {group: [] for group in GROUPS}
    for identifier in sorted(after):
        groups[split_plugin_id(identifier)[0]].append(identifier)
    order: list[str] = []
    for group, identifiers in groups.items():
        waiting = {
            identifier: {other for other in after[identifier] if other in after}
            for identifier in identifiers
        }
        _refuse_later_groups(waiting, group)
        # Those of an earlier group are done.
        waiting = {
            identifier: {other for other in others if other in waiting}
            for identifier, others in waiting.items()
        }
        order.extend(_ordered(waiting) if any(waiting.values()) else identifiers)
    return tuple(order)


def _ordered(waiting: Mapping[str, Collection[str]]) -> Iterator[str]:
    """Yield sorted ids so that each comes behind those that it waits for, else sorted."""
    # A start whose plugins have no order doesn't pay for it.
    import graphlib
    from heapq import heapify, heappop, heappush

    sorter = graphlib.TopologicalSorter({each: sorted(waiting[each]) for each in waiting})
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        raise _cycle_error(error.args[1]) from None
    ready = list(sorter.get_ready())
    heapify(ready)
    while ready:
        first = heappop(ready)
        yield first
        sorter.done(first)
        for follower in sorter.get_ready():
            heappush(ready, follower)


def _cycle_error(found: Sequence[str]) -> CycleError:
    """Return the error for a cycle in which each id waits for the one before it.

    The first is the last again. What is reported starts from the smallest id, and each id in it
    waits for the next.
    """
    start = found.index(min(found))
    cycle = (*found[start::-1], *found[-2:start:-1])
    shown = [f"`{identifier}`" for identifier in (*cycle, cycle[0])]
    if len(shown) > _MAX_NAMED:
        shown[_MAX_NAMED - 1 : -1] = ["…"]
    return CycleError(f"plugins wait for each other: {' → '.join(shown)}", cycle)


def _refuse_later_groups(waiting: Mapping[str, Collection[str]], group: str) -> None:
    for identifier, others in waiting.items():
        for other in sorted(others):
            if GROUPS.index(split_plugin_id(other)[0]) > GROUPS.index(group):
                raise CycleError(
                    f"`{identifier}` can't come after `{other}`: "
                    f"the groups are activated in the order {', '.join(GROUPS)}",
                    (identifier, other),
                )
