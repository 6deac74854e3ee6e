"""Which versions of an existing lock are kept."""

from __future__ import annotations

from coral_lock.errors import UsageError
from coral_lock.lockfile.target_rules import base_id
from coral_lock.names import nearest_id, normalized_name
from coral_lock.resolve.selection import nearest_plugin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from coral_lock.lockfile.model import Lock


def kept_versions(lock: Lock | None, upgraded: Sequence[str]) -> dict[str, str]:
    """Return the versions of a lock's distributions that are to be kept, by name.

    Args:
        lock: the lock that is there, or None.
        upgraded: ids of plugins whose distributions aren't kept, or names of distributions.

    Raises:
        UsageError: the lock has no such plugin or distribution.
    """
    distributions: dict[str, str] = {}
    if lock is not None:
        distributions.update((plugin.id, plugin.distribution) for plugin in lock.plugins)
        for excluded in lock.excluded:
            distributions.setdefault(base_id(excluded), excluded.distribution)
        distributions.update((each.name, each.name) for each in lock.distributions)
    dropped = set()
    for identifier in upgraded:
        known = identifier if identifier in distributions else normalized_name(identifier)
        if known not in distributions:
            raise _unknown(identifier, distributions)
        dropped.add(distributions[known])
    if lock is None:
        return {}
    return {each.name: each.version for each in lock.distributions if each.name not in dropped}


def _unknown(identifier: str, known: Collection[str]) -> UsageError:
    near = _nearest(identifier, known) or nearest_id(identifier)
    return UsageError(
        f"the lock has no plugin and no distribution `{identifier}` to upgrade",
        expected="the id of one of its plugins, or the name of a distribution"
        if known
        else "a lock with plugins",
        hint=f"did you mean `{near}`?"
        if near
        else "see `coral-runtime plugins list`; what isn't in the lock is taken in its newest "
        "version anyway",
    )


def _nearest(identifier: str, known: Collection[str]) -> str | None:
    """Return what may be meant: what has no group, like a distribution, or like a plugin's name."""
    from difflib import get_close_matches

    plugins = [each for each in known if ":" in each]
    if ":" in identifier:
        return nearest_plugin(identifier, plugins)
    near = get_close_matches(normalized_name(identifier), sorted(set(known).difference(plugins)), 1)
    return near[0] if near else nearest_plugin(f":{identifier}", plugins)
