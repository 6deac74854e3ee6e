"""What the speed ought to be, and whether it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from tests.bench.closure import ClosureSpeed
from tests.bench.diff_speed import PLUGINS
from tests.bench.digest_speed import DigestSpeed
from tests.bench.fleet_speed import FleetSpeed
from tests.bench.processes import Measurement
from tests.bench.programs import (
    BARE,
    ENTRY_POINTS,
    LOCK_CHECK,
    PLUGGY,
    PLUGINS_LIST,
    SECOND_START,
    STEVEDORE,
)
from tests.bench.synthetic_site import Site
from tests.bench.wheelhouse_speed import CHECK, COLD, INFLATE, WheelhouseSpeed

SITES = (Site(50), Site(500), Site(2000), Site(500, has_manifests=True))

_START_RATIOS = {50: 1.2, 500: 1.0, 2000: 0.65}
_LISTING_RATIO = {False: 3.0, True: 2.0}
"""Without manifests, whose facts are evaluated statically, and with them."""

_FLAT_RATIO = 1.25
_PEAK_MIB = 30.0
_IN_PROCESS_MILLISECONDS = 10.0
_CHILD_MILLISECONDS = 5.0
_DIGEST_RATIO = 0.9
_PROVING_MILLISECONDS = 60.0
_IMPORT_RATIO = 1.05
_WHEELS_RATIO = 0.9
_CHECK_RATIO = 0.1
_WHEELS_PEAK_MIB = 150.0
_RESOLUTION_SECONDS = 5.0
_DIFF_SECONDS = 1.0
_FLEET_SECONDS = 10.0
_FLEET_PEAK_MIB = 300.0

Measurements = Mapping[str, Measurement]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A number with its bound, which it may reach."""

    name: str
    measured: float
    bound: float
    unit: str = ""
    is_minimum: bool = False

    @property
    def is_met(self) -> bool:
        if self.is_minimum:
            return self.measured >= self.bound
        return self.measured <= self.bound


def targets(
    by_site: Mapping[Site, Measurements],
    in_process: Mapping[Site, Sequence[float]],
    digests: Sequence[DigestSpeed],
    child_milliseconds: float,
) -> Iterator[Target]:
    """Yield the targets of the design with what was measured."""
    for site, measurements in by_site.items():
        yield from _site_targets(site, measurements)
    smallest, largest = min(by_site), max(by_site)
    yield Target(
        name=f"`init --locked` less bare Python, {largest.size:,} to {smallest.size:,}",
        measured=_own_time(by_site[largest]) / _own_time(by_site[smallest]),
        bound=_FLAT_RATIO,
        unit=" ×",
    )
    yield Target(
        name="a child process that imports neither host nor plugin, to one without us",
        measured=child_milliseconds,
        bound=_CHILD_MILLISECONDS,
        unit=" ms",
    )
    for site, milliseconds in in_process.items():
        yield Target(
            name=f"`coral_lock.init`, imports done, {site}",
            measured=median(milliseconds),
            bound=_IN_PROCESS_MILLISECONDS,
            unit=" ms",
        )
    for digest in digests:
        yield Target(
            name=f"hashing {digest.files}: to `hashlib`",
            measured=digest.ours / digest.hashlib,
            bound=_DIGEST_RATIO,
            unit=" ×",
            is_minimum=True,
        )


def closure_targets(speed: ClosureSpeed) -> Iterator[Target]:
    """Yield the targets for a large closure with what was measured."""
    yield Target(
        name="`--integrity imports` to `metadata`, 150 distributions and 20,000 files",
        measured=speed.proving_milliseconds,
        bound=_PROVING_MILLISECONDS,
        unit=" ms",
    )
    yield Target(
        name="importing 2,000 modules under the lock, to plain Python",
        measured=speed.import_ratio,
        bound=_IMPORT_RATIO,
        unit=" ×",
    )
    yield Target(
        name="hashing libraries as they are loaded: to `hashlib`",
        measured=speed.hashing_ratio,
        bound=_DIGEST_RATIO,
        unit=" ×",
        is_minimum=True,
    )


def wheelhouse_targets(speed: WheelhouseSpeed) -> Iterator[Target]:
    """Yield the targets for the real wheelhouse with what was measured."""
    cold, check = speed.programs[COLD], speed.programs[CHECK]
    yield Target(
        name=f"speed of {COLD}, to {INFLATE}",
        measured=_ratio(speed.programs[INFLATE], cold),
        bound=_WHEELS_RATIO,
        unit=" ×",
        is_minimum=True,
    )
    yield Target(
        name=f"{CHECK}, to {COLD}", measured=_ratio(check, cold), bound=_CHECK_RATIO, unit=" ×"
    )
    yield Target(
        name=f"{COLD}: peak memory",
        measured=cold.median_peak_mib,
        bound=_WHEELS_PEAK_MIB,
        unit=" MiB",
    )
    yield Target(
        name="choosing among 2,000 distributions in 10 versions",
        measured=speed.resolution_seconds,
        bound=_RESOLUTION_SECONDS,
        unit=" s",
    )


def diff_target(speed: Measurement) -> Target:
    """Return the target for comparing two large locks with what was measured."""
    return Target(
        name=f"`diff` of two locks of {PLUGINS:,} plugins",
        measured=speed.median_milliseconds / 1e3,
        bound=_DIFF_SECONDS,
        unit=" s",
    )


def fleet_targets(speed: FleetSpeed) -> Iterator[Target]:
    """Yield the targets for the reports of a fleet with what was measured."""
    for name, measured in speed.programs.items():
        seconds = measured.median_milliseconds / 1e3
        yield Target(name=name, measured=seconds, bound=_FLEET_SECONDS, unit=" s")
        peak = measured.median_peak_mib
        yield Target(name=f"{name}: peak memory", measured=peak, bound=_FLEET_PEAK_MIB, unit=" MiB")


def _site_targets(site: Site, measurements: Measurements) -> Iterator[Target]:
    start = measurements[SECOND_START]
    for name, other, bound in (
        ("`entry_points()`", ENTRY_POINTS, _START_RATIOS[site.size]),
        ("stevedore", STEVEDORE, 1.0),
        ("pluggy", PLUGGY, 1.0),
    ):
        yield Target(
            name=f"`init --locked` to {name}, {site}",
            measured=_ratio(start, measurements[other]),
            bound=bound,
            unit=" ×",
        )
    for name in (PLUGINS_LIST, LOCK_CHECK):
        yield Target(
            name=f"{name} to `entry_points()`, {site}",
            measured=_ratio(measurements[name], measurements[ENTRY_POINTS]),
            bound=_LISTING_RATIO[site.has_manifests],
            unit=" ×",
        )
    yield Target(
        name=f"`init --locked`: peak memory, {site}",
        measured=start.median_peak_mib,
        bound=_PEAK_MIB,
        unit=" MiB",
    )


def _own_time(measurements: Measurements) -> float:
    start, bare = measurements[SECOND_START], measurements[BARE]
    return start.median_milliseconds - bare.median_milliseconds


def _ratio(one: Measurement, other: Measurement) -> float:
    return one.median_milliseconds / other.median_milliseconds
