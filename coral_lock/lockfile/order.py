"""The order in which plugins are activated, derived from the lock's content."""

from __future__ import annotations

from coral_lock.canonical_json import join_path
from coral_lock.errors import InvalidLockError
from coral_lock.names import GROUPS, split_plugin_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

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


def _ordered(waiting: dict[str, set[str]]) -> Iterator[str]:
    """Yield ids so that each comes behind those that it waits for, else sorted; `waiting` is used
    up, and holds nothing but ids that are keys."""
    # A start whose plugins have no order doesn't pay for it.
    from heapq import heapify, heappop, heappush

    followers: dict[str, list[str]] = {}
    for identifier, others in waiting.items():
        for other in others:
            followers.setdefault(other, []).append(identifier)
    ready = [identifier for identifier, others in waiting.items() if not others]
    heapify(ready)
    while ready:
        first = heappop(ready)
        yield first
        del waiting[first]
        for follower in followers.get(first, ()):
            waiting[follower].discard(first)
            if not waiting[follower]:
                heappush(ready, follower)
    if waiting:
        cycle = _find_cycle(waiting)
        shown = [f"`{identifier}`" for identifier in (*cycle, cycle[0])]
        if len(shown) > _MAX_NAMED:
            shown[_MAX_NAMED - 1 : -1] = ["…"]
        raise CycleError(f"plugins wait for each other: {' → '.join(shown)}", cycle)


def _refuse_later_groups(waiting: Mapping[str, Collection[str]], group: str) -> None:
    for identifier, others in waiting.items():
        for other in sorted(others):
            if GROUPS.index(split_plugin_id(other)[0]) > GROUPS.index(group):
                raise CycleError(
                    f"`{identifier}` can't come after `{other}`: "
                    f"the groups are activated in the order {', '.join(GROUPS)}",
                    (identifier, other),
                )


def _find_cycle(waiting: Mapping[str, Collection[str]]) -> tuple[str, ...]:
    """Return a cycle, starting from its smallest id; each id waits for the next."""
    path: dict[str, None] = {}
    current = min(waiting)
    while current not in path:
        path[current] = None
        current = min(waiting[current])
    cycle = list(path)[list(path).index(current) :]
    start = cycle.index(min(cycle))
    return tuple(cycle[start:] + cycle[:start])
