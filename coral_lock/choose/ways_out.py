"""The nearest ways out of a problem without a solution, found by trying them."""

from __future__ import annotations

from coral_lock.choose.releases import target_names
from coral_lock.choose.solving import solve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from coral_lock.choose.causes import Cause, Clash
    from coral_lock.choose.demand import Demand
    from coral_lock.choose.releases import Releases

_MAX_TRIED = 8


def ways_out(cause: Cause, *known: str) -> str:
    """Return what would help, each of it by itself, in words: `do this, or do that`.

    Args:
        cause: what can't be met.
        known: ways that are known already.
    """
    ways = [*known, *_relaxed(cause), *_admitted(cause), *_switched_off(cause)]
    return ", or ".join(dict.fromkeys(ways)) or "change what is required, or add wheels"


def missing_addition(clash: Clash, targets: Sequence[str]) -> str:
    """Return which wheel would help where there is none: `add a wheel of x that meets >=9`.

    Args:
        clash: what is demanded.
        targets: those that have no wheel of it.
    """
    demands = [each.demand for each in clash.demands]
    return _wheel_to_add(clash.name, _specifiers(demands), targets)


def additions(clash: Clash, releases: Releases) -> tuple[str, ...]:
    """Return which wheel would help where there are some, nothing if none is known to.

    One does where what is demanded is newer than anything, or where what meets the demands
    doesn't fit a target.
    """
    demands = [each.demand for each in clash.demands]
    if any(demand.relation is not None for demand in demands):
        return ()
    lacking = _specifiers(each for each in demands if not each.allowed)
    if lacking:
        return (_wheel_to_add(clash.name, lacking, ()),)
    fitting = [
        version
        for version in releases.versions(clash.name)
        if all(version in demand.allowed for demand in demands)
        and not releases.is_yanked(clash.name, version)
    ]
    targets = [
        target
        for target in clash.targets
        if fitting
        and not any(releases.can_have(clash.name, version, target) for version in fitting)
    ]
    return (_wheel_to_add(clash.name, _specifiers(demands), targets),) if targets else ()


def _specifiers(demands: Iterable[Demand]) -> str:
    """Return what a version has to meet, as one specifier."""
    parts = [part for each in demands for part in each.specifier.split(",") if part]
    return ",".join(dict.fromkeys(parts))


def _wheel_to_add(name: str, specifier: str, targets: Sequence[str]) -> str:
    place = target_names(targets)
    meets = f"meets `{specifier}`" if specifier else ""
    fits = f"fits {place}" if place else ""
    properties = " and ".join(filter(None, (meets, fits)))
    return f"add a wheel of `{name}`" + (f" that {properties}" if properties else "")


def _relaxed(cause: Cause) -> Iterator[str]:
    """Yield the demands without which there is a solution."""
    releases = cause.problem.releases
    demands = [
        each
        for clash in cause.clashes
        for each in clash.demands
        if each.source.name is not None
        and 0 < len(each.demand.allowed) < len(releases.versions(clash.name))
    ]
    for each in demands[:_MAX_TRIED]:
        demand, source = each.demand, each.source
        key = (str(source.name), demand.text)
        relaxed = cause.problem.replace(passed_over=frozenset({key}))
        if demand.relation is None and solve(relaxed).is_solved:
            yield f"have `{source.name}` relax `{demand.text}`"


def _admitted(cause: Cause) -> Iterator[str]:
    """Yield the pre-releases and yanked versions with which there is a solution."""
    releases = cause.problem.releases
    names = {clash.name for clash in cause.clashes} | set(cause.outcome.involved)
    for name in sorted(names)[:_MAX_TRIED]:
        if not any(
            releases.is_prerelease(version) or releases.is_yanked(name, version)
            for version in releases.versions(name)
        ):
            continue
        outcome = solve(cause.problem.replace(admitted=frozenset({name})))
        version = outcome.settled.versions.get(name)
        if outcome.is_solved and version is not None:
            kind = "yanked version" if releases.is_yanked(name, version) else "pre-release"
            yield f"allow the {kind} {version} of `{name}` by requiring `{name}=={version}`"


def _switched_off(cause: Cause) -> Iterator[str]:
    """Yield the wants without which there is a solution; each is one, as none is in vain."""
    wants = {root.source.plugins for root in cause.problem.roots if root.source.plugins}
    if wants:
        texts = (" and ".join(f"`{each}`" for each in plugins) for plugins in sorted(wants))
        yield f"switch {' or '.join(texts)} off"
