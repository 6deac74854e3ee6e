"""What locking again must say: bytes that changed under one version, and plugins that are gone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from coral_lock.canonical_json import lines_of
from coral_lock.derive.locking import Derivation
from coral_lock.difference.model import Change
from coral_lock.errors import UsageError, abridged
from coral_lock.finding import Finding
from coral_lock.installed.digest import is_digested, stated_hash
from coral_lock.lockfile.model import Lock, offering_distributions
from coral_lock.lockfile.text import write_lock
from coral_lock.locking.selection import is_unoffered
from coral_lock.messages import counted
from coral_lock.names import normalized_name

_MAX_NAMED = 3


def allowed_names(names: Iterable[str], locked: Lock) -> frozenset[str]:
    """Return the normalized names of distributions whose bytes may change.

    Raises:
        UsageError: the lock has no distribution of that name.
    """
    known = {each.name for each in locked.distributions}
    allowed = {normalized_name(name): name for name in names}
    for name, given in sorted(allowed.items()):
        if name not in known:
            raise UsageError(
                "`--allow-changed-digest` names a distribution that the lock doesn't have",
                found=given,
                hint="name the distribution as the lock does, not a plugin or a file",
            )
    return frozenset(allowed)


def relocking_findings(
    locked: Lock,
    derivation: Derivation,
    changes: Sequence[Change],
    *,
    allowed: Collection[str],
    path: str,
    use_cache: bool,
) -> Iterator[Finding]:
    """Yield what is alarming about replacing a lock by what was derived.

    Args:
        locked: the lock that is there.
        derivation: what would be written, without errors.
        changes: the changes that lead from one to the other.
        allowed: the distributions whose bytes may change under an unchanged version.
        path: the lock's file, for messages.
        use_cache: whether it may ask what earlier runs have read of wheels.
    """
    assert derivation.lock is not None
    versions = {each.name: each.version for each in locked.distributions}
    lines = lines_of(write_lock(locked))
    for change in changes:
        if change.subject in allowed or not any(
            risk.code == "bytes-changed" for risk in change.risks
        ):
            continue
        name = change.subject
        # Of scripts, headers and data the cache knows no digest.
        is_tree = "digests" in change.place
        files = _changed_files(name, str(change.before), derivation, use_cache) if is_tree else ""
        yield Finding(
            code="bytes-changed",
            subject=name,
            summary=f"{change.summary}: {versions[name]}{files}",
            expected=str(change.before) if change.before else "nothing",
            found=str(change.after) if change.after else "nothing",
            where=f"{path}:{lines.get(change.path, 1)}",
            hint=f"find out why, then accept it with `--allow-changed-digest {name}`",
        )
    is_wheelhouse = derivation.opened.choice is not None
    found = offering_distributions(derivation.lock.plugins, derivation.lock.excluded)
    for plugin in locked.plugins:
        if plugin.id not in found:
            # Reading wheels takes much to import, and few who lock an environment need it.
            from coral_lock.wheels.listing import FETCH

            yield Finding(
                code="plugin-gone",
                subject=plugin.id,
                summary=f"`{plugin.id}` was locked, and no distribution offers it",
                found=f"it came from `{plugin.distribution}`",
                hint="if it wasn't removed on purpose, "
                + (FETCH if is_wheelhouse else f"provide `{plugin.distribution}`")
                + "; a plugin that the descriptor switches on can't get lost",
            )


def name_fetch(findings: Iterable[Finding], locked: Lock) -> tuple[Finding, ...]:
    """Return what a wheelhouse lacks; of a locked plugin the hint is how to download it."""
    from coral_lock.wheels.listing import FETCH

    known = {plugin.id for plugin in locked.plugins}
    return tuple(
        each.replace(hint=FETCH) if is_unoffered(each) and each.subject in known else each
        for each in findings
    )


def _changed_files(name: str, old_digest: str, derivation: Derivation, use_cache: bool) -> str:
    """Return which files differ, as far as an earlier run has read the wheel that was locked."""
    from coral_lock.wheels.wheelhouse import WheelCache

    before = WheelCache().files_of(old_digest) if use_cache else None
    after: Mapping[str, str] = {}
    for _, inventory in sorted(derivation.opened.inventories.items()):
        after = after or {
            path: stated_hash(value) or value
            for path, value in inventory.stated(name).files.items()
            if is_digested(path)
        }
    if before is None or not after:
        return f" (it has {counted(len(after), 'file')} now)" if after else ""
    paths = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
    named = abridged([f"`{path}`" for path in paths], _MAX_NAMED)
    return f"; {counted(len(paths), 'file')} of {len(after)} changed: {named}"
