"""What learning about plugins may cost: counted, so that a slow machine finds what a fast one does.

A distribution that nobody has reviewed may be made to take hours or gigabytes. What is read
of it, evaluated and probed is counted, for it alone and for all of a run together.
"""

from __future__ import annotations

from collections.abc import Callable

from coral_lock.errors import CoralLockError, InputError

MAX_SOURCE_BYTES = 512 << 10
"""How many bytes of sources and manifests are read of a distribution. A byte of source can
become a kilobyte of syntax tree."""

MAX_STEPS = 2_000_000
"""How many steps the evaluation of a distribution's sources takes: visits of syntax nodes,
and the like; some seconds."""

MAX_PROBES = 100
"""How many entry points of a distribution are probed."""

RUN_FACTOR = 64
"""How many times what a distribution may cost all of a run may."""


class OverBudgetError(InputError):
    """Learning about a distribution costs more than it may; says what is too much, as a phrase."""


class RunOverBudgetError(CoralLockError):
    """Learning about all distributions together costs more than it may."""


class Budget:
    """What one run may cost."""

    def __init__(self) -> None:
        self._bytes = self._steps = self._probes = 0

    def of(self, location: str) -> Allowance:
        """Return what a distribution may cost, which counts for the run as well.

        Args:
            location: where the distribution is, for a message.
        """
        return Allowance(self, location)

    def spend(self, location: str, *, size: int = 0, steps: int = 0, probes: int = 0) -> None:
        """Count what a distribution costs.

        Raises:
            RunOverBudgetError: all of them together cost more than they may.
        """
        self._bytes += size
        self._steps += steps
        self._probes += probes
        limit = RUN_FACTOR * MAX_SOURCE_BYTES
        if self._bytes > limit:
            _refuse(f"have more than {limit >> 20} MiB of sources and manifests to read", location)
        if self._steps > RUN_FACTOR * MAX_STEPS:
            _refuse(f"take more than {RUN_FACTOR * MAX_STEPS:,} steps to evaluate", location)
        if self._probes > RUN_FACTOR * MAX_PROBES:
            _refuse(f"have more than {RUN_FACTOR * MAX_PROBES:,} entry points to probe", location)


class Allowance:
    """What one distribution may cost.

    Args:
        budget: that of the run; by default one of its own.
        location: where the distribution is, for a message.
    """

    def __init__(self, budget: Budget | None = None, location: str = "") -> None:
        self._budget = budget or Budget()
        self._location = location
        self._bytes = self._steps = self._probes = 0

    def reading(self, read_source: Callable[[str], bytes | None]) -> Callable[[str], bytes | None]:
        """Return `read_source`, with what it returns counted as sources and manifests.

        The function that is returned raises `OverBudgetError` where it is too much for the
        distribution, and `RunOverBudgetError` where it is for the run, as all methods do.
        """

        def read(path: str) -> bytes | None:
            content = read_source(path)
            if content:
                self._count(len(content))
            return content

        return read

    def step(self, count: int = 1) -> None:
        """Count steps of an evaluation.

        Raises:
            OverBudgetError: they are too many for the distribution.
        """
        self._steps += count
        if self._steps > MAX_STEPS:
            raise OverBudgetError(
                f"the distribution's sources take more than {MAX_STEPS:,} steps to evaluate"
            )
        self._budget.spend(self._location, steps=count)

    def probe(self) -> None:
        """Count a probe.

        Raises:
            OverBudgetError: they are too many for the distribution.
        """
        self._probes += 1
        if self._probes > MAX_PROBES:
            raise OverBudgetError(
                f"the distribution has more than {MAX_PROBES} entry points to probe"
            )
        self._budget.spend(self._location, probes=1)

    def _count(self, size: int) -> None:
        self._bytes += size
        if self._bytes > MAX_SOURCE_BYTES:
            raise OverBudgetError(
                f"the distribution has more than {MAX_SOURCE_BYTES >> 10} KiB of sources and "
                "manifests to read"
            )
        self._budget.spend(self._location, size=size)


def _refuse(what: str, location: str) -> None:
    raise RunOverBudgetError(
        f"the plugins of all distributions together {what}",
        where=location or None,
        hint="have their authors ship manifests (`coral-runtime manifest compile`), or lock from "
        "fewer wheels",
    )
