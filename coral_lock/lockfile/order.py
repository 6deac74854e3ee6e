"""The order in which plugins are activated, derived from the lock's content."""

from __future__ import annotations

from coral_lock.canonical_json import join_path
from coral_lock.errors import InvalidLockError
from coral_lock.names import GROUPS, split_plugin_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


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
    order: list[str] = []
    for group in GROUPS:
        waiting = {
            identifier: {other for other in after[identifier] if other in after}
            for identifier in sorted(after)
            if split_plugin_id(identifier)[0] == group
        }
        _refuse_later_groups(waiting, group)
        done = set(order)
        while waiting:
            ready = [identifier for identifier, others in waiting.items() if others <= done]
            if not ready:
                cycle = _find_cycle(waiting)
                raise CycleError(
                    "plugins wait for each other: "
                    + " → ".join(f"`{identifier}`" for identifier in (*cycle, cycle[0])),
                    cycle,
                )
            order.append(ready[0])
            done.add(ready[0])
            del waiting[ready[0]]
    return tuple(order)


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
    path: list[str] = []
    current = min(waiting)
    while current not in path:
        path.append(current)
        current = min(other for other in waiting[current] if other in waiting)
    cycle = path[path.index(current) :]
    start = cycle.index(min(cycle))
    return tuple(cycle[start:] + cycle[:start])
