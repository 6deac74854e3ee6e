"""How hosts, and what a plugin requires of them, are put into words."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from coral_lock.lockfile.model import Host


def least(version: str | None) -> str:
    """Return a requirement on a host's version: `>= 0.0.4`, or `any`."""
    return f">= {version}" if version else "any"


def listed_hosts(host: Host) -> str:
    """Return the hosts that are known, with their versions: `coral-inference 0.0.4`."""
    known = ", ".join(f"{each.distribution} {each.version}" for each in host.packages())
    return known or "no host is known"
