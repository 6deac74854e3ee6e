"""Files besides packages: scripts, headers and data, and what runs or is found before them."""

from __future__ import annotations

from coral_lock.canonical_json import join_path
from coral_lock.finding import ERROR, WARNING, Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from coral_lock.lockfile.model import LockedDistribution
    from coral_lock.verification.machine import InstalledState
    from coral_lock.verification.startup import StartupFile

_MAX_NAMED = 20


def data_findings(locked: LockedDistribution, state: InstalledState) -> Iterator[Finding]:
    """Yield what differs, once the wheel that is installed is one that the lock covers.

    Args:
        locked: what the lock says, which holds a digest of the distribution's other files.
        state: what is there, hashed.
    """
    name, tag, there = locked.name, state.tag, state.outside
    if there is None or tag is None or tag not in locked.digests or state.version != locked.version:
        return

    def finding(code: str, summary: str, severity: str = ERROR, **details: str) -> Finding:
        hint = f"install `{name}=={locked.version}` again, from a wheel you trust"
        values = {"where": join_path("distributions", name), "hint": hint, **details}
        return Finding(code=code, severity=severity, subject=name, summary=summary, **values)

    if locked.data_digests == {}:
        if there.hashes:
            yield finding(
                "unpinned-file",
                f"the lock holds no digest of the scripts, headers and data of `{name}`, so they "
                "weren't verified",
                WARNING,
                hint="lock it without the other distribution that overwrites them",
            )
        return
    expected = (locked.data_digests or {}).get(tag)
    if expected is None:
        for path in (*there.hashes, *there.missing)[:_MAX_NAMED]:
            yield finding(
                "unlocked-file",
                f"`{path}` of `{name}` isn't in the wheel that was locked",
                where=path,
                hint="remove the file and identify its source; if the lock is older than "
                "`data_digests`, run `coral-runtime lock`",
            )
        return
    if not (there.hashes or there.missing):
        yield finding(
            "digest-mismatch",
            f"the scripts, headers and data of `{name}` aren't those that were locked: its "
            "RECORD lists none",
            expected=expected,
            found="none",
        )
    elif there.are_absent:
        yield finding(
            "unpinned-file",
            f"the scripts, headers and data of `{name}` aren't there, so they can't be verified",
            WARNING,
            expected=expected,
            found="none",
        )
    else:
        for path in there.missing[:_MAX_NAMED]:
            yield finding(
                "file-missing", f"`{path}` of `{name}` is missing or unreadable", where=path
            )
        if not there.missing and there.digest != expected:
            digests = {"expected": expected, "found": there.digest}
            for path in there.changed[:_MAX_NAMED]:
                summary = f"`{path}` of `{name}` isn't the file that was locked"
                yield finding("digest-mismatch", summary, where=path, **digests)
            if not there.changed:
                summary = f"`{name}` has other scripts, headers or data than the locked ones"
                yield finding("digest-mismatch", summary, **digests)


def startup_findings(
    unlocked: Sequence[StartupFile], scripts: Mapping[str, str]
) -> Iterator[Finding]:
    """Yield the files that no locked distribution is responsible for.

    Args:
        unlocked: those that Python runs at every start.
        scripts: the places of those beside the commands, by name.
    """
    for file in unlocked[:_MAX_NAMED]:
        yield Finding(
            code="unlocked-startup",
            severity=WARNING,
            subject=file.name,
            summary=f"`{file.name}` runs at every start of Python, before anything is checked, "
            "and no locked distribution ships it",
            where=file.place,
            hint="remove it, or uninstall what it belongs to",
        )
    for name, place in sorted(scripts.items())[:_MAX_NAMED]:
        yield Finding(
            code="shadowing-script",
            severity=ERROR,
            subject=name,
            summary=f"`{name}` is beside the commands, which would import it instead of the module "
            "of that name",
            where=place,
            hint="remove it, or uninstall what it belongs to",
        )
