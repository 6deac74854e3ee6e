"""Chains of requirements in a lock: through whom something is needed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.lockfile.model import Lock


def shortest_chain(lock: Lock, name: str) -> tuple[str, ...]:
    """Return the shortest chain of requirements that leads to a distribution.

    It begins with a distribution that provides a plugin, or else with a host, and ends
    with `name`. Of chains of one length the first in alphabetical order counts.

    Args:
        lock: the lock; what only some targets require counts too.
        name: a distribution of it.
    """
    requirers: dict[str, list[str]] = {each.name: [] for each in lock.distributions}
    for distribution in lock.distributions:
        edges = {*distribution.requires}
        for required in distribution.target_requires.values():
            edges.update(required)
        for required_name in sorted(edges):
            requirers[required_name].append(distribution.name)
    providers = set(lock.plugin_distributions())
    hosts = {package.distribution for package in lock.host.packages()}
    chains: list[tuple[str, ...]] = [(name,)]
    seen = {name}
    from_hosts: list[tuple[str, ...]] = []
    while chains:
        for chain in chains:
            if chain[0] in providers:
                return chain
        from_hosts.extend(chain for chain in chains if chain[0] in hosts)
        longer: dict[str, tuple[str, ...]] = {}
        for chain in chains:
            for other in requirers[chain[0]]:
                if other not in seen:
                    longer.setdefault(other, (other, *chain))
        seen.update(longer)
        chains = [longer[other] for other in sorted(longer)]
    return from_hosts[0] if from_hosts else (name,)
