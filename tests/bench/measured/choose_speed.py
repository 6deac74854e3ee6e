"""How many seconds choosing takes among 2,000 distributions with 10 versions each.

It prints the seconds. Nothing is parsed beforehand, and the wheels exist in memory only.
"""

from __future__ import annotations

from time import perf_counter

from coral_lock.resolver import choose
from tests.bench.synthetic_releases import synthetic_wheels
from tests.unit.resolver.universe import descriptor, sources

DISTRIBUTIONS, VERSIONS = 2_000, 10


def main() -> None:
    found = sources(*synthetic_wheels(DISTRIBUTIONS, VERSIONS))
    started = perf_counter()
    choice = choose(found, descriptor(), kept={})
    seconds = perf_counter() - started
    assert not choice.findings
    assert len(choice.versions) == DISTRIBUTIONS
    print(seconds)


if __name__ == "__main__":
    main()
