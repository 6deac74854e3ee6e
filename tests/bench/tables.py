"""The outcome as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from tests.bench.ansible_speed import AnsibleSpeed
from tests.bench.closure import ClosureSpeed
from tests.bench.digest_speed import DigestSpeed
from tests.bench.fleet_speed import DEVICES, FleetSpeed
from tests.bench.programs import ENTRY_POINTS
from tests.bench.synthetic_site import Site
from tests.bench.targets import Measurements, Target
from tests.bench.wheelhouse_speed import WheelhouseSpeed


def site_table(site: Site, measurements: Measurements) -> str:
    """Return the table of one site: median times, ratios, and median peak memory."""
    reference = measurements[ENTRY_POINTS].median_milliseconds
    return _table(
        (f"{site}: whole process", "median ms", "to `entry_points()`", "peak MiB"),
        (
            (
                name,
                f"{measurement.median_milliseconds:.1f}",
                f"{measurement.median_milliseconds / reference:.2f}",
                f"{measurement.median_peak_mib:.1f}",
            )
            for name, measurement in measurements.items()
        ),
    )


def digest_table(digests: Iterable[DigestSpeed]) -> str:
    """Return the table of hashing speeds."""
    return _table(
        ("SHA-256, MB/s", "ours", "`hashlib`, one thread", "`hashlib`, one thread a core"),
        (
            (
                digest.files,
                f"{digest.ours:,.0f}",
                f"{digest.hashlib_one_thread:,.0f}",
                f"{digest.hashlib_all_cores:,.0f}",
            )
            for digest in digests
        ),
    )


def closure_table(speed: ClosureSpeed) -> str:
    """Return the table of the large closure: median milliseconds."""
    rows = [
        *(
            (f"{name}, whole process", measured.median_milliseconds)
            for name, measured in speed.starts.items()
        ),
        ("importing its modules, plain Python", median(speed.plain.modules)),
        ("importing its modules under the lock", median(speed.locked.modules)),
        ("loading its libraries, plain Python", median(speed.plain.libraries)),
        (
            "loading its libraries under the lock, nothing hashed ahead",
            median(speed.locked.libraries),
        ),
        ("hashing its libraries, `hashlib` in one thread", median(speed.hashing)),
    ]
    heads = (
        f"150 distributions, 20,000 files, 2,000 modules, {speed.library_bytes / 1e6:,.0f} MB of "
        "libraries",
        "median ms",
    )
    return _table(heads, ((name, f"{milliseconds:.1f}") for name, milliseconds in rows))


def fleet_table(speed: FleetSpeed) -> str:
    """Return the table of the reports of a fleet: median seconds, reports a second, peak memory."""
    heads = (
        f"{DEVICES:,} reports, {speed.report_bytes / 1e6:,.0f} MB: whole process",
        "median s",
        "reports/s",
        "peak MiB",
    )
    return _table(
        heads,
        (
            (
                name,
                f"{measured.median_milliseconds / 1e3:.2f}",
                f"{DEVICES * 1e3 / measured.median_milliseconds:,.0f}",
                f"{measured.median_peak_mib:.0f}",
            )
            for name, measured in speed.programs.items()
        ),
    )


def wheelhouse_table(speed: WheelhouseSpeed) -> str:
    """Return the table of the real wheelhouse: median seconds, speeds, peak memory."""
    heads = (
        f"{speed.wheel_count} wheels, {speed.packed_bytes / 1e6:,.0f} MB, unpacked "
        f"{speed.unpacked_bytes / 1e6:,.0f} MB: whole process",
        "median s",
        "unpacked MB/s",
        "peak MiB",
    )
    return _table(
        heads,
        (
            (
                name,
                f"{measured.median_milliseconds / 1e3:.2f}",
                f"{speed.unpacked_bytes / 1e3 / measured.median_milliseconds:,.0f}",
                f"{measured.median_peak_mib:.0f}",
            )
            for name, measured in speed.programs.items()
        ),
    )


def ansible_table(speed: AnsibleSpeed) -> str:
    """Return the table of Ansible's speed: hosts a minute."""
    heads = (
        f"{speed.hosts} hosts on this machine",
        *(f"hosts a minute, {forks} forks" for forks in speed.compared),
    )
    rows = {"compared with their lock": speed.compared, "pinged": speed.pinged}
    return _table(
        heads, ((name, *(f"{each:.0f}" for each in row.values())) for name, row in rows.items())
    )


def target_table(targets: Iterable[Target]) -> str:
    """Return the table of targets; one that isn't met is marked `MISSED`."""
    return _table(
        ("target", "bound", "measured", ""),
        (
            (
                target.name,
                f"{'≥' if target.is_minimum else '≤'} {target.bound:.2f}{target.unit}",
                f"{target.measured:.2f}{target.unit}",
                "ok" if target.is_met else "**MISSED**",
            )
            for target in targets
        ),
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(_lines(heads, rows))


def _lines(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|---|{'---:|' * (len(heads) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
